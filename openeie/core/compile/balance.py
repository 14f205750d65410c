# SPDX-License-Identifier: Apache-2.0
"""Load balance: which PE owns which output channel, chosen by permuting them.

Channel i of a layer belongs to PE i mod N, so an order of the channels is an assignment. It costs
nothing: what reads the layer takes its columns in the same order. See ``docs/balance.md``.
"""
import dataclasses
import heapq
from collections.abc import Mapping

import numpy as np

from ..errors import InputError, did_you_mean, must_be_one_of
from ..network.graph import (INPUT, Add, Depthwise, Layer, Linear, Network, Pool,
                             check_runnable)
from ..network.layers import Weighted
from ..numbers.sparse import SparseWeights, permuted

__all__ = ["GOALS", "balance_rows", "balanced", "loads"]

#: What :func:`balance_rows` can make alike: what the PEs have of each column, or of all.
GOALS = ("columns", "entries")


def _work(weights: SparseWeights, rates: np.ndarray | None) -> np.ndarray:
    """What each row gives its PE to do, [m]: its weights, each as often as its column comes."""
    if rates is None:
        return np.bincount(weights.rows, minlength=weights.shape[0])
    rates = np.asarray(rates, float)
    if rates.shape != (weights.shape[1],):
        raise InputError(f"column rates must have shape ({weights.shape[1]},), one for each "
                         f"column, not {rates.shape}")
    bad = np.flatnonzero(~(np.isfinite(rates) & (rates >= 0)))
    if len(bad):
        raise InputError(f"column rates must be finite and not negative; that of column {bad[0]} "
                         f"is {rates[bad[0]]}")
    return np.bincount(weights.rows, rates[weights.columns], minlength=weights.shape[0])


def _dealt(work: np.ndarray, pes: int) -> np.ndarray:
    """Row i's work goes to PE i mod ``pes``."""
    return np.bincount(np.arange(len(work)) % pes, work, minlength=pes)


def loads(weights: SparseWeights, pes: int, rates: np.ndarray | None = None) -> np.ndarray:
    """Weights of each PE, or weights by how often their columns come: float [PEs]. Fillers are
    left out."""
    return _dealt(_work(weights, rates), pes)


def balance_rows(weights: SparseWeights, pes: int, rates: np.ndarray | None = None, *,
                 by: str = "columns") -> np.ndarray:
    """An order of the rows in which ``pes`` PEs have like loads: int64 [m], the row that comes to
    each place.

    Greedy: from the row with most work to that with least, each to the best PE with a place left.
    By ``entries`` that is the PE with the least work so far; by ``columns`` the one with the least
    work in the columns that the row has, since a PE that gets much of one column is waited for
    however little it has of others. A PE's own rows come in the same order, those with most work
    first: behind a column's last entry no filler is needed.

    The largest load is never above that of the rows as they are. By ``columns`` no PE is given
    more; where that cannot be kept up to the end, the order is one by entries, and where that is
    no better, the rows stay as they are.

    Parameters
    ----------
    rates : how often each column is broadcast, [n], e.g. of :func:`column_rates`; None: all of
        them alike.
    by : one of :data:`GOALS`.

    Raises
    ------
    InputError : rates of another length, negative or not finite; no PE; an unknown goal.
    """
    if pes < 1:
        raise InputError(f"pes must be at least 1, not {pes}")
    if by not in GOALS:
        raise InputError(f"by {must_be_one_of(by, GOALS)}")
    work = _work(weights, rates)
    before = _dealt(work, pes).max()
    if by == "columns":
        order = _by_columns(weights, work, pes, rates)
        if _dealt(work[order], pes).max() <= before:
            return order
    order = _by_entries(work, pes)
    return order if _dealt(work[order], pes).max() < before else np.arange(len(work))


