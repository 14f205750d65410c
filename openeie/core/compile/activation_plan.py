# SPDX-License-Identifier: Apache-2.0
"""The activation memories' plan: where each map of a network lies, and for how long."""
from collections.abc import Iterable
from dataclasses import dataclass

from ..array.config import ArrayConfig, half_rows
from ..errors import InputError
from ..network.chain import Chain
from ..network.graph import INPUT, Network
from ..network.layout import Placement

__all__ = ["Tensor", "tensors_of", "place_maps"]


@dataclass
class Tensor:
    """A map, or several concatenated maps, in consecutive rows of memory.

    Attributes
    ----------
    names : the layers whose outputs these maps are, in the order of concatenation.
    rows : rows of one pixel, for each map.
    size : rows of all inputs. For a map inside a chain: rows of one band of one input.
    first, last : numbers of the layer that writes it first (-1: the host), and of the one that
        reads it last.
    origin : first row; -1 until it is placed.
    """
    names: tuple[str, ...]
    rows: list[int]
    size: int
    first: int
    last: int
    origin: int = -1

    @property
    def stride(self) -> int:
        """Rows of one pixel of all maps together."""
        return sum(self.rows)

    @property
    def end(self) -> int:
        """One past the last row."""
        return self.origin + self.size

    def is_needed_with(self, other: "Tensor") -> bool:
        """Whether there is a time at which both are in memory."""
        return self.first <= other.last and other.first <= self.last


def place_maps(network: Network, config: ArrayConfig, vectors: int,
               chains: Iterable[Chain] = ()) -> tuple[dict[str, Placement], int]:
    """Placements by layer name (``INPUT`` for the network's input), and total number of rows.

    In an array without convolutions, layers alternate between the two memories. Otherwise each map,
    the largest first, gets the lowest rows that no map needed at the same time occupies. Of a map
    inside one of ``chains``, only a band is kept.

    Raises
    ------
    InputError : a map that is part of two concatenations: it cannot be contiguous with both.
    """
    tensors = tensors_of(network, config, vectors)
    for chain in chains:
        _shrink_to_bands(tensors, network, chain)
    if config.conv:
        _first_fit(tensors)
    else:
        for tensor in tensors:
            tensor.origin = 0 if tensor.first % 2 else half_rows(config)
    placements = {}
    for tensor in tensors:
        origin = tensor.origin
        for name, rows in zip(tensor.names, tensor.rows):
            placements[name] = Placement(origin=origin, rows=rows, stride=tensor.stride)
            origin += rows
    return placements, max(tensor.end for tensor in tensors)


def tensors_of(network: Network, config: ArrayConfig, vectors: int) -> list[Tensor]:
    """All maps of a network, not yet placed; maps that some layer concatenates form one tensor.

    Raises
    ------
    InputError : a map that is part of two concatenations, or a concatenation with the network's
        input.
    """
    groups, readers = _concatenations(network)
    writers = {layer.name: number for number, layer in enumerate(network.layers)}
    writers[INPUT] = -1
    tensors: dict[tuple[str, ...], Tensor] = {}
    for name in (INPUT, *(layer.name for layer in network.layers)):
        names = groups.get(name, (name,))
        if INPUT in names and len(names) > 1:
            raise InputError("the network's input cannot be part of a concatenation")
        rows = [network.layout(part).rows(config.pes) for part in names]
        pixels = network.layout(names[0]).pixels
        tensors[names] = Tensor(
            names=names, rows=rows, size=vectors * pixels * sum(rows),
            first=min(writers[part] for part in names),
            last=max(readers.get(part, len(network.layers)) for part in names))
    return list(tensors.values())


def _concatenations(network: Network) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    """For each map that is concatenated, the names of the whole concatenation; and for each map
    that is read, the number of its last reader."""
    groups: dict[str, tuple[str, ...]] = {}
    readers: dict[str, int] = {}
    for number, layer in enumerate(network.layers):
        names = network.sources(number)
        is_concatenation = len(names) > 1 and layer.concatenates
        for name in names:
            readers[name] = number
            if is_concatenation and groups.setdefault(name, names) != names:
                raise InputError(f"layer {name!r} is part of two concatenations, and can lie in "
                                 f"only one; repeat it, or concatenate both in one order")
    return groups, readers


def _shrink_to_bands(tensors: list[Tensor], network: Network, chain: Chain) -> None:
    """Reduce the maps inside a chain to a band of one input.

    Every band reads the maps before the chain and writes the map behind it, so these are kept from
    the chain's first layer to its last.
    """
    buffers = chain.buffers(network)
    for tensor in tensors:
        name = tensor.names[0]
        if name in buffers:
            tensor.size = buffers[name] * network.width(name) * tensor.stride
            continue
        if chain.first <= tensor.first <= chain.last:
            tensor.first = chain.first
        if chain.first <= tensor.last <= chain.last:
            tensor.last = chain.last


def _first_fit(tensors: list[Tensor]) -> None:
    """Give each tensor, the largest first, the lowest rows that are free while it is needed."""
    placed: list[Tensor] = []
    for tensor in sorted(tensors, key=lambda one: one.size, reverse=True):
        tensor.origin = 0
        for other in sorted(placed, key=lambda one: one.origin):
            overlaps = other.origin < tensor.end and tensor.origin < other.end
            if overlaps and other.is_needed_with(tensor):
                tensor.origin = other.end
        placed.append(tensor)
