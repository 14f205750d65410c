# SPDX-License-Identifier: Apache-2.0
"""Corner bins: which corners of the array a verified program has been in."""
import numpy as np

from ..core.config import ENCODINGS
from ..core.counters import COUNTERS
from ..core.encoding import encode_entries
from ..core.fixed import int_range, round_shift
from ..core.graph import INPUT, Conv, Linear, Pool
from ..core.program import LayerPlan, Program
from ..core.run import Run

__all__ = ["BINS", "bins_of"]

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
    "an empty row", "first and last row", "entry memory full", "pointer memory full",
    "activation memory full", "accumulators full", "channel memory full", "several layers",
    "conv: padding", "conv: stride", "conv: a pixel of several rows", "conv: a single position",
    "conv: kernel of the whole map", "conv: several inputs", "conv after conv", "conv after pool",
    "pool: max", "pool: sum", "pool: padding", "pool: stride", "pool: a pixel of several rows",
    "pool: a single position", "pool: kernel of the whole map", "pool: several inputs",
    "pool: a filler", "pool after conv", "pool after pool", "linear after conv",
    "linear after pool", "a concatenation", "a pool of a concatenation",
    "clustered", "clustered: positions left over", "clustered: a pixel of several rows",
    "clustered: more rows than clusters", "clustered: several inputs", "clusters, not used",
)


def _layer_bins(program: Program, number: int, x: np.ndarray) -> dict[str, bool]:
    """Bins of one layer with inputs x int64 [batch, n]."""
    plan, layer = program.layers[number], program.network.layers[number]
    window, network = getattr(layer, "window", None), program.network
    before = next((one for one in network.layers if one.name == network.sources(number)[0]), None)
    kind = "pool" if isinstance(layer, Pool) else "conv"
    bins = {} if window is None else {
        f"{kind}: padding": any(window.pad), f"{kind}: stride": max(window.stride) > 1,
        f"{kind}: a pixel of several rows": plan.walk.pixel_rows > 1,
        f"{kind}: a single position": window.positions == 1,
        f"{kind}: kernel of the whole map": window.kernel == (window.height, window.width),
        f"{kind}: several inputs": program.vectors > 1,
        f"{kind} after conv": isinstance(before, Conv),
        f"{kind} after pool": isinstance(before, Pool)}
    bins["a concatenation"] = len(network.sources(number)) > 1
    bins["a pool of a concatenation"] = bins["a concatenation"] and isinstance(layer, Pool)
    if isinstance(layer, Pool):
        bins |= {f"pool: {layer.reduce}": True, f"{plan.encoding}: layer": True,
                 "pool: a filler": bool(plan.filler_count.any())}
        return {name: hit for name, hit in bins.items() if hit}
    positions, clustered = program.vectors * plan.walk.positions, plan.clusters > 1
    bins |= {"clustered": clustered,
             "clustered: positions left over": bool(positions % plan.clusters),
             "clustered: a pixel of several rows": clustered and plan.walk.pixel_rows > 1,
             "clustered: more rows than clusters": clustered and plan.dst_rows > plan.clusters,
             "clustered: several inputs": clustered and program.vectors > 1,
             "clusters, not used": program.config.clusters > plan.clusters}
    bins["linear after pool"] = window is None and isinstance(before, Pool)
    bins["linear after conv"] = window is None and isinstance(before, Conv)
    if window is not None:
        x = window.gather(x).reshape(-1, window.columns)
    return {name: hit for name, hit in bins.items() if hit} | _product_bins(program, number, x)


def _product_bins(program: Program, number: int, x: np.ndarray) -> dict[str, bool]:
    """Bins of one layer's matrix-vector products, of x int64 [vectors, n]."""
    plan, layer = program.layers[number], program.network.layers[number]
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


def _huffman_bins(plan: LayerPlan, longest: int) -> dict[str, bool]:
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
    config, plans = program.config, program.layers
    hits = {
        "queue of one": config.queue_depth == 1, "one bank": config.acc_banks == 1,
        "one PE": config.pes == 1,
        "several layers": len(plans) > 1,
        "entry memory full": program.entries.shape[1] == config.entry_depth,
        "pointer memory full": program.pointers.shape[1] == config.pointer_depth,
        "channel memory full": program.channels.shape[1] == config.channel_depth,
        "activation memory full": program.act_depth == config.act_depth,
        "accumulators full": max(plan.dst_rows for plan in plans) == config.acc_depth,
    }
    found = {name for name, hit in hits.items() if hit}
    values = {INPUT: program.network.check_inputs(x)}
    for number, (plan, layer) in enumerate(zip(plans, run.layers)):
        acts = program.network.read(number, values)
        hits = _layer_bins(program, number, acts) | _huffman_bins(plan, config.max_code_length)
        if layer.counters is not None:
            hits |= {f"counter {name}": layer.total(name) > 0 for name in COUNTERS}
        found |= {name for name, hit in hits.items() if hit}
        values[layer.name] = layer.outputs
    return found