def _places(m: int, pes: int) -> list[int]:
    """Rows that each PE has; PEs without one are left out."""
    return [-(-(m - pe) // pes) for pe in range(min(pes, m))]


def _by_entries(work: np.ndarray, pes: int) -> np.ndarray:
    left = _places(len(work), pes)
    owned: list[list[int]] = [[] for _ in left]
    waiting = [(0, pe) for pe in range(len(left))]      # a heap already
    for row in np.argsort(-work, kind="stable"):
        load, pe = waiting[0]
        owned[pe].append(int(row))
        if len(owned[pe]) < left[pe]:
            heapq.heapreplace(waiting, (load + work[row], pe))
        else:
            heapq.heappop(waiting)
    return _order(owned, pes)


def _by_columns(weights: SparseWeights, work: np.ndarray, pes: int, rates: np.ndarray | None
                ) -> np.ndarray:
    """Each choice adds least to the sum of squares of what the PEs have of a column, among those
    that leave no PE more than the rows as they are do."""
    m, n = weights.shape
    of_rows = weights.columns[np.argsort(weights.rows, kind="stable")]
    first = np.cumsum([0, *np.bincount(weights.rows, minlength=m)])
    each = np.ones(n) if rates is None else np.asarray(rates, float)
    most = _dealt(work, pes).max()
    left = _places(m, pes)
    owned: list[list[int]] = [[] for _ in left]
    held = np.zeros((n, len(left)))
    load = np.zeros(len(left))
    for row in np.argsort(-work, kind="stable"):
        columns = of_rows[first[row]:first[row + 1]]
        # Added up row by row: a matrix product's order, and so a tie, would be the machine's.
        cost = held[columns].sum(axis=0)
        cost[load + work[row] > most] = np.inf
        pe = int((cost if np.isfinite(cost).any() else load).argmin())
        held[columns, pe] += each[columns]
        owned[pe].append(int(row))
        load[pe] = load[pe] + work[row] if len(owned[pe]) < left[pe] else np.inf
    return _order(owned, pes)


def _order(owned: list[list[int]], pes: int) -> np.ndarray:
    order = np.empty(sum(map(len, owned)), np.int64)
    for pe, rows in enumerate(owned):
        order[pe::pes] = rows
    return order


def balanced(network: Network, pes: int, rates: Mapping[str, np.ndarray] | None = None, *,
             by: str = "columns", clusters: int = 1) -> Network:
    """The network with the output channels of its layers in an order that :func:`balance_rows`
    finds for ``pes`` PEs. Its outputs are the same, bit for bit; those of layers inside come in
    another order.

    A linear layer or convolution is permuted if all that read it can follow: a linear layer or a
    convolution, which takes its columns in that order, of a concatenation too; a pool or a
    depthwise layer, whose own channels then come in it. The last layer keeps its order, and what
    an addition reads, and what these two get through pools and depthwise layers.

    Parameters
    ----------
    rates : of each layer's columns in the network as given, by name, see :func:`column_rates`;
        a layer that is not among them has its weights counted.
    by : see :func:`balance_rows`.
    clusters : of the array. A layer of which each can get a position is ordered for the PEs of a
        cluster, since the compiler nearly always shares such a layer among them; if it does not,
        the order is not the best.

    Raises
    ------
    InputError : clusters that do not divide the PEs; rates of a layer that is not there; a
        network that no array runs; and what :func:`balance_rows` refuses.
    """
    check_runnable(network)
    if clusters < 1 or pes % clusters:
        raise InputError(f"clusters must divide the {pes} PEs, but {clusters} do not")
    names = {layer.name for layer in network.layers}
    unknown = sorted(set(rates or ()) - names)
    if unknown:
        raise InputError(f"network {network.name!r} has no layer {unknown[0]!r}, for which there "
                         f"are column rates; {did_you_mean(unknown[0], names)}its layers are "
                         f"{', '.join(sorted(names))}")
    kept = _kept(network)
    orders = {INPUT: np.arange(network.layout(INPUT).channels)}
    layers = []
    for number, layer in enumerate(network.layers):
        source = _joined([orders[name] for name in network.sources(number)])
        if isinstance(layer, (Pool, Depthwise)):
            orders[layer.name] = source
        elif isinstance(layer, Linear) and layer.name not in kept:
            share = clusters if layer.positions >= clusters else 1
            orders[layer.name] = balance_rows(layer.weights, pes // share,
                                              (rates or {}).get(layer.name), by=by)
        else:
            orders[layer.name] = np.arange(layer.channels)
        layers.append(_reordered(layer, orders[layer.name], source))
    return dataclasses.replace(network, layers=tuple(layers))


def _kept(network: Network) -> set[str]:
    """Layers whose channels must stay in their order."""
    kept = {network.layers[-1].name}
    for number in reversed(range(len(network.layers))):
        layer = network.layers[number]
        if isinstance(layer, Add) or (layer.is_local and layer.name in kept):
            kept |= {*network.sources(number)}
    return kept


def _joined(orders: list[np.ndarray]) -> np.ndarray:
    """The order of maps side by side."""
    first = np.cumsum([0, *map(len, orders)])
    return np.concatenate([start + order for start, order in zip(first, orders)])


def _reordered(layer: Layer, order: np.ndarray, source: np.ndarray) -> Layer:
    """A layer with its outputs in ``order``, which reads channels in the order ``source``."""
    if not isinstance(layer, Weighted):
        return layer                    # every channel has the same
    n = layer.weights.shape[1]
    columns = np.arange(n)
    if isinstance(layer, Linear):       # of a kernel or a map: the channels of each pixel
        columns = (np.arange(0, n, len(source))[:, np.newaxis] + source).ravel()
    if all(np.all(np.diff(moved) == 1) for moved in (order, columns)):
        return layer
    return dataclasses.replace(
        layer, weights=permuted(layer.weights, order, columns),
        **{name: getattr(layer, name)[order] for name in ("bias", "multiplier", "shift")})
