# SPDX-License-Identifier: Apache-2.0
"""Activation memories: where each map of a network lies, and for how long."""
from dataclasses import dataclass

from .config import ArrayConfig
from .errors import InputError
from .graph import INPUT, Network

__all__ = ["Placement", "place_maps", "half_rows"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Rows of one map; addresses run through memory A, then B, and are the same in every PE.

    Attributes
    ----------
    origin : row of the first pixel of the first input.
    rows : of one pixel.
    stride : from a pixel to the next; more than ``rows`` where it is a part of a concatenation.
    """
    origin: int
    rows: int
    stride: int


def half_rows(config: ArrayConfig) -> int:
    """Where memory B begins."""
    return 1 << config.act_address_width


@dataclass
class _Tensor:
    """A map, or a concatenation of maps, that lies in one piece."""
    names: tuple[str, ...]
    pixels: int
    rows: list[int]                 # of each part
    first: int                      # layer that writes it first; -1: the host
    last: int                       # layer that reads it last
    origin: int = -1

    @property
    def stride(self) -> int:
        return sum(self.rows)


def place_maps(network: Network, config: ArrayConfig, vectors: int
               ) -> tuple[dict[str, Placement], int]:
    """Placements by layer name, the network's input under ``INPUT``, and rows used altogether.

    In an array without convolutions layers take the two memories in turn. Otherwise a map takes
    the first room that no map of the same time has, the largest map first.

    Raises
    ------
    InputError : a map in two concatenations, which cannot both lie in one piece.
    """
    tensors = _tensors(network, config, vectors)
    if not config.conv:
        for tensor in tensors:
            tensor.origin = 0 if tensor.first % 2 else half_rows(config)
    else:
        _first_fit(tensors, vectors)
    placements = {}
    for tensor in tensors:
        origin = tensor.origin
        for name, rows in zip(tensor.names, tensor.rows):
            placements[name] = Placement(origin=origin, rows=rows, stride=tensor.stride)
            origin += rows
    return placements, max(tensor.origin + vectors * tensor.pixels * tensor.stride
                           for tensor in tensors)


def _tensors(network: Network, config: ArrayConfig, vectors: int) -> list[_Tensor]:
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
    tensors = {}
    for name in writers:
        names = groups.get(name, (name,))
        if INPUT in names and len(names) > 1:
            raise InputError("the network's input cannot be part of a concatenation")
        tensors[names] = _Tensor(
            names=names, pixels=network.layout(names[0]).pixels,
            rows=[network.layout(part).rows(config.pes) for part in names],
            first=min(writers[part] for part in names),
            last=max(readers.get(part, len(network.layers)) for part in names))
    return list(tensors.values())


def _first_fit(tensors: list[_Tensor], vectors: int) -> None:
    """Give every tensor the lowest rows that none of its time has taken, the largest first."""
    def size(tensor: _Tensor) -> int:
        return vectors * tensor.pixels * tensor.stride
    placed: list[_Tensor] = []
    for tensor in sorted(tensors, key=size, reverse=True):
        origin = 0
        for other in sorted(placed, key=lambda one: one.origin):
            together = other.first <= tensor.last and tensor.first <= other.last
            if together and other.origin < origin + size(tensor) \
                    and origin < other.origin + size(other):
                origin = other.origin + size(other)
        tensor.origin = origin
        placed.append(tensor)
