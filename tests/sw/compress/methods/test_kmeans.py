# SPDX-License-Identifier: Apache-2.0
"""Clustering: fixed points of k-means, the optimum by exhaustion, codes by plain distance."""
import itertools
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.compress.methods.kmeans import INITS, assign, kmeans, optimal

VALUES = st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=60)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def cost(values, centroids):
    """Sum of squared distances to the nearest centroid."""
    return np.min((np.array(values)[:, np.newaxis] - centroids) ** 2, axis=1).sum()


@given(VALUES, st.integers(1, 6), st.sampled_from(INITS))
@settings(max_examples=100, deadline=None)
def test_kmeans_ends_in_a_fixed_point_no_better_than_the_optimum(values, count, init):
    centroids = kmeans(np.array(values), count, init=init, generator=generator())
    assert len(centroids) == count and np.all(np.diff(centroids) >= 0)
    assert cost(values, centroids) >= cost(values, optimal(np.array(values), count)) - 1e-6
    spread = np.sum((np.array(values) - np.mean(values)) ** 2)
    assert cost(values, centroids) <= spread + 1e-6
    codes = assign(np.array(values), centroids)
    for code in range(count):
        members = np.array(values)[codes == code]
        assert not len(members) or np.isclose(members.mean(), centroids[code], atol=1e-9)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_optimal_is_the_best_of_all_splits(values, count):
    """Clusters of an optimum are stretches of the sorted values; here all splits are tried."""
    values = np.sort(np.array(values, np.float64))
    splits = itertools.combinations_with_replacement(range(len(values) + 1), count - 1)
    best = min(sum(((part - part.mean()) ** 2).sum() for part in np.split(values, split)
                   if len(part)) for split in splits)
    centroids = optimal(values, count)
    assert len(centroids) == count and np.all(np.diff(centroids) >= 0)
    assert np.isclose(cost(values, centroids), best, atol=1e-9)


@given(VALUES, st.lists(st.floats(-9, 9), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_codes_are_of_the_nearest_centroids(values, centroids):
    values, centroids = np.array(values, np.float32), np.sort(centroids)
    codes = assign(values, centroids)
    assert codes.dtype == np.uint8
    middles = (centroids[1:] + centroids[:-1]) / 2          # exactly, in float64
    for value, code in zip(values.astype(np.float64), codes):
        assert code == sum(middle < value for middle in middles)


@given(VALUES, st.integers(1, 6), st.sampled_from(INITS))
@settings(max_examples=60, deadline=None)
def test_float32_is_clustered_as_the_same_numbers_in_float64(values, count, init):
    """Bit for bit: what is done in float32, for memory's sake, changes nothing."""
    narrow, wide = np.array(values, np.float32), np.array(values, np.float64)
    first = kmeans(narrow, count, init=init, generator=generator())
    assert np.array_equal(first, kmeans(wide, count, init=init, generator=generator()))
    assert np.array_equal(assign(narrow, first), assign(wide, first))


@pytest.mark.parametrize("count", [16, 255])
def test_long_vectors_and_many_centroids_change_nothing(count):
    """Longer than what is processed at a time; with 255 centroids limits are searched."""
    values = np.random.default_rng(2).standard_normal(200_001).astype(np.float32)
    centroids = kmeans(values, count, iterations=5)
    middles = (centroids[1:] + centroids[:-1]) / 2
    assert np.array_equal(assign(values, centroids), np.searchsorted(middles, values))
    ends = np.searchsorted(np.sort(values), middles)
    after = kmeans(values, count, iterations=6)
    means = [part.mean(dtype=np.float64) if len(part) else stays for part, stays in
             zip(np.split(np.sort(values), ends), centroids)]
    assert np.allclose(after, np.sort(means), rtol=0, atol=1e-9)


def test_initialisations():
    values = np.array([0, 1, 2, 3, 4, 5, 6, 7, 100], np.float32)
    assert kmeans(values, 3, iterations=0).tolist() == [0, 50, 100]
    assert kmeans(values, 3, init="density", iterations=0).tolist() == [1, 4, 7]
    drawn = [kmeans(values, 3, init="random", generator=generator(seed), iterations=0)
             for seed in range(300)]
    assert {tuple(one) for one in drawn} <= set(itertools.combinations(values.tolist(), 3))
    often = np.unique(np.concatenate(drawn), return_counts=True)[1]
    assert len(often) == 9 and often.min() > 60             # each is drawn about 100 times
    again = kmeans(values, 3, init="random", generator=generator(7), iterations=0)
    assert np.array_equal(again, drawn[7])


def test_more_centroids_than_values():
    for init in INITS:
        centroids = kmeans(np.array([1.0, 3.0]), 5, init=init, generator=generator())
        assert len(centroids) == 5 and set(assign([1.0, 3.0], centroids)) <= set(range(5))
        assert cost([1.0, 3.0], centroids) == 0
    assert optimal(np.array([1.0, 3.0, 3.0]), 4).tolist() == [1, 3, 3, 3]


@pytest.mark.parametrize("function", [kmeans, optimal])
@pytest.mark.parametrize("values, count, message", [
    ([1.0], 0, "at least one centroid and one value, not 0 and 1"),
    ([], 2, "at least one centroid and one value, not 2 and 0"),
    ([1.0, np.nan, np.inf], 2, "must be finite numbers, and 2 of 3 are not"),
])
def test_refusals(function, values, count, message):
    with pytest.raises(InputError, match=message):
        function(np.array(values), count)


def test_refused_initialisations():
    with pytest.raises(InputError, match="init must be one of linear, density, random, not 'k'"):
        kmeans(np.ones(3), 2, init="k")
    with pytest.raises(InputError, match="init 'random' needs a seeded generator"):
        kmeans(np.ones(3), 2, init="random")


@pytest.mark.parametrize("count", [0, 257])
def test_refused_numbers_of_centroids(count):
    with pytest.raises(InputError, match=f"centroids must be 1 .. 256, not {count}"):
        assign(np.ones(3), np.arange(count))


def test_clustering_is_lean():
    """4 million weights beside which little more is needed than a sorted copy and its sums."""
    values = np.random.default_rng(0).standard_normal(4 << 20, dtype=np.float32)
    tracemalloc.start()
    try:
        centroids = kmeans(values, 16)
        codes = assign(values, centroids)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12.5 * len(values) and codes.max() == 15
