# SPDX-License-Identifier: Apache-2.0
"""Network -> program: choose encodings, prove the accumulators, place everything.

This takes the array and the order of the channels as they are given; :mod:`.automatic` chooses
them.
"""
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..array.config import ENCODINGS, ArrayConfig
from ..errors import CapacityError, ConfigError, InputError, must_be_one_of
from ..network.graph import Layer, Network, check_runnable
from .balance import balanced_orders, reordered
from .capacity import Capacity, activation_needs
from .cluster import Group, choose, clustered_tiles
from .memory_images import Image
from .program import Choices, Program
from .tile_search import Maps, TileSearch
from .tiles import Tile, tiles_of

__all__ = ["compile_groups", "compile_network", "try_compile"]

_EVEN = ("entry_depth", "pointer_depth")        # memories of two banks


def compile_network(network: Network, config: ArrayConfig, *, vectors: int = 1,
                    encoding: str | None = None, clustered: bool | None = None,
                    balance: bool = False) -> Program:
    """Compile ``network`` for the array ``config``.

    Maps that do not fit the activation memories are tiled, and so are layers with more rows than
    accumulators (``docs/architecture.md``, "Tiling").

    Parameters
    ----------
    vectors : inputs of one launch of the program, 1 .. 65535. While one vector is written back, the
        next is already accumulated.
    encoding : the encoding of all layers, instead of each layer's own.
    clustered : whether the clusters share the positions of every layer that has enough of them.
        None: only of the layers where this saves cycles and the memories have room for the copies.
    balance : order the inner layers' channels so that the PEs have similar loads, see
        :func:`openeie.core.compile.balance.balanced`; layers that clusters can share are balanced
        for the PEs of one cluster. ``Program.network`` is then the balanced network, whose outputs
        are the same.

    Raises
    ------
    CapacityError : the network does not fit; the message lists everything that is too small, and
        the smallest sufficient configuration.
    InputError : a bad argument, an encoding that a layer or the configuration does not allow, or a
        layer that no array runs.
    """
    check_runnable(network)
    choices = Choices()
    if balance:
        clusters = 1 if clustered is False else config.clusters
        choices = Choices(orders=balanced_orders(network, config.pes, clusters=clusters))
        network = reordered(network, choices.orders)
    options: dict[str, Any] = {"vectors": vectors, "encoding": encoding, "clustered": clustered}
    program, _ = compile_groups(network, config, **options)
    return dataclasses.replace(program, choices=choices)


def compile_groups(network: Network, config: ArrayConfig, **options: Any
                   ) -> tuple[Program, list[Group]]:
    """The program, and its matrices with the tiles that share them.

    Parameters and errors as of :func:`compile_network`, without ``balance``.
    """
    found = _compile(network, config, **options)
    if found.program is None:
        raise CapacityError(f"network {network.name!r} does not fit: "
                            f"{'; '.join(found.capacity.problems)}; "
                            f"{_smallest(network, config, found.capacity, options)}")
    return found.program, found.groups


def try_compile(network: Network, config: ArrayConfig, *, vectors: int = 1,
                encoding: str | None = None, clustered: bool | None = None
                ) -> tuple[Program | None, Capacity]:
    """The program, or None if it does not fit, and what was found about the capacity.

    Parameters as for :func:`compile_network`.

    Raises
    ------
    InputError : as :func:`compile_network`.
    """
    found = _compile(network, config, vectors=vectors, encoding=encoding, clustered=clustered)
    return found.program, found.capacity


class _Compiled(NamedTuple):
    """A program, or None if it does not fit, its matrices, and what was found about the
    capacity."""
    program: Program | None
    groups: list[Group]
    capacity: Capacity


def _compile(network: Network, config: ArrayConfig, *, vectors: int = 1,
             encoding: str | None = None, clustered: bool | None = None) -> _Compiled:
    """Parameters and errors as of :func:`try_compile`."""
    check_runnable(network)
    if not isinstance(vectors, int) or not 1 <= vectors < 1 << 16:
        raise InputError(f"vectors must be in 1 .. 65535, not {vectors!r}")
    encodings = [_encoding(layer, config, encoding) for layer in network.layers]
    if network.branches and not config.conv:
        raise InputError(f"layer {network.branches[0]!r} does not read the layer before it, which "
                         f"needs an array with conv among its operations, such as the presets "
                         f"NET16 and NET64")
    search = TileSearch(network, config, vectors)
    capacity = Capacity(network, config, vectors)
    maps = search.maps(2 * config.act_depth) or search.whole
    tiles = tiles_of(network, config, vectors, maps.placements, maps.chains,
                     clustered=bool(clustered))
    capacity.check_shapes(tiles)
    capacity.check_activations(search)
    capacity.prove_accumulators()
    if capacity.problems:               # before encoding, which takes longer
        return _Compiled(None, [], capacity)
    image = Image(network, config, vectors, capacity)
    groups = _groups(image, tiles, encodings, clustered)
    program = None if capacity.problems else _fill(image, tiles, groups, maps)
    return _Compiled(program, groups, capacity)


