# SPDX-License-Identifier: Apache-2.0
"""The array as Verilog: one PE module for all PEs, no power-up values."""
import re

from amaranth import (ClockDomain, ClockSignal, DomainRenamer, Instance, Module, ResetSignal,
                      Signal)
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from ...core.array.config import ArrayConfig
from ...hw.accelerator import Accelerator
from ...hw.emit import to_verilog
from ...hw.pe import PE

__all__ = ["generate", "convert", "SharedPE", "PE_MODULE", "TOP"]

#: Name of the top module.
TOP = "openeie"
#: Name of the module that every PE is an instance of.
PE_MODULE = "openeie_pe"


class SharedPE(PE):
    """A PE that is an instance of the module :data:`PE_MODULE`.

    So Amaranth elaborates, and a compiler compiles, one PE instead of all of them.
    """
    def elaborate(self, platform: object) -> Module:
        ports = {}
        for path, member, value in self.signature.flatten(self):
            direction = "i" if member.flow is wiring.In else "o"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = value
        m = Module()
        m.submodules.pe = Instance(PE_MODULE, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
        return m


class _Top(wiring.Component):
    """The accelerator behind a registered reset.

    Verilator evaluates twice a cycle whatever depends on an input without a register in between.
    The reset reaches every register, so this would be most of the design.
    """
    def __init__(self, config: ArrayConfig) -> None:
        self._accelerator = Accelerator(config, pe=SharedPE)
        super().__init__(self._accelerator.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = DomainRenamer("core")(self._accelerator)
        connect(m, flipped(self), self._accelerator)
        reset = Signal(reset_less=True)
        m.d.sync += reset.eq(ResetSignal())
        m.domains.core = ClockDomain("core")
        m.d.comb += [ClockSignal("core").eq(ClockSignal()), ResetSignal("core").eq(reset)]
        return m


def generate(config: ArrayConfig) -> str:
    """Verilog of the accelerator built from ``config``; its top module is :data:`TOP`.

    The reset is registered: it acts one cycle after ``rst``. Registers and memories have no
    power-up values, so that a simulation can begin in any state and show that the reset alone is
    enough.
    """
    return convert(PE(config), PE_MODULE) + convert(_Top(config), TOP)


def convert(component: wiring.Component, name: str) -> str:
    """Verilog of one component, without power-up values."""
    text = rtlil.convert(component, name=name)
    text = re.sub(r"^ *attribute \\init .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^ *cell \$meminit\S* .*\n(?:.*\n)*?^ *end\n", "", text, flags=re.MULTILINE)
    return to_verilog(text)
