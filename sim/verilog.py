# SPDX-License-Identifier: Apache-2.0
"""The array as Verilog: one PE module for all PEs, no power-up values."""
import re

from amaranth import ClockSignal, Instance, Module, ResetSignal
from amaranth.back import rtlil, verilog
from amaranth.lib import wiring

from ..core.config import ArrayConfig
from ..hw.accelerator import Accelerator
from ..hw.pe import PE

__all__ = ["generate", "convert", "PE_MODULE", "TOP"]

#: Name of the top module.
TOP = "openeie"
#: Name of the module that every PE is an instance of.
PE_MODULE = "openeie_pe"


class _SharedPE(PE):
    """A PE by reference: Amaranth would elaborate, and a compiler compile, each one anew."""
    def elaborate(self, platform):
        ports = {}
        for path, member, value in self.signature.flatten(self):
            direction = "i" if member.flow is wiring.In else "o"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = value
        m = Module()
        m.submodules.pe = Instance(PE_MODULE, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
        return m


def generate(config: ArrayConfig) -> str:
    """Verilog of the accelerator built from ``config``, top module ``openeie``.

    Registers and memories have no power-up values, so that a simulation may start from any
    state and shows that the reset alone is enough.
    """
    return convert(PE(config), PE_MODULE) + convert(Accelerator(config, pe=_SharedPE), TOP)


def convert(component: wiring.Component, name: str) -> str:
    """Verilog of one component, without power-up values."""
    text = rtlil.convert(component, name=name)
    text = re.sub(r"^ *attribute \\init .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^ *cell \$meminit\S* .*\n(?:.*\n)*?^ *end\n", "", text, flags=re.MULTILINE)
    # Amaranth's own second step, public only together with the first.
    return verilog._convert_rtlil_text(text, strip_internal_attrs=True)