def _fill(image: Image, tiles: list[Tile], groups: list[Group], maps: Maps) -> Program | None:
    """Fill the memory images with all matrices and descriptors; None if they do not fit."""
    clusters = {}
    for same, encoded in groups:
        image.place(same[0], encoded)
        clusters[same[0].matrix] = same[0].clusters
    for tile in tiles:
        image.describe(dataclasses.replace(tile, clusters=clusters[tile.matrix]))
    if image.capacity.problems:
        return None
    needs = activation_needs(image.network, image.config, image.vectors, maps.rows)
    return image.program(maps, max(needs.values()))


def _groups(image: Image, tiles: list[Tile], encodings: list[str], clustered: bool | None
            ) -> list[Group]:
    """Tiles grouped by the matrix they share, with the matrix encoded. A matrix that cannot be
    encoded is left out and reported in ``image.capacity``."""
    by_matrix: dict[tuple[int, range], list[Tile]] = {}
    for tile in tiles:
        by_matrix.setdefault(tile.matrix, []).append(tile)
    apart = list(by_matrix.values())
    shared = clustered_tiles(apart, image.config)
    if clustered is False or shared == apart:
        return _encoded(image, apart, encodings)
    if clustered:
        image.capacity.check_shapes([tile for same in shared for tile in same])
        return _encoded(image, shared, encodings)
    groups = _encoded(image, apart, encodings)
    if image.capacity.problems:
        return groups
    return choose(groups, _encoded(image, shared, encodings), image.config)


def _encoded(image: Image, groups: Sequence[Sequence[Tile]], encodings: list[str]) -> list[Group]:
    """Each group of tiles with its matrix, encoded; without the matrices that cannot be."""
    result = []
    for tiles in groups:
        encoded = image.encode(tiles[0], encodings[tiles[0].layer])
        if encoded is not None:
            result.append((tiles, encoded))
    return result


def _smallest(network: Network, config: ArrayConfig, capacity: Capacity,
              options: dict[str, Any]) -> str:
    """Advice for a network that does not fit: each field that is too small, with its least
    sufficient value. Some problems are only found once others are solved, so this compiles again
    until there are none."""
    chosen: dict[str, int] = {}
    while capacity.problems:
        if capacity.hopeless:
            return "larger memories would not help"
        for name, value in capacity.short.items():
            chosen[name] = value + value % 2 if name in _EVEN else value
        try:
            larger = config.replace(**chosen)
        except ConfigError as error:
            return f"there is no such array: {error}"
        _, capacity = try_compile(network, larger, **options)
    order = [field.name for field in dataclasses.fields(ArrayConfig)]
    advice = [f"{name}={chosen[name]}" for name in sorted(chosen, key=order.index)]
    return f"the smallest configuration that would: {', '.join(advice)}"


def _encoding(layer: Layer, config: ArrayConfig, override: str | None) -> str:
    """The encoding of a layer's matrix: ``override``, the layer's own, or the array's first."""
    if layer.operation not in config.operations:
        raise InputError(f"layer {layer.name!r} is of the kind {layer.operation}, but the array "
                         f"runs only {', '.join(config.operations)} layers; choose a "
                         f"configuration with {layer.operation} among its operations, such as the "
                         f"presets NET16 and NET64")
    name = override or layer.encoding or config.encodings[0]
    if name not in ENCODINGS:
        raise InputError(f"encoding {must_be_one_of(name, ENCODINGS)}")
    if name not in config.encodings:
        raise InputError(f"layer {layer.name!r} is encoded as {name}, but the array has only "
                         f"{', '.join(config.encodings)}; choose one of them (--encoding, in "
                         f"Python encoding=), or another configuration")
    if name != "csr" and layer.weights.codebook is None:
        raise InputError(f"layer {layer.name!r} has no codebook: its weights are not shared; "
                         f"encode it as csr")
    return name
