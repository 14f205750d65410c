# SPDX-License-Identifier: Apache-2.0
"""The array's Verilog rewritten for speed: the same registers and values, less work a cycle.

:mod:`~openeie.sim.rtl.rewrite` has the steps. No output of the array differs in any cycle, and all
of its memories are the same (``tests/sim/rtl/test_quick.py`` compares both forms). A waveform shows
the Verilog as it was converted.
"""
from ...core.array.config import ENCODINGS
from .rewrite import (Module, asleep, both_edges, common_inputs, connections, copy_of, followers,
                      in_place, instance_of, inward, only_if, parse, tell)

__all__ = ["quicken"]


def quicken(verilog: str, pe: str, top: str) -> str:
    """The Verilog of an array whose PEs are instances of the module ``pe``, rewritten.

    Raises
    ------
    ToolError : the Verilog has not the signals that this relies on.
    """
    modules = {module.name: module for module in parse(verilog)}
    array = f"{top}.accelerator.array"
    blocks = f"{pe}.blocks"
    load_en, load = _load_ports(modules, pe)
    loaded = followers(modules[blocks], [load_en, load, "reset", "rst"])
    layer, running = (copy_of(modules[pe], name) for name in ("layer", "running"))
    for module in modules.values():
        in_place(module, {layer, *loaded})
    # No descriptor is fetched while a layer runs, so its copy does not change.
    asleep(modules[pe], f"~({running} & running)", [layer])
    _sleeping_load(modules[blocks], loaded, load_en)
    _sleeping_writeback(modules, blocks)
    if f"{blocks}.entries.decoder" in modules:
        only_if(modules[f"{blocks}.entries.decoder"], "used")
        is_huffman = f"layer[1:0] == 2'd{ENCODINGS.index('huffman')}"
        tell(modules, f"{blocks}.entries", "decoder", "used", is_huffman)
    common_inputs(modules, pe, array, array)
    for module in modules.values():
        both_edges(module, f"{top}.clk")
    return "".join(module.text for module in modules.values())


def _load_ports(modules: dict[str, Module], pe: str) -> tuple[str, str]:
    """What the blocks of a PE call the load port: whether there is a word, and the word."""
    ports = {value: port for port, value
             in connections(instance_of(modules[pe], f"{pe}.blocks")).items()}
    return ports["load_en"], ports["load"]


def _sleeping_load(blocks: Module, loaded: set[str], load_en: str) -> None:
    """The registers of the load port wake with a word, for as long as it takes to a memory."""
    asleep(blocks, "load_awake", loaded)
    _stay_awake(blocks, "load", f"{load_en} | reset | rst")


def _sleeping_writeback(modules: dict[str, Module], blocks: str) -> None:
    """Writeback and requantisation sleep while a layer runs and none of its rows is on its way.

    All of their registers then either keep their values, or have ones that no row uses: a row's
    own first cycles set them.
    """
    # While no layer runs, a descriptor's fields arrive.
    tell(modules, blocks, "writeback", "layer_runs", "running")
    writeback = modules[f"{blocks}.writeback"]
    tell(modules, f"{blocks}.writeback", "requantise", "row_awake", "row_awake")
    asleep(writeback, "row_awake")
    inward(writeback, "phase")
    asleep(modules[f"{blocks}.writeback.requantise"], "row_awake")
    inward(modules[f"{blocks}.writeback.requantise"], "running")
    _stay_awake(writeback, "row", "~layer_runs | layer_start | vector_start | read_en | writing "
                                  "| reset | rst")


def _stay_awake(module: Module, name: str, cause: str) -> None:
    """A signal ``name_awake``, set with ``cause`` and for three cycles afterwards."""
    module.items.extend([
        f"  reg [1:0] {name}_left;",
        f"  wire {name}_cause = {cause};",
        f"  wire {name}_awake = {name}_cause | ({name}_left != 0);",
        f"  always @(posedge clk)\n    if ({name}_cause)\n      {name}_left <= 3;\n"
        f"    else if ({name}_left != 0)\n      {name}_left <= {name}_left - 1;"])
