# SPDX-License-Identifier: Apache-2.0
"""Corner bins of tiling: which shapes of bands and slices a program has."""
from ...core.compile.program import Program, TilePlan
from ...core.network.chain import Chain
from ...core.network.graph import Add, Depthwise, Pool

__all__ = ["TILE_BINS", "tile_bins"]

#: The bins of :data:`openeie.sim.random.coverage.BINS` that are about tiles.
TILE_BINS = (
    "tiled in lines", "tiled in channels", "tiled in lines and channels", "slices of a pool",
    "slices of a depthwise layer", "slices of an addition", "slices of a linear layer",
    "slices of several inputs", "slices in a concatenation", "bands of conv, then pool",
    "bands of pool, then conv", "bands of a depthwise layer", "a chain of three in bands",
    "a chain in bands that reads a concatenation", "bands of several inputs", "a band with halo",
    "a band with halo at a stride", "bands with padding above and below",
    "the last layer in bands", "uneven bands", "lines that no band needs", "clustered bands",
    "clustered slices",
)


def tile_bins(program: Program) -> set[str]:
    """The bins that a program hits."""
    hits: list[dict[str, bool]] = []
    for plan in program.tiles:
        _, lines, _, channels = plan.part.shape
        if len(plan.part.lines) < lines:
            hits.append({"clustered bands": plan.clusters > 1})
        if len(plan.part.channels) < channels:
            hits.append(_slice_bins(program, plan))
    hits += [_chain_bins(program, chain) for chain in program.chains]
    return {name for bins in hits for name, hit in bins.items() if hit}


def _slice_bins(program: Program, plan: TilePlan) -> dict[str, bool]:
    """Bins of a tile with a part of its layer's channels."""
    network = program.network
    layer = network.layers[plan.layer]
    all_sources = [network.sources(number) for number in range(len(network.layers))]
    return {
        "tiled in channels": True,
        "slices of a pool": isinstance(layer, Pool),
        "slices of a depthwise layer": isinstance(layer, Depthwise),
        "slices of an addition": isinstance(layer, Add),
        "slices of a linear layer": layer.operation == "linear",
        "slices of several inputs": len(plan.part.vectors) > 1,
        "tiled in lines and channels": len(plan.part.lines) < plan.part.shape[1],
        "slices in a concatenation": any(
            len(sources) > 1 and layer.name in sources for sources in all_sources),
        "clustered slices": plan.clusters > 1,
    }


def _chain_bins(program: Program, chain: Chain) -> dict[str, bool]:
    """Bins of layers that run in bands together."""
    network = program.network
    layers = network.layers[chain.first:chain.last + 1]
    pools = [isinstance(layer, Pool) for layer in layers]
    windows = chain.windows(network)
    spans = chain.lines(network)
    heights = spans[..., 1] - spans[..., 0]
    halo = [heights[k].sum() > windows[k].out_height for k in range(len(layers) - 1)]
    return {
        "tiled in lines": chain.bands > 1,
        "bands of conv, then pool": (False, True) in zip(pools, pools[1:]),
        "bands of a depthwise layer": any(isinstance(layer, Depthwise) for layer in layers),
        "bands of pool, then conv": (True, False) in zip(pools, pools[1:]),
        "a chain of three in bands": len(layers) == 3,
        "a chain in bands that reads a concatenation": len(network.sources(chain.first)) > 1,
        "bands of several inputs": program.vectors > 1,
        "a band with halo": any(halo),
        "a band with halo at a stride": any(
            some and window.stride[0] > 1 for some, window in zip(halo, windows[1:])),
        "bands with padding above and below": any(
            window.pad[0] and window.pad[2] for window in windows),
        "the last layer in bands": chain.last == len(network.layers) - 1,
        "uneven bands": len(set(heights[-1].tolist())) > 1,
        "lines that no band needs": any(
            spans[k, :, 1].max() < windows[k].out_height for k in range(len(layers) - 1)),
    }
