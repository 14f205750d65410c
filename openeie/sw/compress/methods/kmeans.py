# SPDX-License-Identifier: Apache-2.0
"""Clustering of weights: k-means in one dimension, from three beginnings, and its optimum."""
from collections.abc import Iterator

import kmeans1d
import numpy as np
import torch

from ....core.errors import InputError, must_be_one_of

__all__ = ["INITS", "kmeans", "optimal", "assign"]

#: Where the centroids start (Deep Compression, section 3.2).
INITS = ("linear", "density", "random")
#: Values worked on at a time: what a core's cache holds.
_CHUNK = 1 << 16
#: Up to so many limits are compared one by one, which is faster than to search among them.
_FEW = 48


def kmeans(values: np.ndarray, count: int, *, init: str = "linear",
           generator: torch.Generator | None = None, iterations: int = 100) -> np.ndarray:
    """Centroids of one-dimensional k-means by Lloyd's iterations, ascending, float64 [count].

    Where they start (Deep Compression, section 3.2):

    - ``linear``: evenly spaced from the smallest to the largest value; the few large weights get
      centroids of their own. Best in the paper's comparison.
    - ``density``: at the quantiles (k + 1/2) / count, where most values are.
    - ``random``: at ``count`` of the values, drawn without replacement (Forgy).

    A cluster that loses its members stays where it is. Beside ``values`` it takes the memory of a
    sorted copy and of its sums, 8 bytes a value.

    Parameters
    ----------
    values : any shape, float32 or float64.
    generator : draws for ``random``.
    iterations : at most; it stops when no centroid moves.

    Raises
    ------
    InputError : no centroid, no value, one that is not finite, an unknown ``init``, or
        ``random`` without a generator.
    """
    values = np.sort(_checked(values, count))
    centroids = _start(values, count, init, generator)
    sums = np.zeros(len(values) + 1)
    for at in range(0, len(values), _CHUNK):    # in parts: float32 would be copied as a whole
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
    """Centroids with the least sum of squared distances there is, ascending, float64 [count].

    By dynamic programming (Wu, 1991), in O(count * n): exact in one dimension. Takes about
    ``4 * count + 100`` bytes a value. Where fewer values than centroids differ, the last centroid
    stands several times.

    Raises
    ------
    InputError : no centroid, no value, or one that is not finite.
    """
    values = _checked(values, count).astype(np.float64)
    distinct = np.unique(values)
    best = distinct if len(distinct) <= count \
        else np.sort(kmeans1d.cluster(values.tolist(), count).centroids)
    return np.concatenate([best, np.full(count - len(best), best[-1])])


def assign(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Number of the nearest centroid for each value, of two equally near the smaller.

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
    for part, of in _chunks(values.reshape(-1), codes):
        if len(limits) > _FEW:
            of[:] = np.searchsorted(limits, part)
        else:
            for limit in limits:
                of += part > limit
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


def _start(values: np.ndarray, count: int, init: str,
           generator: torch.Generator | None) -> np.ndarray:
    """Where the centroids start among sorted values."""
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
    """``count`` different numbers below ``population`` (Floyd's algorithm)."""
    chosen: list[int] = []
    for last in range(population - count, population):
        drawn = int(torch.randint(last + 1, (), generator=generator))
        chosen.append(last if drawn in chosen else drawn)
    return chosen


def _middles(centroids: np.ndarray) -> np.ndarray:
    centroids = np.asarray(centroids, np.float64)
    return (centroids[1:] + centroids[:-1]) / 2


def _below(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """How many of the sorted ``values`` are below each limit."""
    return np.searchsorted(values, _rounded(limits, values.dtype, down=False))


def _rounded(limits: np.ndarray, dtype: np.dtype, *, down: bool) -> np.ndarray:
    """Limits float64 in the type of the values, which would otherwise all be converted.

    Nothing else changes: what is above a limit is above it rounded down, what is below it is
    below it rounded up.
    """
    if dtype != np.float32:
        return limits
    rounded = limits.astype(np.float32)
    wrong = rounded > limits if down else rounded < limits
    return np.where(wrong, np.nextafter(rounded, np.float32(-np.inf if down else np.inf)), rounded)


def _chunks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The same stretches of several vectors."""
    for at in range(0, len(arrays[0]), _CHUNK):
        yield tuple(array[at:at + _CHUNK] for array in arrays)
