# SPDX-License-Identifier: Apache-2.0
"""Bits under a budget: as small as trying everything finds, and stored as counted."""
import copy
import itertools
import json

import numpy as np
import pytest
import torch
from openeie.core.artefact.payload import encode_payload
from openeie.core.errors import BudgetError, InputError
from openeie.core.network.graph import Linear
from openeie.core.numbers.sparse import SparseWeights
from openeie.sw.compress.methods.prune import prune
from openeie.sw.compress.methods.share import share, share_layer, shared
from openeie.sw.compress.search.code_bits import choose_bits, code_bits
from support.modules import chain

X = torch.randn(200, 12, generator=torch.Generator().manual_seed(4))


def network():
    model = chain()
    prune(model, {"0": 0.7, "2": 0.8})
    return model


def distance(model):
    """Of a model's outputs from those of the network that it was, by their size."""
    with torch.no_grad():
        wanted = network()(X)
        return float((model(X) - wanted).norm() / wanted.norm())


def test_codes_take_what_a_file_takes():
    model = chain()
    share(model, slots=16)
    codes, codebook = shared(model[0])
    codes[3, ::3] = 0
    weights = SparseWeights.from_codes(codes, np.rint(codebook * 10_000).astype(int))
    shape, _ = encode_payload(Linear(
        name="l", relu=True, encoding="huffman", bias=np.zeros(10, int), weights=weights,
        multiplier=np.full(10, 16384), shift=np.full(10, 14), weight_scale=1.0, output_scale=1.0))
    assert shape.entries == weights.nnz                 # no fillers, which would be codes, too
    sections = shape.sections(10)
    stored = shape.code_bits + 8 * (sections["codebook"] + sections["code_lengths"])
    assert code_bits(codes, len(codebook)) == stored


@pytest.mark.slow
@pytest.mark.parametrize("budget", [0.3, 0.1, 0.04])
def test_as_small_as_trying_everything(budget):
    model = network()
    before = copy.deepcopy(model.state_dict())
    found = choose_bits(model, measure=distance, budget=budget, candidates=range(2, 6))
    assert all(torch.equal(before[name], model.state_dict()[name]) for name in before)
    sizes = {}
    for pair in itertools.product(range(2, 6), repeat=2):
        trial = network()
        share(trial, slots=dict(zip(("0", "2"), (1 << bits for bits in pair))))
        if distance(trial) <= budget:
            sizes[pair] = sum(code_bits(*(lambda c, b: (c, len(b)))(*shared(trial[at])))
                              for at in (0, 2))
    assert found.error <= budget and sizes[tuple(found.bits.values())] == found.stored
    assert found.stored <= 1.05 * min(sizes.values())
    assert found.slots == {name: 2 ** bits for name, bits in found.bits.items()}
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_retraining_comes_before_measuring():
    """Centroids that are put right afterwards allow fewer bits."""
    def mend(model):
        for layer, true in ((model[0], network()[0]), (model[2], network()[2])):
            codes, _ = shared(layer)
            weight = true.weight.detach()
            for code in range(1, 4):
                if (codes == code).any():
                    layer.parametrizations.weight.original.data[code - 1] = weight[
                        torch.from_numpy(codes == code)].mean()
    plain = choose_bits(network(), measure=distance, budget=0.35, candidates=[2, 3, 8])
    mended = choose_bits(network(), measure=distance, budget=0.35, candidates=[2, 3, 8],
                         retrain=mend)
    assert mended.stored <= plain.stored
    best = choose_bits(network(), measure=distance, budget=0.35, candidates=[2, 3, 8],
                       optimal=True)
    assert best.bits == plain.bits and best.error < plain.error


def test_a_budget_that_cannot_be_met():
    with pytest.raises(BudgetError, match="no choice of bits met the budget of 0.0001: the best "
                                          r"of \d+ trials reached 0") as caught:
        choose_bits(network(), measure=distance, budget=1e-4, candidates=[2, 3])
    assert caught.value.best.bits == {"0": 3, "2": 3}


@pytest.mark.parametrize("candidates", [[], [0, 3], [9]])
def test_refused_candidates(candidates):
    with pytest.raises(InputError, match="candidates must be numbers of bits in 1 .. 8, not"):
        choose_bits(network(), measure=distance, budget=1, candidates=candidates)


@pytest.mark.parametrize("init", ["linear", "density", "random"])
def test_what_is_measured_begins_as_asked(init):
    """The last trial is what sharing in the same way gives, from where the generator stood."""
    generator, states = torch.Generator().manual_seed(8), []

    def measure(model):
        states.append(generator.get_state())
        return distance(model)
    found = choose_bits(network(), measure=measure, loss=distance, budget=1.0, candidates=[3],
                        init=init, generator=generator)
    model, again = network(), torch.Generator().manual_seed(8)
    for name in ("0", "2"):                 # each layer alone comes first
        share_layer(network(), name, slots=8, init=init, generator=again)
    share(model, slots=8, init=init, generator=again)
    assert found.error == distance(model) and len(found.trials) == 1
    assert torch.equal(states[-1], again.get_state())
    drawn = not torch.equal(states[-1], torch.Generator().manual_seed(8).get_state())
    assert drawn == (init == "random")
    with pytest.raises(InputError, match="init 'random' needs a seeded generator"):
        choose_bits(network(), measure=distance, budget=1.0, init="random")
