# SPDX-License-Identifier: Apache-2.0
"""Builds the boards' default arrays and prints one JSON object each; ``--markdown`` a table.

    python benchmarks/boards.py [BOARD ...] [--folder build] [--seeds N] [--reuse] [--markdown]

Fmax is the least and the largest of the seeds. Cycles of LeNet-300-100 are the mean of ``--images``
MNIST images, by ``fast``; the latency is cycles / clock, and the link's time what one image's
inputs, start and outputs take on the board's UART. ``--reuse`` takes a folder's report.json where
it is of this very gateware. Builds are one after another: a place-and-route needs up to 10 minutes
and 3 GB.
"""
import argparse
import inspect
import json
import sys
from pathlib import Path

import openeie
from openeie.boards import BOARDS, board as find_board
from openeie.boards.board import Board
from openeie.boards.build import REPORT, build
from openeie.boards.fit import compile_to_fit
from openeie.boards.identity import design_digest
from openeie.boards.link_time import link_seconds
from openeie.cli.common import one_line_errors
from openeie.core.errors import CapacityError, InputError, OpenEIEError
from openeie.sim.fast import fast
from openeie.sw.data.mnist import demo_pictures

COLUMNS = ("board", "PEs", "LUT %", "BRAM %", "DSP %", "Fmax MHz", "clock MHz", "cycles",
           "latency us", "link ms")


def report_of(board: Board, folder: Path, seeds: int, reuse: bool) -> dict:
    """The board's report: built now, or left by an earlier build of the same gateware."""
    path = folder / board.name / REPORT
    if reuse and path.is_file():
        found = json.loads(path.read_text())
        if found["design"] == f"{design_digest():016x}" \
                and found["config"] == board.config.to_dict() \
                and found["clock_hz"] == board.clock_out_hz \
                and [found[name] for name in ("device", "package", "speed")] \
                == [board.device, board.package, board.speed]:
            return found
    return build(board, folder=folder / board.name, seeds=seeds, progress=lambda step, steps, what:
                 print(f"{board.name} [{step}/{steps}] {what}", file=sys.stderr))


def lenet_times(board: Board, images: int) -> tuple[float, float] | tuple[None, None]:
    """Mean cycles of an image and ms on the link, or None where the network does not fit."""
    network = openeie.load(openeie.shipped("lenet-300-100"))
    try:
        program, _ = compile_to_fit(network, board.config)
    except (CapacityError, InputError):
        return None, None
    x = demo_pictures()[0][:images]
    seconds = sum(link_seconds(board, program, image[None]) for image in x) / len(x)
    return float(fast.run(program, x).cycles.mean()), 1e3 * seconds


def row(board: Board, report: dict, images: int) -> dict:
    """One line of the table."""
    def percent(name: str) -> int | None:
        use = report["resources"][name]
        return round(100 * use["used"] / use["available"]) if use["available"] else None
    cycles, link_ms = lenet_times(board, images)
    reached = [report["seeds"][seed] for seed in sorted(report["seeds"])]
    return dict(zip(COLUMNS, (
        board.name, report["config"]["pes"], percent("LUT"), percent("BRAM"), percent("DSP"),
        f"{min(reached)} to {max(reached)}", report["target_mhz"], cycles and round(cycles, 1),
        cycles and round(cycles / report["target_mhz"], 1), link_ms and round(link_ms, 1)),
        strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("boards", nargs="*", help="default: all")
    parser.add_argument("--folder", type=Path, default=Path("build"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--reuse", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    if options.markdown:
        print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    failed = False
    for board in [find_board(name) for name in options.boards or BOARDS]:
        try:
            line = row(board, report_of(board, options.folder, options.seeds, options.reuse),
                       options.images)
        except OpenEIEError as error:
            print(f"{board.name}: {error}", file=sys.stderr)
            failed = True
            continue
        print("| " + " | ".join("-" if value is None else f"{value:,}"
                                if not isinstance(value, str) else value
                                for value in line.values()) + " |"
              if options.markdown else json.dumps(line), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    with one_line_errors():
        main()
