# SPDX-License-Identifier: Apache-2.0
"""Network -> program: choose encodings, prove the accumulators, place everything."""
from .capacity import Capacity
from .cluster import choose, clustered_tiles
from .config import ENCODINGS, ArrayConfig
from .errors import InputError
from .graph import INPUT, Layer, Network
from .image import Encoded, Image
from .memory import place_maps
from .program import Program
from .schedule import Tile, whole_layers

__all__ = ["compile_network"]


def compile_network(network: Network, config: ArrayConfig, *, vectors: int = 1,
                    encoding: str | None = None, clustered: bool | None = None) -> Program:
    """Compile ``network`` for the array ``config``.

    Parameters
    ----------
    vectors : inputs of one start; while a vector is written back the next is accumulated.
    encoding : use this one for every layer instead of the layers' own.
    clustered : whether the clusters share the positions of every layer that has enough of them;
        None: of those where that saves cycles and the memories have room for a copy in each.

    Raises
    ------
    CapacityError : everything that does not fit, with what is needed and available.
    InputError : a bad argument, or an encoding that a layer or the configuration cannot have.
    """
    if not isinstance(vectors, int) or not 1 <= vectors < 1 << 16:
        raise InputError(f"vectors must be in 1 .. 65535, not {vectors!r}")
    names = [_encoding(layer, config, encoding) for layer in network.layers]
    if network.branches and not config.conv:
        raise InputError(f"layer {network.branches[0]!r} does not read the layer before it, which "
                         f"needs an array with conv among its operations")
    placements, act_rows = place_maps(network, config, vectors)
    tiles = whole_layers(network, config, placements)
    capacity = Capacity(network, config, vectors)
    capacity.check_shapes(tiles)
    act_depth = capacity.check_activations(act_rows)
    capacity.prove_accumulators()
    capacity.refuse()               # before encoding: these do not depend on it
    image = Image(network, config, vectors, capacity)
    for tile, encoded in _encoded(image, tiles, names, clustered):
        image.place(tile, encoded)
    capacity.refuse()
    return image.program(input_origin=placements[INPUT].origin, act_rows=act_rows,
                         act_depth=act_depth)


def _encoded(image: Image, tiles: list[Tile], names: list[str], clustered: bool | None
             ) -> list[tuple[Tile, Encoded]]:
    """Every tile, clustered or not, with its matrix.

    Raises
    ------
    CapacityError : what cannot be encoded.
    """
    def encode(chosen: list[Tile]) -> list[tuple[Tile, Encoded]]:
        encoded = [image.encode(tile, names[tile.layer]) for tile in chosen]
        image.capacity.refuse()
        return list(zip(chosen, encoded))

    shared = clustered_tiles(tiles, image.config, image.vectors)
    if clustered is False or shared == tiles:
        return encode(tiles)
    if clustered:
        image.capacity.check_shapes(shared)
        return encode(shared)
    return choose(encode(tiles), encode(shared), image.config, image.vectors)


def _encoding(layer: Layer, config: ArrayConfig, override: str | None) -> str:
    if layer.operation not in config.operations:
        raise InputError(f"layer {layer.name!r} is of the kind {layer.operation}, but the array "
                         f"runs only {', '.join(config.operations)} layers; choose a "
                         f"configuration with {layer.operation} among its operations")
    name = override or layer.encoding or config.encodings[0]
    if name not in ENCODINGS:
        raise InputError(f"encoding must be one of {', '.join(ENCODINGS)}, not {name!r}")
    if name not in config.encodings:
        raise InputError(f"layer {layer.name!r} is encoded as {name}, but the array has only "
                         f"{', '.join(config.encodings)}; choose one of them with encoding=, or "
                         f"another configuration")
    if name != "csr" and layer.weights.codebook is None:
        raise InputError(f"layer {layer.name!r} has its weights in place; encode it as csr")
    return name
