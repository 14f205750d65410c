# SPDX-License-Identifier: Apache-2.0
"""Network -> program: choose encodings, prove the accumulators, place everything."""
import dataclasses
from collections.abc import Sequence

from ..array.config import ENCODINGS, ArrayConfig
from ..errors import CapacityError, ConfigError, InputError, must_be_one_of
from ..network.graph import Layer, Network, check_runnable
from .balance import balanced
from .capacity import Capacity, activation_needs
from .cluster import Group, choose, clustered_tiles
from .memory_images import Image
from .program import Program
from .tile_search import TileSearch
from .tiles import Tile, tiles_of

__all__ = ["compile_network", "try_compile"]


def compile_network(network: Network, config: ArrayConfig, *, vectors: int = 1,
                    encoding: str | None = None, clustered: bool | None = None,
                    balance: bool = False) -> Program:
    """Compile ``network`` for the array ``config``.

    Maps that do not fit the activation memories, and layers with more rows than accumulators,
    are tiled (``docs/architecture.md``, "Tiling").

    Parameters
    ----------
    vectors : inputs of one start; while a vector is written back the next is accumulated.
    encoding : use this one for every layer instead of the layers' own.
    clustered : whether the clusters share the positions of every layer that has enough of them;
        None: of those where that saves cycles and the memories have room for a copy in each.
    balance : order the channels inside the network so that the PEs have like loads
        (:func:`openeie.core.compile.balance.balanced`); layers that clusters can share are ordered
        for the PEs of a cluster. The program's network is the balanced one; its outputs are
        the same.

    Raises
    ------
    CapacityError : everything that does not fit, with what is needed and available, and the
        smallest configuration that would do.
    InputError : a bad argument, an encoding that a layer or the configuration cannot have, or a
        layer that no array runs.
    """
    check_runnable(network)
    if balance:
        network = balanced(network, config.pes,
                           clusters=1 if clustered is False else config.clusters)
    options: dict = {"vectors": vectors, "encoding": encoding, "clustered": clustered}
    program, capacity = try_compile(network, config, **options)
    if program is None:
        raise CapacityError(f"network {network.name!r} does not fit: "
                            f"{'; '.join(capacity.problems)}; "
                            f"{_smallest(network, config, capacity, options)}")
    return program


def try_compile(network: Network, config: ArrayConfig, *, vectors: int = 1,
                encoding: str | None = None, clustered: bool | None = None
                ) -> tuple[Program | None, Capacity]:
    """The program, or None, and what it lacks; arguments as for :func:`compile_network`."""
    check_runnable(network)
    if not isinstance(vectors, int) or not 1 <= vectors < 1 << 16:
        raise InputError(f"vectors must be in 1 .. 65535, not {vectors!r}")
    names = [_encoding(layer, config, encoding) for layer in network.layers]
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
    if capacity.problems:               # before encoding: these do not depend on it
        return None, capacity
    image = Image(network, config, vectors, capacity)
    groups = _groups(image, tiles, names, clustered)
    if capacity.problems:
        return None, capacity
    ways = {}
    for same, encoded in groups:
        image.place(same[0], encoded)
        ways[same[0].matrix] = same[0].clusters
    for tile in tiles:
        image.describe(dataclasses.replace(tile, clusters=ways[tile.matrix]))
    if capacity.problems:
        return None, capacity
    used = max(activation_needs(network, config, vectors, maps.rows).values())
    return image.program(maps, used), capacity


def _groups(image: Image, tiles: list[Tile], names: list[str], clustered: bool | None
            ) -> list[Group]:
    """The tiles of each matrix, clustered or not, and the matrix encoded; none if one cannot be."""
    by_matrix: dict[tuple[int, range], list[Tile]] = {}
    for tile in tiles:
        by_matrix.setdefault(tile.matrix, []).append(tile)
    apart = list(by_matrix.values())
    shared = clustered_tiles(apart, image.config)

    def encode(groups: Sequence[Sequence[Tile]]) -> list[Group]:
        encoded = [(same, image.encode(same[0], names[same[0].layer])) for same in groups]
        return [(same, one) for same, one in encoded if one is not None]

    if clustered is False or shared == apart:
        return encode(apart)
    if clustered:
        image.capacity.check_shapes([tile for same in shared for tile in same])
        return encode(shared)
    groups = encode(apart)
    return groups if image.capacity.problems else choose(groups, encode(shared), image.config)


def _smallest(network: Network, config: ArrayConfig, capacity: Capacity, options: dict) -> str:
    """Each field that is too small with its least value that is enough, the others as they are.
    Problems that hide behind others are found by trying."""
    chosen: dict[str, int] = {}
    while capacity.problems:
        if capacity.hopeless:
            return "no other memories would help"
        for name, value in capacity.short.items():
            chosen[name] = value + value % 2 if name in ("entry_depth", "pointer_depth") else value
        try:
            larger = config.replace(**chosen)
        except ConfigError as error:
            return f"there is no such array: {error}"
        _, capacity = try_compile(network, larger, **options)
    order = [field.name for field in dataclasses.fields(ArrayConfig)]
    return "the smallest configuration that would: " + ", ".join(
        f"{name}={chosen[name]}" for name in sorted(chosen, key=order.index))


def _encoding(layer: Layer, config: ArrayConfig, override: str | None) -> str:
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
        raise InputError(f"layer {layer.name!r} has its weights in place; encode it as csr")
    return name
