# SPDX-License-Identifier: Apache-2.0
"""A single linear layer with its input vectors, to time on any array.

Timing needs no program: the number of entries per column and PE follows from where the weights
are, and the rest from the recurrence (``docs/timing.md``). So one workload can be timed on arrays
with any number of PEs, any queues and widths, whether or not it fits into their memories.
"""
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ...core.array.config import ArrayConfig
from ...core.array.counters import COUNTERS
from ...core.errors import ConfigError, InputError
from ...core.network.graph import Linear, Network
from ...core.numbers.fixed import int_range
from ...core.numbers.sparse import SparseWeights, by_column
from ..fast.fast import broadcast_items, layer_cycles
from ..fast.native.library import library

__all__ = ["Workload", "LayerTime", "load_balance", "occupancy", "random_workload"]

#: Slots of EIE's codebook, of which one holds 0.
_CODES = 16
# Values of random workloads that fit the narrowest array; no weight is 0.
_LARGEST_ACT = 127
_WEIGHTS = np.arange(-7, 8) * 16 + 8


def occupancy(weights: SparseWeights, pes: int, run_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries of each column and PE, and the fillers among them, int32 [n, PEs] each.

    They are the numbers of entries that :func:`openeie.core.entries.encoding.encode_entries`
    would make.

    run_width : bits of a run.
    """
    n = weights.shape[1]
    native = library()
    if native is None:
        return _occupancy_in_numpy(weights, pes, run_width)
    counts = np.zeros((n, pes), np.int32)
    fillers = np.zeros_like(counts)
    native.occupancy(weights.indptr, weights.rows, n, pes, (1 << run_width) - 1, counts, fillers)
    return counts, fillers


def _occupancy_in_numpy(weights: SparseWeights, pes: int, run_width: int
                        ) -> tuple[np.ndarray, np.ndarray]:
    """The same without a compiler."""
    n = weights.shape[1]
    row, pe = np.divmod(weights.rows.astype(np.int64), pes)
    group = weights.columns * pes + pe
    order = np.argsort(group, kind="stable")
    row = row[order]
    group = group[order]
    gap = row.copy()
    gap[1:] -= np.where(group[1:] == group[:-1], row[:-1] + 1, 0)
    padding = gap >> run_width
    fillers = np.bincount(group, weights=padding, minlength=n * pes).astype(np.int32)
    counts = np.bincount(group, minlength=n * pes).astype(np.int32) + fillers
    return counts.reshape(n, pes), fillers.reshape(n, pes)


def load_balance(counters: np.ndarray) -> float:
    """Load balance as in EIE, section VI-D: 1 - bubbles / (PEs x cycles).

    A bubble is a cycle in which a PE has no entry to execute. Cycles of writeback and drain, which
    the paper's simulator does not have, do not count.

    counters : [..., 7].
    """
    total = dict(zip(COUNTERS, counters.reshape(-1, len(COUNTERS)).sum(axis=0).tolist()))
    spent = sum(total.values()) - total["writeback"] - total["drain"]
    return (total["busy"] + total["filler"]) / spent


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerTime:
    """One launch of a workload on one array.

    Attributes
    ----------
    config : the array.
    cycles : of the launch.
    counters : int64 [PEs, 7] in the order of :data:`COUNTERS`.
    counts, fillers : see :func:`occupancy`.
    columns : int32 [columns broadcast], of all vectors in order.
    """
    config: ArrayConfig
    cycles: int
    counters: np.ndarray
    counts: np.ndarray
    fillers: np.ndarray
    columns: np.ndarray

    def total(self, counter: str) -> int:
        """A counter summed over the PEs."""
        return int(self.counters[:, COUNTERS.index(counter)].sum())

    @property
    def entries(self) -> int:
        """Entries executed, including fillers."""
        return self.total("busy") + self.total("filler")

    @property
    def balance(self) -> float:
        """See :func:`load_balance`."""
        return load_balance(self.counters)

    @property
    def least_cycles(self) -> float:
        """Entries / PEs: the cycles of PEs that never wait (EIE's "theoretical" time)."""
        return self.entries / self.config.pes


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """A linear layer and the activations of one launch.

    Attributes
    ----------
    name : of the layer.
    weights : its matrix [m, n].
    acts : int64 [vectors, n], the vectors of one launch in order.

    Raises
    ------
    InputError : activations that are not integers or do not fit the matrix.
    """
    name: str
    weights: SparseWeights
    acts: np.ndarray

    def __post_init__(self) -> None:
        acts = np.atleast_2d(np.asarray(self.acts))
        n = self.weights.shape[1]
        if acts.ndim != 2 or acts.shape[1] != n or not len(acts):
            raise InputError(f"layer {self.name!r}: its {n} columns need activations [{n}] or "
                             f"[vectors, {n}], not {list(np.shape(self.acts))}")
        if acts.dtype.kind not in "iu":
            raise InputError(f"layer {self.name!r}: activations must be integers, "
                             f"not {acts.dtype}")
        object.__setattr__(self, "acts", acts.astype(np.int64))

    @classmethod
    def from_dense(cls, weights: ArrayLike, acts: ArrayLike, *, name: str = "layer"
                   ) -> "Workload":
        """A layer from weights [m, n] and activations [n] or [vectors, n].

        Integers stay as they are. Floats are scaled so that the largest becomes 32767, and
        rounded; values other than 0 never become 0, since they decide the time. Up to 15 different
        weights besides 0 are kept in a codebook; otherwise the weights are literal.

        Raises
        ------
        InputError : weights that are not [m, n], not finite, or beyond 16 bits; activations that
            do not fit the weights.
        """
        w = np.asarray(weights)
        if w.ndim != 2 or not w.size:
            raise InputError(f"layer {name!r}: weights must be [m, n], not {list(w.shape)}")
        _check_numbers(name, "weights", w)
        indptr, rows, kept = by_column(w)
        kept = _whole(kept).astype(np.int16)
        table = np.unique(kept)
        codes = codebook = None
        if len(table) < _CODES:
            codebook = np.append(0, table)
            codes = np.searchsorted(table, kept) + 1
        return cls(name=name, acts=_integers(name, "activations", acts),
                   weights=SparseWeights(shape=w.shape, indptr=indptr, rows=rows, values=kept,
                                         codes=codes, codebook=codebook))

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.weights.shape

    @cached_property
    def _items(self) -> np.ndarray:
        return broadcast_items(self.acts)

    @cached_property
    def _occupancies(self) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
        return {}

    def occupancy(self, pes: int, run_width: int) -> tuple[np.ndarray, np.ndarray]:
        """See :func:`occupancy`; the latest result is kept for the next call."""
        key = (pes, run_width)
        if key not in self._occupancies:
            self._occupancies.clear()
            self._occupancies[key] = occupancy(self.weights, pes, run_width)
        return self._occupancies[key]

    def time(self, config: ArrayConfig) -> LayerTime:
        """Cycles and counters on ``config``: those of its gateware, if that had enough memory.

        They depend on ``pes``, ``queue_depth``, ``run_width``, ``acc_banks``, and on fields that
        change the length of a descriptor, but not on the depths of memories.

        Raises
        ------
        ConfigError : there are several vectors and several clusters; how clusters share vectors
            is the compiler's choice.
        """
        if config.clusters > 1 and len(self.acts) > 1:
            raise ConfigError(f"layer {self.name!r} has {len(self.acts)} vectors, and clusters "
                              f"must be 1 to time more than one, not {config.clusters}; compile "
                              f"it as a network instead")
        counts, fillers = self.occupancy(config.pes, config.run_width)
        cycles, counters = layer_cycles(self._items, counts, fillers, config=config,
                                        outputs=self.shape[0])
        return LayerTime(config=config, cycles=cycles, counters=counters, counts=counts,
                         fillers=fillers, columns=self._items[self._items >= 0])

    def network(self) -> Network:
        """The layer as a network of its own, to run on any engine."""
        m = self.shape[0]
        encoding = "csr" if self.weights.codebook is None else "codebook"
        return Network(name=self.name, input_range=(int(self.acts.min()), int(self.acts.max())),
                       layers=(Linear(name=self.name, weights=self.weights, encoding=encoding,
                                      bias=np.zeros(m, np.int64),
                                      multiplier=np.full(m, 1 << 14), shift=np.full(m, 30)),))


def _check_numbers(name: str, what: str, array: np.ndarray) -> None:
    """``what`` of layer ``name`` must be finite floats, or integers of 16 bits.

    The extremes tell whether they are, without a copy of the array.
    """
    if array.dtype.kind not in "fiu":
        raise InputError(f"layer {name!r}: {what} must be integers or floats, not {array.dtype}")
    low, high = int_range(16)
    smallest = array.min(initial=0)
    largest = array.max(initial=0)
    if array.dtype.kind == "f":
        if not (np.isfinite(smallest) and np.isfinite(largest)):
            where = np.argwhere(~np.isfinite(array))[0].tolist()
            raise InputError(f"layer {name!r}: {what} must be finite; {where} is "
                             f"{array[tuple(where)]}")
    elif smallest < low or largest > high:
        where = np.argwhere((array < low) | (array > high))[0].tolist()
        raise InputError(f"layer {name!r}: {what} must be in {low} .. {high}; {where} is "
                         f"{array[tuple(where)]}")


def _integers(name: str, what: str, values: ArrayLike) -> np.ndarray:
    """``what`` of layer ``name`` as int64: integers as they are, floats scaled to 16 bits."""
    array = np.asarray(values)
    _check_numbers(name, what, array)
    return _whole(array).astype(np.int64)


def _whole(array: np.ndarray) -> np.ndarray:
    """Integers as they are; floats scaled and rounded so that the largest becomes 32767. Only 0
    becomes 0."""
    if array.dtype.kind != "f":
        return array
    array = array.astype(np.float64)        # half precision cannot hold 32767
    largest = np.abs(array).max(initial=0)
    scaled = np.rint(array / (largest or 1) * int_range(16)[1])
    return np.where((scaled == 0) & (array != 0), np.sign(array), scaled)


def random_workload(name: str, shape: tuple[int, int], *, weight_density: float,
                    act_density: float, seed: int, vectors: int = 1) -> Workload:
    """A random layer of shape (m, n), in which each weight and activation is non-zero
    independently of the others.

    Weights are from a codebook of 16, activations are positive, as after a ReLU. The result
    depends on the seed and the name.

    Raises
    ------
    InputError : a density outside of 0 .. 1.
    """
    for what, density in (("weight_density", weight_density), ("act_density", act_density)):
        if not 0 <= density <= 1:
            raise InputError(f"layer {name!r}: {what} must be in 0 .. 1, not {density!r}")
    rng = np.random.default_rng([seed, *name.encode()])
    m, n = shape
    codebook = np.append(0, _WEIGHTS)
    position = _bernoulli(m * n, weight_density, rng)       # column by column
    codes = rng.integers(1, 16, len(position), dtype=np.uint8)
    weights = SparseWeights(
        shape=shape, rows=position % m, codes=codes, codebook=codebook, values=codebook[codes],
        indptr=np.searchsorted(position, np.arange(n + 1) * m))
    acts = np.zeros(vectors * n, np.int64)
    present = _bernoulli(vectors * n, act_density, rng)
    acts[present] = rng.integers(1, _LARGEST_ACT + 1, len(present))
    return Workload(name=name, weights=weights, acts=acts.reshape(vectors, n))


def _bernoulli(size: int, density: float, rng: np.random.Generator) -> np.ndarray:
    """Places below ``size`` that are taken, each with probability ``density``: int64, in order."""
    if density == 0:
        return np.zeros(0, np.int64)
    parts = []
    last = -1
    while last < size:                  # the distances between neighbours are geometric
        gaps = rng.geometric(density, int((size - last) * density * 1.01) + 64)
        parts.append(last + np.cumsum(np.minimum(gaps, size + 1)))
        last = int(parts[-1][-1])
    places = np.concatenate(parts)
    return places[:np.searchsorted(places, size)]
