# SPDX-License-Identifier: Apache-2.0
"""Truncated singular value decomposition: the nearest matrix of its rank, bias and all."""
import copy

import pytest
import torch
from openeie.sw.study.low_rank import factorise, low_rank, ranks_for
from torch import nn


def layer(inputs=30, outputs=20, bias=True):
    torch.manual_seed(1)
    return nn.Linear(inputs, outputs, bias=bias)


def product(pair):
    return (pair[1].weight.double() @ pair[0].weight.double()).detach()


def test_what_is_lost_is_the_singular_values_left_out():
    """Eckart and Young: the distance is the root of their sum of squares, and falls with rank."""
    one = layer()
    values = torch.linalg.svdvals(one.weight.detach().double())
    distances = []
    for rank in range(1, 21):
        pair = factorise(one, rank)
        assert pair[0].weight.shape == (rank, 30) and pair[1].weight.shape == (20, rank)
        distances.append(float((product(pair) - one.weight.detach()).norm()))
        assert distances[-1] == pytest.approx(float(values[rank:].norm()), abs=1e-5)
        assert torch.linalg.matrix_rank(product(pair), tol=1e-4) == rank
    assert all(a > b for a, b in zip(distances, distances[1:])) and distances[-1] < 1e-5


@pytest.mark.parametrize("bias", [True, False])
def test_full_rank_computes_the_same(bias):
    one = layer(bias=bias)
    pair = factorise(one, 20)
    x = torch.randn(7, 30)
    assert torch.allclose(pair(x), one(x), atol=1e-5)
    assert pair[0].bias is None and (pair[1].bias is None) != bias


def chain():
    return nn.Sequential(layer(200, 100), nn.ReLU(), layer(100, 50), nn.ReLU(), layer(50, 5))


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
def test_a_chain_is_copied_and_its_size_is_what_was_asked(rate):
    model = chain()
    before = copy.deepcopy(model.state_dict())
    ranks = ranks_for(model, rate)
    made = low_rank(model, ranks)
    sizes = [sum(p.numel() for p in part.parameters() if p.ndim == 2)
             for part in (made, model)]
    assert rate - 300 / sizes[1] <= sizes[0] / sizes[1] <= rate     # the next vectors do not fit
    assert list(ranks) == ["0", "2", "4"] and all(torch.equal(value, before[name])
                                                  for name, value in model.state_dict().items())
    assert made(torch.zeros(2, 200)).shape == (2, 5)


def test_what_gains_most_for_its_size_comes_first():
    """The last layer is small: its vectors are cheap, and it soon stays whole."""
    model = chain()
    wider = [ranks_for(model, rate) for rate in (0.05, 0.1, 0.3, 0.6)]
    assert wider[-1]["4"] is None and wider[-1]["0"] is not None
    ranks = [sum(rank or 1000 for rank in one.values()) for one in wider]
    assert ranks == sorted(ranks)
    assert set(ranks_for(model, 1.1).values()) == {None}
    assert set(ranks_for(model, 0).values()) == {1}


@pytest.mark.parametrize("rank", [0, 21, -1])
def test_ranks_that_do_not_exist_are_refused(rank):
    with pytest.raises(ValueError, match=rf"rank must be in 1 \.\. 20, not {rank}"):
        factorise(layer(), rank)
