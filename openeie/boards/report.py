# SPDX-License-Identifier: Apache-2.0
"""Reads what the tools' logs and reports say about a build."""
import math
import re
from pathlib import Path
from typing import Any

from ..core.errors import CapacityError, ToolError, UntrustedError
from ..core.host.untrusted import TOOLS, parse_json, read_json
from .board import Board
from .chip import RESOURCE_NAMES
from .verilog import Gateware

__all__ = ["synthesised_cells", "memory_mapping", "check_memories", "check_multipliers",
           "utilisation", "refuse_placement", "timing"]

_UTILISATION = re.compile(r"^Info:\s+(\S+):\s+(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
_MAPPED = re.compile(r"^mapping memory top\.(\S+) via (\S+)", re.MULTILINE)
_FLIP_FLOPS = re.compile(r"^using FF mapping for memory top\.(\S+)", re.MULTILINE)
#: Longer cell names are cut off: synthesis builds them by joining other names.
_NAME_LENGTH = 96


def synthesised_cells(folder: Path) -> dict[str, int]:
    """Number of cells of each kind after synthesis, from ``stat.json``.

    Raises
    ------
    ToolError : the file is missing or has no such numbers.
    """
    try:
        design = read_json(folder / "stat.json", TOOLS)["design"]
        return dict(sorted(design["num_cells_by_type"].items()))
    except (UntrustedError, LookupError, TypeError, AttributeError) as error:
        raise ToolError(f"synthesis wrote no statistics that can be read: {error}") from error


def memory_mapping(log: str) -> dict[str, str]:
    """What synthesis made of each memory: the name of a RAM cell, or ``FF``."""
    return dict(_MAPPED.findall(log)) | dict.fromkeys(_FLIP_FLOPS.findall(log), "FF")


def check_memories(board: Board, gateware: Gateware, mapping: dict[str, str]) -> None:
    """Check that no large memory has become logic.

    Raises
    ------
    ToolError : some have; the message names them.
    """
    lost = [f"{name} ({bits} bits) as {mapping.get(name, 'nothing')}"
            for name, bits in sorted(gateware.memories.items())
            if bits >= board.family.logic_bits
            and mapping.get(name) not in board.family.ram_cells]
    if lost:
        raise ToolError(f"memories of {board.family.logic_bits} bits or more must be block RAM "
                        f"on {board.name}, but synthesis made {'; '.join(lost)}; see synth.log")


def check_multipliers(board: Board, resources: dict) -> None:
    """Check that the build has the DSP multipliers and block RAMs that the array needs.

    Raises
    ------
    ToolError : there are too few; the message has the numbers.
    """
    config = board.config
    rams = resources["BRAM"]["used"] + resources["SPRAM"]["used"]
    for what, found, expected in (
            ("DSP multipliers", resources["DSP"]["used"], board.expected_multipliers(config)),
            ("block RAMs", rams, board.expected_memories(config))):
        if found < expected:
            raise ToolError(f"{board.name} with {config.pes} PEs must have at least {expected} "
                            f"{what}, but the build has {found}: the others have become logic; "
                            f"see synth.log")


def utilisation(board: Board, log: str, cells: dict[str, int]) -> dict[str, dict[str, int]]:
    """Used and available per resource: nextpnr's count, flip-flops as synthesis left them."""
    counts = {name: int(used) for name, used, _ in _UTILISATION.findall(log)}
    result = {}
    for name in RESOURCE_NAMES:
        taken = sum(counts.get(cell, 0) * share
                    for cell, share in board.family.used.get(name, {}).items())
        result[name] = {"used": math.ceil(taken), "available": board.resources.to_dict()[name]}
    result["FF"]["used"] = sum(number for cell, number in cells.items()
                               if cell.startswith(board.family.ff_cells))
    return result


def refuse_placement(board: Board, log: str, cells: dict[str, int]) -> None:
    """Raise the error that says why place and route failed.

    Raises
    ------
    CapacityError : the design is too large; the message has used and available numbers.
    ToolError : any other reason, in nextpnr's own words.
    """
    errors = [line for line in log.splitlines() if line.startswith("ERROR")]
    words = "; ".join(errors[:2]) or "no error message"
    resources = utilisation(board, log, cells)
    over = [name for name, use in resources.items() if use["used"] > use["available"]]
    if over or re.search(r"no B[Ee][Ll]s remaining|[Uu]nable to (find|place)|[Ff]ailed to place",
                         words):
        numbers = ", ".join(f"{name} {use['used']} of {use['available']}"
                            for name, use in resources.items() if use["used"])
        raise CapacityError(f"{board.config.pes} PEs do not fit {board.name}: {numbers}"
                            f" ({words}); use fewer PEs or smaller memories")
    raise ToolError(f"place and route for {board.name} failed: {words}; see its log")


def timing(gateware: Gateware, text: str) -> tuple[dict[str, dict], dict]:
    """Fmax and target of each clock in MHz, and the longest path between two registers.

    The path has its delay in ns, the delay in each block that it crosses, and all its steps.

    Raises
    ------
    ToolError : nextpnr's report cannot be read, or has no clock.
    """
    try:
        report = parse_json(text, "place and route's report", TOOLS)
    except UntrustedError as error:
        raise ToolError(str(error)) from error
    clocks = {_clock(net): {"fmax_mhz": round(fmax["achieved"], 2),
                            "target_mhz": round(fmax["constraint"], 2)}
              for net, fmax in sorted(report["fmax"].items())}
    inside = [path for path in report["critical_paths"]
              if path["from"].startswith("posedge") and path["to"].startswith("posedge")]
    if not clocks or not inside:
        raise ToolError("place and route reported no clock: the design has been optimised away")
    worst = max(inside, key=lambda path: sum(step["delay"] for step in path["path"]))
    return clocks, _critical_path(gateware, worst["path"])


def _clock(net: str) -> str:
    """Name of a clock: the last part of its net, such as ``core_clk``."""
    return net.removeprefix("$glbnet$").rpartition(".")[2]


def _critical_path(gateware: Gateware, path: list[dict]) -> dict:
    steps: list[dict[str, Any]] = []
    blocks: list[dict[str, Any]] = []
    for step in path:
        where = step["to"] if step["type"] == "routing" else step["from"]
        block = gateware.block_of(where["cell"])
        steps.append({"type": step["type"], "block": block, "cell": where["cell"][:_NAME_LENGTH],
                      "port": where["port"], "delay_ns": round(step["delay"], 3)})
        if not blocks or blocks[-1]["block"] != block:
            blocks.append({"block": block, "steps": 0, "delay_ns": 0.0})
        blocks[-1]["steps"] += 1
        blocks[-1]["delay_ns"] = round(blocks[-1]["delay_ns"] + step["delay"], 3)
    return {"delay_ns": round(sum(step["delay"] for step in path), 3), "blocks": blocks,
            "steps": steps}
