# SPDX-License-Identifier: Apache-2.0
"""The network under study stays what it is; float weights go to a file and back."""
import copy

import numpy as np
import pytest
import torch
from openeie.core.errors import InputError
from openeie.sw.study.subject import FULL, QUICK, lenet, read_weights, weights_of
from support.study_subject import small_subject


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(),
                                                 other.state_dict().values()))


def test_copies_are_retrained_alike_and_the_network_is_not():
    subject = small_subject()
    before, threads = copy.deepcopy(subject.model), torch.get_num_threads()
    trained = [subject.copy() for _ in range(3)]
    try:
        for count, model in zip((1, 2, 1), trained):
            torch.set_num_threads(count)
            torch.rand(count)                       # another state of the global generator
            subject.retrain(model)
    finally:
        torch.set_num_threads(threads)
    assert same(trained[0], trained[1]) and same(trained[0], trained[2])
    assert not same(trained[0], before) and same(subject.model, before)
    assert subject.weights == 40 * 30 + 30 * 20 + 20 * 5
    assert subject.error_float == subject.error(subject.model) < 0.1
    assert small_subject(1).error_float != pytest.approx(1)


def test_weights_go_to_a_file_and_back(tmp_path):
    model = lenet(3)
    np.savez(tmp_path / "w.npz", **weights_of(model))
    assert same(read_weights(tmp_path / "w.npz"), model) and not same(lenet(4), model)
    assert sum(p.numel() for p in model.parameters()) == 266_610


@pytest.mark.parametrize(("change", "message"), [
    ({"ip2.bias": None}, r"array 'ip2.bias' must be finite floats \[100\], not nothing"),
    ({"ip1.weight": np.zeros((784, 300))}, r"floats \[300, 784\], not float64 \[784, 300\]"),
    ({"ip3.bias": np.zeros(10, int)}, r"must be finite floats \[10\], not int64 \[10\]"),
    ({"ip3.bias": np.full(10, np.nan)}, r"'ip3.bias' must be finite floats \[10\]"),
    ({"ip1.weight": None}, "has no array 'ip1.weight'")])
def test_other_weights_are_refused(tmp_path, change, message):
    arrays = {name: array for name, array in (weights_of(lenet(0)) | change).items()
              if array is not None}
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_weights(tmp_path / "w.npz")


def test_one_array_is_no_network(tmp_path):
    np.save(tmp_path / "w.npy", np.zeros(3))
    with pytest.raises(InputError, match="w.npy must be an .npz with an array 'ip1.weight"):
        read_weights(tmp_path / "w.npy")


def test_quick_is_the_shorter_effort():
    assert QUICK.dense.epochs < FULL.dense.epochs and QUICK.retrain.epochs < FULL.retrain.epochs
    assert len(QUICK.joint_slots) < len(FULL.joint_slots)
