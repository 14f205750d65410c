# SPDX-License-Identifier: Apache-2.0
"""Activation memories: where each map of a network lies, and for how long."""
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
    """A map, or a concatenation of maps, that lies in one piece.

    Attributes
    ----------
    names, rows : of each part, and of its pixels.
    size : rows of all inputs; of a band, where it never lies whole.
    first, last : layer that writes it first (-1: the host), and that reads it last.
    origin : first row.
    """
    names: tuple[str, ...]
    rows: list[int]
    size: int
    first: int
    last: int
    origin: int = -1

    @property
    def stride(self) -> int:
        """Rows of a pixel of all parts."""
        return sum(self.rows)


def place_maps(network: Network, config: ArrayConfig, vectors: int,
               chains: Iterable[Chain] = ()) -> tuple[dict[str, Placement], int]:
    """Placements by layer name, the network's input under ``INPUT``, and rows used altogether.

    In an array without convolutions layers take the two memories in turn. Otherwise a map takes
    the first room that no map of the same time has, the largest map first. The maps inside
    ``chains`` are buffers of a band.

    Raises
    ------
    InputError : a map in two concatenations, which cannot both lie in one piece.
    """
    tensors = tensors_of(network, config, vectors)
    for chain in chains:
        _band(tensors, network, config, chain)
    if not config.conv:
        for tensor in tensors:
            tensor.origin = 0 if tensor.first % 2 else half_rows(config)
    else:
        _first_fit(tensors)
    placements = {}
    for tensor in tensors:
        origin = tensor.origin
        for name, rows in zip(tensor.names, tensor.rows):
            placements[name] = Placement(origin=origin, rows=rows, stride=tensor.stride)
            origin += rows
    return placements, max(tensor.origin + tensor.size for tensor in tensors)


def tensors_of(network: Network, config: ArrayConfig, vectors: int) -> list[Tensor]:
    """Maps in one piece, with the time in which they are needed."""
    groups: dict[str, tuple[str, ...]] = {}
    readers: dict[str, int] = {}
    for number in range(len(network.layers)):
        names = network.sources(number)
        for name in names:
            readers[name] = number
            concatenated = len(names) > 1 and network.layers[number].concatenates
            if concatenated and groups.setdefault(name, names) != names:
                raise InputError(f"layer {name!r} is part of two concatenations, and can lie in "
                                 f"only one; repeat it, or concatenate both in one order")
    writers = {INPUT: -1} | {layer.name: number for number, layer in enumerate(network.layers)}
    tensors: dict[tuple[str, ...], Tensor] = {}
    for name in writers:
        names = groups.get(name, (name,))
        if INPUT in names and len(names) > 1:
            raise InputError("the network's input cannot be part of a concatenation")
        rows = [network.layout(part).rows(config.pes) for part in names]
        tensors[names] = Tensor(
            names=names, rows=rows, size=vectors * network.layout(names[0]).pixels * sum(rows),
            first=min(writers[part] for part in names),
            last=max(readers.get(part, len(network.layers)) for part in names))
    return list(tensors.values())


def _band(tensors: list[Tensor], network: Network, config: ArrayConfig, chain: Chain) -> None:
    """The maps inside a chain shrink to a band of one input; those around it, which every band
    reads or writes, are there from its first layer to its last."""
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
    """Give every tensor the lowest rows that none of its time has taken, the largest first."""
    placed: list[Tensor] = []
    for tensor in sorted(tensors, key=lambda one: one.size, reverse=True):
        origin = 0
        for other in sorted(placed, key=lambda one: one.origin):
            together = other.first <= tensor.last and tensor.first <= other.last
            if together and other.origin < origin + tensor.size \
                    and origin < other.origin + other.size:
                origin = other.origin + other.size
        tensor.origin = origin
        placed.append(tensor)
