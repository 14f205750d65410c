# SPDX-License-Identifier: Apache-2.0
"""Load balance: which PE owns which output channel, chosen by permuting the channels.

Channel i of a layer belongs to PE i mod N, so the order of the channels is the assignment. A new
order costs nothing at run time: whatever reads the layer takes its columns in the same order. See
``docs/balance.md``.
"""
import dataclasses
import heapq
from collections.abc import Mapping

import numpy as np

from ..errors import InputError, did_you_mean, must_be_one_of
from ..network.graph import INPUT, Add, Depthwise, Layer, Linear, Network, Pool, check_runnable
from ..network.layers import Weighted
from ..numbers.sparse import SparseWeights, permuted

__all__ = ["GOALS", "balance_rows", "balanced", "balanced_orders", "can_be_balanced", "loads",
           "read_order", "reordered"]

#: What :func:`balance_rows` can even out: the PEs' loads in each column, or their total loads.
GOALS = ("columns", "entries")


def loads(weights: SparseWeights, pes: int, rates: np.ndarray | None = None) -> np.ndarray:
    """Load of each PE, float [PEs]: its number of weights, or, with ``rates`` [n], the sum over its
    weights of how often the weight's column is broadcast. Fillers are not counted."""
    return _loads_of(_work(weights, rates), pes)


def _work(weights: SparseWeights, rates: np.ndarray | None) -> np.ndarray:
    """Load that each row gives its PE, [m]: its weights, each counted as often as its column is
    broadcast."""
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


def _loads_of(work: np.ndarray, pes: int) -> np.ndarray:
    """Load of each PE, where row i's work goes to PE i mod ``pes``."""
    return np.bincount(np.arange(len(work)) % pes, work, minlength=pes)


def balance_rows(weights: SparseWeights, pes: int, rates: np.ndarray | None = None, *,
                 by: str = "columns") -> np.ndarray:
    """An order of the rows that gives ``pes`` PEs similar loads: int64 [m], element i is the row
    that moves to place i.

    Greedy: rows are assigned in order of decreasing work, each to the best PE that has a place
    left. By ``entries``, the best PE is the one with the least work so far. By ``columns``, it is
    the one with the least work in the columns that this row has: a PE with many weights in one
    column makes all others wait, however few it has elsewhere. Each PE's rows are then ordered by
    decreasing work, because no filler is needed behind the last entry of a column.

    The largest load never rises. By ``columns``, no PE is given more than the largest load of the
    original order. Where that is impossible, the order by entries is taken, and if that is no
    improvement, the original order.

    Parameters
    ----------
    rates : how often each column is broadcast, [n], for example from
        :func:`openeie.core.golden.column_rates`. None: all columns equally often.
    by : one of :data:`GOALS`.

    Raises
    ------
    InputError : rates of the wrong length, negative or not finite; no PE; an unknown goal.
    """
    if pes < 1:
        raise InputError(f"pes must be at least 1, not {pes}")
    if by not in GOALS:
        raise InputError(f"by {must_be_one_of(by, GOALS)}")
    work = _work(weights, rates)
    before = _loads_of(work, pes).max()
    if by == "columns":
        order = _by_columns(weights, work, pes, rates)
        if _loads_of(work[order], pes).max() <= before:
            return order
    order = _by_entries(work, pes)
    if _loads_of(work[order], pes).max() < before:
        return order
    return np.arange(len(work))


