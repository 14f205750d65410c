# SPDX-License-Identifier: Apache-2.0
"""``openeie bench compression``."""
import csv
import json

import numpy as np
import pytest
from openeie import shipped
from openeie.core.artefact.inspect import inspect
from openeie.sw.study.subject import lenet, weights_of
from support.commands import run, run_json
from support.study_subject import write_mnist


def test_what_needs_no_data_needs_none(tmp_path):
    result = run_json("bench", "compression", "--figure", "symbols", "-o", tmp_path)
    assert [network["name"] for network in result["networks"]] == ["lenet-300-100", "lenet-5"]
    total = result["networks"][1]["rows"][-1]
    assert total["layer"] == "total" and total["paper"]["rate_stored"] == 0.0255
    figures = [f"symbols-{name}" for name in ("lenet-300-100", "lenet-5")]
    assert [figure["name"] for figure in result["figures"]] == figures and "study" not in result
    assert {path.name for path in tmp_path.iterdir()} == {
        "table.csv", "compression.json", *(f"{name}.{end}" for name in figures
                                           for end in ("svg", "csv"))}
    written = json.loads((tmp_path / "compression.json").read_text())
    assert written["networks"] == result["networks"]
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 + 5 and float(rows[-1]["paper_rate_stored"]) == 0.0255
    assert float(rows[-1]["rate_stored"]) == total["rate_stored"]


@pytest.mark.slow
def test_a_network_is_trained_and_measured_and_its_weights_start_the_next(tmp_path):
    """On 300 images: one step an epoch."""
    data = f"mnist:{write_mnist(tmp_path)}"
    words = ("bench", "compression", "--data", data, "--quick", "--figure", "sensitivity")
    first = run_json(*words, "--seed", "3", "-o", tmp_path / "a")
    again = run_json(*words, "--weights", tmp_path / "a" / "float.npz", "-o", tmp_path / "b")
    assert first["study"] == again["study"] and 0 < first["study"]["error_float"] < 1
    for name in ("sensitivity.svg", "sensitivity.csv", "float.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    text = run(*words, "--seed", "3").stdout
    contents = inspect(shipped("lenet-300-100"))
    assert f"lenet-300-100: {contents.file_bytes:,} bytes, {contents.factor:.1f}x smaller" in text
    assert "8.0% (9%)" in text


@pytest.mark.parametrize("words, message", [
    ((), "--data mnist:DIR must say where MNIST is"),
    (("--data", "/tmp"), "--data must be mnist:DIR, not '/tmp'"),
    (("--data", "cifar10:/tmp"), "--data must be mnist:DIR, not 'cifar10:/tmp'"),
    (("--data", "mnist:/nowhere"), "train-images-idx3-ubyte.gz cannot be read from /nowhere"),
    (("--figure", "fig6"), "--figure must be one of rates, initialisation, sensitivity, weights, "
                           "symbols, not 'fig6'"),
    (("--figure", "symbols", "--data", "mnist:/nowhere", "--weights", "a.npz"),
     "--data, --weights: for figures that train a network"),
    (("--figure", "symbols", "--seed", "0", "--quick"), "--quick, --seed: for figures that"),
    (("--figure", "symbols", "--seed", "-1"), "--seed must be an integer in 0 .. 2**63 - 1"),
    (("--data", "mnist:/nowhere", "--weights", "/no.npz"), "cannot read weights of LeNet-300-100"),
    (("--data", "mnist:/nowhere", "--seed", "-1"), "--seed must be an integer in 0 .. 2**63 - 1"),
    (("--data", "mnist:/nowhere", "--seed", "9" * 20), f"not {'9' * 20}"),
    (("--figure", "symbols", "-o", "/dev/null/x"), "cannot make the folder /dev/null/x")])
def test_bad_requests_end_in_one_error_and_leave_no_folder(words, message, tmp_path):
    out = () if "-o" in words else ("-o", tmp_path / "a" / "b")
    done = run("bench", "compression", *words, *out, code=2)
    assert message in " ".join(done.stderr.split()) and not any(tmp_path.iterdir())


def test_too_few_images_are_refused(tmp_path):
    data = f"mnist:{write_mnist(tmp_path, train=100)}"
    np.savez(tmp_path / "w.npz", **weights_of(lenet(0)))
    done = run("bench", "compression", "--data", data, "--weights", tmp_path / "w.npz", code=2)
    assert "must have at least 256 training images and one test image, not 100 and 50" \
        in done.stderr
