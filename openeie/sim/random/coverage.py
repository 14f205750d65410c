# SPDX-License-Identifier: Apache-2.0
"""Corner bins: which corner cases of the array a program covers."""
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

#: All bins. ``openeie verify --random`` reports those that stayed empty.
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
    """Bins of a tile whose layer read x int64 [batch, n]."""
    network = program.network
    layer = network.layers[plan.layer]
    sources = network.sources(plan.layer)
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
        bins |= _cluster_bins(program, plan) | _weight_bins(program, plan, x)
        bins |= _output_bins(program, plan, x)
    return bins


def _in_groups(layer: Conv) -> bool:
    """Whether outputs and input channels form groups without weights between them."""
    m, channels, weights = layer.channels, layer.window.channels, layer.weights
    if not weights.nnz:
        return False
    for size in range(2, np.gcd(m, channels) + 1):
        if m % size == 0 and channels % size == 0:
            group_of_row = weights.rows * size // m
            group_of_column = weights.columns % channels * size // channels
            if np.array_equal(group_of_row, group_of_column):
                return True
    return False


def _cluster_bins(program: Program, plan: TilePlan) -> dict[str, bool]:
    """Bins of how clusters share a layer."""
    positions = len(plan.part.vectors) * plan.walk.positions
    clustered = plan.clusters > 1
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


def _weight_bins(program: Program, plan: TilePlan, x: np.ndarray) -> dict[str, bool]:
    """Bins of a tile's entries; its products take x int64 [vectors, n]."""
    layer = program.network.layers[plan.layer]
    assert isinstance(layer, Linear)
    config = program.config
    entries = encode_entries(layer.weights, config.pes, config.max_run)
    placed = program.network.placed_columns(plan.layer, config.pes)
    broadcast = plan.entry_count[:, placed[(x != 0).any(axis=0)]]
    longest = (entries.run == config.max_run) & ~entries.filler
    bins = {
        "layer": True,
        "empty column": bool((broadcast == 0).any()),
        "filler": bool(plan.filler_count.any()),
        "longest run with a weight": bool(longest.any()),
        "several vectors": program.vectors > 1,
        "no weight at all": not len(entries.run),
    }
    return {f"{plan.encoding}: {name}": hit for name, hit in bins.items()}


def _output_bins(program: Program, plan: TilePlan, x: np.ndarray) -> dict[str, bool]:
    """Bins of a layer's inputs and outputs; its products take x int64 [vectors, n]."""
    layer = program.network.layers[plan.layer]
    assert isinstance(layer, Linear)
    low, high = int_range(program.config.act_width)
    sums = x @ layer.weights.dense().T + layer.bias
    result = round_shift(sums * layer.multiplier.astype(np.int64), layer.shift)
    non_zero = (x != 0).sum(axis=1)
    rows = set(layer.weights.rows.tolist())
    return {
        "saturated high": bool((result > high).any()),
        "saturated low": bool((result < low).any()) and not layer.relu,
        "clamped by relu": bool((result < 0).any()) and layer.relu,
        "shift 0": bool((layer.shift == 0).any()),
        "shift 62": bool((layer.shift == 62).any()),
        "fewer rows than PEs": layer.channels < program.config.pes,
        "one input": layer.inputs == 1,
        "one output": layer.outputs == 1,
        "a negative activation": bool((x < 0).any()),
        "a vector of zeros": bool((non_zero == 0).any()),
        "a vector with a single non-zero": bool((non_zero == 1).any()),
        "an empty row": len(rows) < layer.channels,
        "first and last row": {0, layer.channels - 1} <= rows,
    }


def _huffman_bins(plan: TilePlan, longest: int) -> dict[str, bool]:
    """Bins of a tile's codewords; ``longest``: the most bits that the array decodes."""
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
    config, network = program.config, program.network
    used = words_used(program)
    hits = {
        "queue of one": config.queue_depth == 1,
        "one bank": config.acc_banks == 1,
        "one PE": config.pes == 1,
        "several layers": len(network.layers) > 1,
        **{name: used[field] == getattr(config, field) for field, name in _FULL.items()},
    }
    found = {name for name, hit in hits.items() if hit} | tile_bins(program)
    values = {INPUT: network.check_inputs(x)}
    for layer, outputs in zip(network.layers, golden.network(network, x)):
        values[layer.name] = outputs
    described = set()
    for plan, tile in zip(program.tiles, run.tiles):
        hits = _huffman_bins(plan, config.max_code_length)
        if plan.pointer_base not in described:          # tiles of a matrix differ only in time
            described.add(plan.pointer_base)
            hits |= _layer_bins(program, plan, network.read(plan.layer, values))
        if tile.counters is not None:
            hits |= {f"counter {name}": tile.total(name) > 0 for name in COUNTERS}
        found |= {name for name, hit in hits.items() if hit}
    return found
