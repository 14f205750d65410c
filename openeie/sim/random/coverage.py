# SPDX-License-Identifier: Apache-2.0
"""Corner bins: which corners of the array a verified program has been in."""
import numpy as np

from ...core import golden
from ...core.array.config import ENCODINGS
from ...core.array.counters import COUNTERS
from ...core.compile.capacity import words_used
from ...core.compile.program import TilePlan, Program
from ...core.entries.encoding import encode_entries
from ...core.network.graph import INPUT, Add, Conv, Depthwise, Linear, Pool, kind_of
from ...core.numbers.fixed import int_range, round_shift
from ...core.run import Run
from .tile_coverage import TILE_BINS, tile_bins

__all__ = ["BINS", "bins_of"]

_FULL = {"entry_depth": "entry memory full", "pointer_depth": "pointer memory full",
         "act_depth": "activation memory full", "acc_depth": "accumulators full",
         "channel_depth": "channel memory full"}
#: Kinds of layers on maps.
_KINDS = ("conv", "pool", "depthwise", "add")
_PER_WINDOW = ("padding", "stride", "a single position", "kernel of the whole map")
_PER_MAP = ("a pixel of several rows", "several inputs")
_PER_LOCAL = ("a filler", "several parts")
_PER_ENCODING = ("layer", "empty column", "filler", "longest run with a weight",
                 "several vectors", "no weight at all")

#: Every bin there is. ``openeie verify --random`` reports those that stayed empty.
BINS = (
    *(f"{encoding}: {name}" for encoding in ENCODINGS for name in _PER_ENCODING),
    "huffman: codeword of 1 bit", "huffman: codeword of max_code_length bits",
    "huffman: a single symbol",
    "saturated high", "saturated low", "clamped by relu", "shift 0", "shift 62",
    *(f"counter {name}" for name in COUNTERS),
    "queue of one", "one bank", "one PE", "fewer rows than PEs", "one input", "one output",
    "a negative activation", "a vector of zeros", "a vector with a single non-zero",
    "an empty row", "first and last row", *_FULL.values(), "several layers",
    *(f"{kind}: {name}" for kind in ("conv", "pool", "depthwise") for name in _PER_WINDOW),
    *(f"{kind}: {name}" for kind in _KINDS for name in _PER_MAP),
    *(f"{kind}: {name}" for kind in ("pool", "depthwise", "add") for name in _PER_LOCAL),
    *(f"{kind} after {before}" for kind in (*_KINDS, "linear")
      for before in _KINDS),
    "pool: max", "pool: sum", "depthwise: a weight of 0", "add: different weights",
    "conv: groups",
    "add: equal weights", "add: a weight of 0", "add of the input", "a concatenation",
    "clustered", "clustered: positions left over", "clustered: a pixel of several rows",
    "clustered: more rows than clusters", "clustered: several inputs", "clusters, not used",
    *TILE_BINS,
)


def _layer_bins(program: Program, plan: TilePlan, x: np.ndarray) -> dict[str, bool]:
    """Bins of a tile whose layer has the inputs x int64 [batch, n]."""
    number = plan.layer
    layer, network = program.network.layers[number], program.network
    sources = network.sources(number)
    before = [one for one in network.layers if one.name in sources]
    kind = kind_of(layer)
    bins = {f"{kind} after {kind_of(one)}": True for one in before}
    bins["a concatenation"] = layer.concatenates and len(sources) > 1
    if kind != "linear":
        bins |= _map_bins(program, plan, kind)
    if isinstance(layer, Conv):
        bins["conv: groups"] = _in_groups(layer)
        x = layer.window.gather(x).reshape(-1, layer.window.columns)
    if isinstance(layer, Linear):
        bins |= _cluster_bins(program, plan)
    bins = {name: hit for name, hit in bins.items() if hit}
    return bins | _product_bins(program, plan, x) if isinstance(layer, Linear) else bins


