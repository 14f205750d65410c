# SPDX-License-Identifier: Apache-2.0
"""Clustering of weights: one-dimensional k-means with three initialisations, and its optimum."""
from collections.abc import Iterator

import kmeans1d
import numpy as np
import torch

from ....core.errors import InputError, must_be_one_of

__all__ = ["INITS", "kmeans", "optimal", "assign"]

#: Initialisations of the centroids (Deep Compression, section 3.2).
INITS = ("linear", "density", "random")
#: Values processed at a time; they fit a core's cache.
_CHUNK = 1 << 16
#: Up to this many limits, comparing with each is faster than a binary search.
_FEW = 48


def kmeans(values: np.ndarray, count: int, *, init: str = "linear",
           generator: torch.Generator | None = None, iterations: int = 100) -> np.ndarray:
    """Centroids of one-dimensional k-means by Lloyd's iterations, ascending, float64 [count].

    Initialisations (Deep Compression, section 3.2):

    - ``linear``: evenly spaced from the smallest to the largest value, so that the few large
      weights get their own centroids. Best in the paper's comparison.
    - ``density``: the quantiles (k + 1/2) / count, where most values are.
    - ``random``: ``count`` of the values, drawn without replacement (Forgy).

    The centroid of an empty cluster does not move. Needs memory for a sorted copy of ``values``
    and for their sums, 8 bytes per value.

    Parameters
    ----------
    values : any shape, float32 or float64.
    generator : random numbers for ``random``.
    iterations : most iterations; fewer if no centroid moves any more.

    Raises
    ------
    InputError : no centroid, no value, a value that is not finite, an unknown ``init``, or
        ``random`` without a generator.
    """
    values = np.sort(_checked(values, count))
    centroids = _initial(values, count, init, generator)
    sums = np.zeros(len(values) + 1)
    for at in range(0, len(values), _CHUNK):    # in parts, or numpy converts all float32 at once
        part = sums[at:at + _CHUNK + 1]
        part[1:] = values[at:at + _CHUNK]
        np.cumsum(part, out=part)
    for _ in range(iterations):
        ends = np.concatenate([[0], _below(values, _middles(centroids)), [len(values)]])
        members = np.diff(ends)
        means = np.diff(sums[ends]) / np.maximum(members, 1)
        moved = np.where(members > 0, means, centroids)
        if np.array_equal(moved, centroids):
            break
        centroids = np.sort(moved)
    return centroids


def optimal(values: np.ndarray, count: int) -> np.ndarray:
    """Centroids with the smallest possible sum of squared distances, ascending, float64 [count].

    By dynamic programming (Wu, 1991), in O(count * n), which is exact in one dimension. Needs
    about ``4 * count + 100`` bytes per value. If there are fewer different values than centroids,
    the last centroid is repeated.

    Raises
    ------
    InputError : no centroid, no value, or a value that is not finite.
    """
    values = _checked(values, count).astype(np.float64)
    best = np.unique(values)
    if len(best) > count:
        best = np.sort(kmeans1d.cluster(values.tolist(), count).centroids)
    return np.concatenate([best, np.full(count - len(best), best[-1])])


def assign(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Number of the nearest centroid for each value; of two equally near ones, the smaller.

    Parameters
    ----------
    values : any shape.
    centroids : ascending, at most 256.

    Returns
    -------
    uint8, shaped as ``values``.

    Raises
    ------
    InputError : no centroid, or more than 256.
    """
    if not 1 <= len(centroids) <= 256:
        raise InputError(f"centroids must be 1 .. 256, not {len(centroids)}")
    values = np.asarray(values)
    limits = _rounded(_middles(centroids), values.dtype, down=True)
    codes = np.zeros(values.size, np.uint8)
    for part, numbers in _chunks(values.reshape(-1), codes):
        if len(limits) > _FEW:
            numbers[:] = np.searchsorted(limits, part)
        else:
            for limit in limits:
                numbers += part > limit
    return codes.reshape(values.shape)


def _checked(values: np.ndarray, count: int) -> np.ndarray:
    """The values as a vector of float32 or float64."""
    values = np.asarray(values).reshape(-1)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if count < 1 or not len(values):
        raise InputError(f"k-means needs at least one centroid and one value, "
                         f"not {count!r} and {len(values)}")
    wrong = sum(int(np.count_nonzero(~np.isfinite(part))) for part, in _chunks(values))
    if wrong:
        raise InputError(f"values to cluster must be finite numbers, and {wrong} of "
                         f"{len(values)} are not")
    return values


def _initial(values: np.ndarray, count: int, init: str,
             generator: torch.Generator | None) -> np.ndarray:
    """Initial centroids of sorted values, float64 [count]."""
    if init == "linear":
        return np.linspace(np.float64(values[0]), np.float64(values[-1]), count)
    if init == "density":
        places = (np.arange(count) + 0.5) / count * len(values)
        return values[places.astype(np.int64)].astype(np.float64)
    if init != "random":
        raise InputError(f"init {must_be_one_of(init, INITS)}")
    if generator is None:
        raise InputError("init 'random' needs a seeded generator, for the same result each time")
    drawn = _sample(len(values), min(count, len(values)), generator)
    drawn += [max(drawn)] * (count - len(drawn))
    return np.sort(values[drawn].astype(np.float64))


def _sample(population: int, count: int, generator: torch.Generator) -> list[int]:
    """``count`` different random numbers below ``population`` (Floyd's algorithm)."""
    chosen: list[int] = []
    for last in range(population - count, population):
        drawn = int(torch.randint(last + 1, (), generator=generator))
        chosen.append(last if drawn in chosen else drawn)
    return chosen


def _middles(centroids: np.ndarray) -> np.ndarray:
    """Limits between neighbouring centroids, float64."""
    centroids = np.asarray(centroids, np.float64)
    return (centroids[1:] + centroids[:-1]) / 2


def _below(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """For each limit, how many of the sorted ``values`` are below it."""
    return np.searchsorted(values, _rounded(limits, values.dtype, down=False))


def _rounded(limits: np.ndarray, dtype: np.dtype, *, down: bool) -> np.ndarray:
    """Float64 limits in the type of the values, so that numpy need not convert all values.

    Comparisons stay the same: a value is above a limit if it is above the limit rounded ``down``,
    and below it if it is below the limit rounded up.
    """
    if dtype != np.float32:
        return limits
    rounded = limits.astype(np.float32)
    if down:
        return np.where(rounded > limits, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return np.where(rounded < limits, np.nextafter(rounded, np.float32(np.inf)), rounded)


def _chunks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Corresponding parts of several vectors of one length."""
    for at in range(0, len(arrays[0]), _CHUNK):
        yield tuple(array[at:at + _CHUNK] for array in arrays)