def _places(m: int, pes: int) -> list[int]:
    """Number of rows that each PE owns; PEs without a row are left out."""
    return [-(-(m - pe) // pes) for pe in range(min(pes, m))]


def _by_entries(work: np.ndarray, pes: int) -> np.ndarray:
    """Each row goes to the PE with the least work so far."""
    places = _places(len(work), pes)
    owned: list[list[int]] = [[] for _ in places]
    waiting = [(0, pe) for pe in range(len(places))]    # ascending, so a heap already
    for row in np.argsort(-work, kind="stable"):
        load, pe = waiting[0]
        owned[pe].append(int(row))
        if len(owned[pe]) < places[pe]:
            heapq.heapreplace(waiting, (load + work[row], pe))
        else:
            heapq.heappop(waiting)
    return _order(owned, pes)


def _by_columns(weights: SparseWeights, work: np.ndarray, pes: int, rates: np.ndarray | None
                ) -> np.ndarray:
    """Each row goes to the PE that adds least to the sum of squares, over PEs and columns, of the
    load that a PE has in a column. PEs that would exceed the largest original load are excluded."""
    m, n = weights.shape
    by_row = weights.columns[np.argsort(weights.rows, kind="stable")]
    first = np.cumsum([0, *np.bincount(weights.rows, minlength=m)])
    rate = np.ones(n) if rates is None else np.asarray(rates, float)
    most = _loads_of(work, pes).max()
    places = _places(m, pes)

    owned: list[list[int]] = [[] for _ in places]
    column_load = np.zeros((n, len(places)))
    load = np.zeros(len(places))                        # infinite for a PE without a place left
    for row in np.argsort(-work, kind="stable"):
        columns = by_row[first[row]:first[row + 1]]
        # Summed row by row: a matrix product may sum in another order on another machine, and
        # would then break ties in another way.
        cost = column_load[columns].sum(axis=0)
        cost[load + work[row] > most] = np.inf
        pe = int((cost if np.isfinite(cost).any() else load).argmin())
        owned[pe].append(int(row))
        column_load[columns, pe] += rate[columns]
        load[pe] = load[pe] + work[row] if len(owned[pe]) < places[pe] else np.inf
    return _order(owned, pes)


def _order(owned: list[list[int]], pes: int) -> np.ndarray:
    """The order of rows, int64 [m], that gives each PE the rows it owns, in their order."""
    order = np.empty(sum(map(len, owned)), np.int64)
    for pe, rows in enumerate(owned):
        order[pe::pes] = rows
    return order


def balanced(network: Network, pes: int, rates: Mapping[str, np.ndarray] | None = None, *,
             by: str = "columns", clusters: int = 1) -> Network:
    """The network with the output channels of its inner layers ordered by :func:`balance_rows` for
    ``pes`` PEs. Its outputs are the same, bit for bit; only inner layers' channels move.

    A linear layer or convolution is permuted if all its readers can follow. Linear layers and
    convolutions follow by permuting their columns, also after a concatenation. Pools and depthwise
    layers follow by permuting their own channels. Three kinds of layers keep their order: the last
    one, those that an addition reads, and those that either of these reads through pools and
    depthwise layers.

    Parameters
    ----------
    rates : how often each column of a layer is broadcast, by the layer's name, see
        :func:`openeie.core.golden.column_rates`; columns are those of the given network. For
        layers without rates, weights are counted.
    by : see :func:`balance_rows`.
    clusters : of the array. A layer with at least one position per cluster is ordered for the PEs
        of one cluster, because the compiler nearly always lets the clusters share such a layer. If
        it does not, the order is not optimal.

    Raises
    ------
    InputError : clusters that do not divide the PEs; rates for an unknown layer; a network that no
        array runs; a channel-wise layer of a kind that cannot be reordered; and whatever
        :func:`balance_rows` refuses.
    """
    return reordered(network, balanced_orders(network, pes, rates, by=by, clusters=clusters))


def balanced_orders(network: Network, pes: int, rates: Mapping[str, np.ndarray] | None = None, *,
                    by: str = "columns", clusters: int = 1) -> dict[str, np.ndarray]:
    """The order of each map's channels in :func:`balanced`, by the layer's name and for ``INPUT``:
    int64 [channels], element i is the channel that moves to place i.

    Parameters and errors as of :func:`balanced`.
    """
    check_runnable(network)
    if clusters < 1 or pes % clusters:
        raise InputError(f"clusters must divide the {pes} PEs, but {clusters} do not")
    rates = {} if rates is None else rates
    _check_names(network, rates)
    fixed = _fixed_layers(network)
    orders = {INPUT: np.arange(network.layout(INPUT).channels)}
    for number, layer in enumerate(network.layers):
        if isinstance(layer, (Pool, Depthwise)):
            order = read_order(network, orders, number)
        elif isinstance(layer, Linear) and layer.name not in fixed:
            share = clusters if layer.positions >= clusters else 1
            order = balance_rows(layer.weights, pes // share, rates.get(layer.name), by=by)
        elif isinstance(layer, (Linear, Add)):
            order = np.arange(layer.channels)
        else:
            raise InputError(f"layer {layer.name!r}: load balancing cannot reorder the channels of "
                             f"a layer of kind {type(layer).__name__}; compile the network "
                             f"without it")
        orders[layer.name] = order
    return orders


def can_be_balanced(network: Network) -> bool:
    """Whether all layers are of kinds that :func:`balanced` can reorder."""
    return all(isinstance(layer, (Pool, Depthwise, Linear, Add)) for layer in network.layers)


def reordered(network: Network, orders: Mapping[str, np.ndarray]) -> Network:
    """The network with the channels of its maps in these orders, as of :func:`balanced_orders`."""
    layers = [_reordered(layer, orders[layer.name], read_order(network, orders, number))
              for number, layer in enumerate(network.layers)]
    return dataclasses.replace(network, layers=tuple(layers))


def read_order(network: Network, orders: Mapping[str, np.ndarray], number: int) -> np.ndarray:
    """The order of the channels that layer ``number`` reads, int64 [channels of a pixel]."""
    return _side_by_side([orders[name] for name in network.sources(number)])


def _check_names(network: Network, rates: Mapping[str, np.ndarray]) -> None:
    """Refuse rates for a layer that the network does not have."""
    names = {layer.name for layer in network.layers}
    unknown = sorted(set(rates) - names)
    if unknown:
        raise InputError(f"network {network.name!r} has no layer {unknown[0]!r}, for which there "
                         f"are column rates; {did_you_mean(unknown[0], names)}its layers are "
                         f"{', '.join(sorted(names))}")


def _fixed_layers(network: Network) -> set[str]:
    """Names of the layers whose channels must keep their order."""
    fixed = {network.layers[-1].name}
    for number in reversed(range(len(network.layers))):
        layer = network.layers[number]
        if isinstance(layer, Add) or (layer.is_local and layer.name in fixed):
            fixed.update(network.sources(number))
    return fixed


def _side_by_side(orders: list[np.ndarray]) -> np.ndarray:
    """The order of the channels of several maps side by side."""
    first = np.cumsum([0, *map(len, orders)])
    return np.concatenate([start + order for start, order in zip(first, orders)])


def _reordered(layer: Layer, order: np.ndarray, source: np.ndarray) -> Layer:
    """The layer with its output channels in ``order``, reading channels in the order ``source``."""
    if not isinstance(layer, Weighted):
        return layer                    # all its channels have the same parameters
    n = layer.weights.shape[1]
    columns = np.arange(n)
    if isinstance(layer, Linear):
        # Columns belong to a kernel's or map's pixels; each pixel's channels move alike.
        pixels = np.arange(0, n, len(source))
        columns = (pixels[:, np.newaxis] + source).ravel()
    if all(np.all(np.diff(moved) == 1) for moved in (order, columns)):
        return layer
    parameters = {name: getattr(layer, name)[order] for name in ("bias", "multiplier", "shift")}
    weights = permuted(layer.weights, order, columns)
    return dataclasses.replace(layer, weights=weights, **parameters)
