# SPDX-License-Identifier: Apache-2.0
"""Networks and their layers in one line each, and a network as a table.

Nothing is computed here that would take long: a prompt shows these lines without being asked.
"""
import reprlib
from typing import Any

from ..array.config import PRESETS, ArrayConfig
from ..host.table import Table

__all__ = ["short_name", "count_text", "preset_name", "map_texts", "layer_line",
           "network_line", "network_table"]

#: Sizes that a network's line shows at most, and how many of them stand on both sides of dots.
_MOST_SIZES = 6
_FIRST_SIZES = 3
_LAST_SIZES = 2


def short_name(name: str) -> str:
    """A name in quotes, on one line; of a long one the beginning and the end."""
    return reprlib.repr(name)


def count_text(count: int, what: str) -> str:
    """``"1 layer"``, ``"1,000 layers"``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def preset_name(config: ArrayConfig) -> str:
    """The preset that a configuration equals, ``"EIE64"``, or but for its run width, ``"EIE64 with
    run_width 6"``; ``"64 PEs"`` if it equals none."""
    for name, known in PRESETS.items():
        if known == config:
            return name
        if known.replace(run_width=config.run_width) == config:
            return f"{name} with run_width {config.run_width}"
    return count_text(config.pes, "PE")


def map_texts(layer: Any) -> tuple[str, str]:
    """What a layer reads and writes for one input: ``"28x28x1"``, height x width x channels, of a
    layer with a window, otherwise the number of activations."""
    window = getattr(layer, "window", None)
    if window is None:
        return str(layer.inputs), str(layer.outputs)
    return (f"{window.height}x{window.width}x{window.channels}",
            f"{window.out_height}x{window.out_width}x{layer.channels}")


def layer_line(layer: Any) -> str:
    """``<Conv 'conv1', 28x28x1 -> 24x24x20, kernel 5x5, 330 of 500 weights>``, of any layer that
    a network may have."""
    reads, writes = map_texts(layer)
    facts = [f"{type(layer).__name__} {short_name(layer.name)}", f"{reads} -> {writes}"]
    if kernel := _kernel(layer):
        facts.append(f"kernel {kernel}")
    if layer.weight_counts[1]:
        facts.append(_weights(*layer.weight_counts))
    return f"<{', '.join(facts)}>"


def network_line(network: Any) -> str:
    """``<Network 'lenet-300-100', 784 -> 300 -> 100 -> 10, 3 layers, 21,894 of 266,200 weights>``;
    of a network with branches the input and the output alone."""
    facts = [f"Network {short_name(network.name)}", " -> ".join(_sizes(network)),
             count_text(len(network.layers), "layer"), _weights(*_counts(network))]
    return f"<{', '.join(facts)}>"


def network_table(network: Any) -> Table:
    """A row for each layer: what it is, what it reads and writes, and its weights."""
    rows = []
    for layer in network.layers:
        kept, weights = layer.weight_counts
        rows.append((layer.name, type(layer).__name__, *map_texts(layer), _kernel(layer),
                     weights or None, kept if weights else None))
    kept, weights = _counts(network)
    return Table(title=network.name, rows=tuple(rows),
                 columns=("layer", "kind", "input", "output", "kernel", "weights", "stored"),
                 formats=("", "", ">", ">", ">", ",", ","),
                 total=("all", "", "", "", None, weights, kept))


def _sizes(network: Any) -> list[str]:
    """The input's size, and each layer's output; dots for what would make the line long."""
    texts = [map_texts(layer) for layer in network.layers]
    first = texts[0][0]
    last = texts[-1][1]
    if network.branches:
        return [first, "...", last]
    sizes = [first, *(writes for _, writes in texts)]
    if len(sizes) <= _MOST_SIZES:
        return sizes
    return [*sizes[:_FIRST_SIZES], "...", *sizes[-_LAST_SIZES:]]


def _kernel(layer: Any) -> str | None:
    window = getattr(layer, "window", None)
    return None if window is None else "x".join(map(str, window.kernel))


def _counts(network: Any) -> tuple[int, int]:
    """Weights stored, and all of the layers' matrices."""
    counts = [layer.weight_counts for layer in network.layers]
    return sum(kept for kept, _ in counts), sum(weights for _, weights in counts)


def _weights(kept: int, weights: int) -> str:
    return f"{kept:,} of {weights:,} weights"