def _in_groups(layer: Conv) -> bool:
    """Whether outputs and input channels form groups without weights between them."""
    m, channels, weights = layer.channels, layer.window.channels, layer.weights
    return weights.nnz > 0 and any(
        np.array_equal(weights.rows * size // m, weights.columns % channels * size // channels)
        for size in range(2, np.gcd(m, channels) + 1) if not m % size and not channels % size)


def _cluster_bins(program: Program, plan: TilePlan) -> dict[str, bool]:
    """Bins of how clusters share a layer."""
    positions, clustered = len(plan.part.vectors) * plan.walk.positions, plan.clusters > 1
    return {"clustered": clustered,
            "clustered: positions left over": bool(positions % plan.clusters),
            "clustered: a pixel of several rows": clustered and plan.walk.pixel_rows > 1,
            "clustered: more rows than clusters": clustered and plan.acc_rows > plan.clusters,
            "clustered: several inputs": clustered and program.vectors > 1,
            "clusters, not used": program.config.clusters > plan.clusters}


def _map_bins(program: Program, plan: TilePlan, kind: str) -> dict[str, bool]:
    """Bins of a tile on a map."""
    layer = program.network.layers[plan.layer]
    bins = {f"{kind}: a pixel of several rows": plan.walk.pixel_rows > 1,
            f"{kind}: several inputs": program.vectors > 1}
    if isinstance(layer, (Conv, Pool, Depthwise)):
        window = layer.window
        bins |= {f"{kind}: padding": any(window.pad), f"{kind}: stride": max(window.stride) > 1,
                 f"{kind}: a single position": window.positions == 1,
                 f"{kind}: kernel of the whole map":
                     window.kernel == (window.height, window.width)}
    if layer.is_local:
        bins |= {f"{plan.encoding}: layer": True,
                 f"{kind}: a filler": bool(plan.filler_count.any()),
                 f"{kind}: several parts": len(program.network.source(plan.layer).parts) > 1}
    if isinstance(layer, Pool):
        bins[f"pool: {layer.reduce}"] = True
    if isinstance(layer, Depthwise):
        bins["depthwise: a weight of 0"] = bool((layer.weights.dense() == 0).any())
    if isinstance(layer, Add):
        same = layer.factors[0] == layer.factors[1]
        bins |= {"add: equal weights": same, "add: different weights": not same,
                 "add: a weight of 0": 0 in layer.factors,
                 "add of the input": INPUT in layer.sources}
    return bins


def _product_bins(program: Program, plan: TilePlan, x: np.ndarray) -> dict[str, bool]:
    """Bins of a tile's matrix-vector products, if its layer's are of x int64 [vectors, n]."""
    number = plan.layer
    layer = program.network.layers[number]
    assert isinstance(layer, Linear)
    config, weights = program.config, layer.weights
    entries = encode_entries(weights, config.pes, config.max_run)
    placed = program.network.placed_columns(number, config.pes)
    broadcast = plan.entry_count[:, placed[(x != 0).any(axis=0)]]
    low, high = int_range(config.act_width)
    result = round_shift((x @ weights.dense().T + layer.bias) * layer.multiplier.astype(np.int64),
                         layer.shift)
    non_zero = (x != 0).sum(axis=1)
    rows = set(weights.rows.tolist())
    bins = {
        "layer": True, "empty column": bool((broadcast == 0).any()),
        "filler": bool(plan.filler_count.any()),
        "longest run with a weight": bool(((entries.run == config.max_run)
                                           & ~entries.filler).any()),
        "several vectors": program.vectors > 1, "no weight at all": not len(entries.run),
    }
    return {f"{plan.encoding}: {name}": hit for name, hit in bins.items()} | {
        "saturated high": bool((result > high).any()),
        "saturated low": bool((result < low).any()) and not layer.relu,
        "clamped by relu": bool((result < 0).any()) and layer.relu,
        "shift 0": bool((layer.shift == 0).any()), "shift 62": bool((layer.shift == 62).any()),
        "fewer rows than PEs": layer.channels < config.pes,
        "one input": layer.inputs == 1, "one output": layer.outputs == 1,
        "a negative activation": bool((x < 0).any()),
        "a vector of zeros": bool((non_zero == 0).any()),
        "a vector with a single non-zero": bool((non_zero == 1).any()),
        "an empty row": len(rows) < layer.channels,
        "first and last row": {0, layer.channels - 1} <= rows,
    }


def _huffman_bins(plan: TilePlan, longest: int) -> dict[str, bool]:
    if plan.run_lengths is None:
        return {}
    codes = [np.asarray(lengths)[np.asarray(lengths) > 0]
             for lengths in (plan.run_lengths, plan.code_lengths)]
    lengths = np.concatenate(codes)
    return {"huffman: codeword of 1 bit": bool((lengths == 1).any()),
            "huffman: codeword of max_code_length bits": bool((lengths == longest).any()),
            "huffman: a single symbol": any(len(code) == 1 for code in codes)}


def bins_of(program: Program, x: np.ndarray, run: Run) -> set[str]:
    """The bins that ``program`` on inputs x [batch, n] hits; ``run`` is its verified run."""
    config, plans, used = program.config, program.tiles, words_used(program)
    hits = {
        "queue of one": config.queue_depth == 1, "one bank": config.acc_banks == 1,
        "one PE": config.pes == 1,
        "several layers": len(program.network.layers) > 1,
        **{name: used[field] == getattr(config, field) for field, name in _FULL.items()},
    }
    found = {name for name, hit in hits.items() if hit} | tile_bins(program)
    network, described = program.network, set()
    values = {INPUT: network.check_inputs(x)}
    values |= {layer.name: outputs
               for layer, outputs in zip(network.layers, golden.network(network, x))}
    for plan, tile in zip(plans, run.tiles):
        hits = _huffman_bins(plan, config.max_code_length)
        if plan.pointer_base not in described:          # tiles of one matrix differ in time alone
            described.add(plan.pointer_base)
            hits |= _layer_bins(program, plan, network.read(plan.layer, values))
        if tile.counters is not None:
            hits |= {f"counter {name}": tile.total(name) > 0 for name in COUNTERS}
        found |= {name for name, hit in hits.items() if hit}
    return found
