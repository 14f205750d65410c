# SPDX-License-Identifier: Apache-2.0
"""Build the boards' default arrays; one JSON object a board, or with ``--markdown`` a table.

    python benchmarks/boards.py [BOARD ...] [--folder build] [--seeds N] [--reuse] [--markdown]

Fmax is the smallest and the largest of the seeds. Cycles of LeNet-300-100 are the mean of
``--images`` MNIST images, by ``fast``; the latency is cycles / clock, and the link's time that of
one image's inputs, launch and outputs on the board's UART. ``--reuse`` takes the report.json in a
folder if it is of the same gateware. Boards are built one after the other: place and route takes
up to 10 minutes and 3 GB.
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
from openeie.sw.data.mnist import demo_images

COLUMNS = ("board", "PEs", "LUT %", "BRAM %", "DSP %", "Fmax MHz", "clock MHz", "cycles",
           "latency us", "link ms")


def report_of(board: Board, folder: Path, seeds: int, reuse: bool) -> dict:
    """The report of a new build, or that of an earlier one of the same gateware."""
    path = folder / board.name / REPORT
    if reuse and path.is_file():
        found = json.loads(path.read_text())
        wanted = {"design": f"{design_digest():016x}", "config": board.config.to_dict(),
                  "clock_hz": board.clock_out_hz, "device": board.device,
                  "package": board.package, "speed": board.speed}
        if wanted.items() <= found.items():
            return found

    def progress(step: int, steps: int, what: str) -> None:
        print(f"{board.name} [{step}/{steps}] {what}", file=sys.stderr)

    return build(board, folder=folder / board.name, seeds=seeds, progress=progress)


def lenet_times(board: Board, images: int) -> tuple[float, float] | tuple[None, None]:
    """Mean cycles of an image, and ms on the link; None if the network does not fit."""
    network = openeie.load(openeie.shipped("lenet-300-100"))
    try:
        program, _ = compile_to_fit(network, board.config)
    except (CapacityError, InputError):
        return None, None
    x = demo_images()[0][:images]
    seconds = sum(link_seconds(board, program, image[None]) for image in x) / len(x)
    return float(fast.run(program, x).cycles.mean()), 1e3 * seconds


def row(board: Board, report: dict, images: int) -> dict:
    """A row of the table."""
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


def cell(value: object) -> str:
    """A cell of the Markdown table."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,}"


def main() -> None:
    """Print the rows."""
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
        if options.markdown:
            print(f"| {' | '.join(map(cell, line.values()))} |", flush=True)
        else:
            print(json.dumps(line), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    with one_line_errors():
        main()
