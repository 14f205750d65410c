# SPDX-License-Identifier: Apache-2.0
"""A board's top level: clock, reset, link, accelerator and LEDs."""
from collections.abc import Callable
from typing import Any

from amaranth import (ClockDomain, ClockSignal, Const, DomainRenamer, Module, ResetSignal, Signal,
                      Value)
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out, connect, flipped

from ..core.array.config import ArrayConfig
from ..core.array.load_port import Fault
from ..hw.accelerator import Accelerator
from ..hw.link.link import Link
from ..hw.pe import PE
from .board import Board
from .identity import identity

__all__ = ["BoardTop"]

#: log2 of the reset's length in cycles: longer than the 3 us until iCE40's block RAM works.
_RESET_BITS = 10
#: log2 of the cycles that an LED stays on at least, so that people can see it.
_BLINK_BITS = 21


class _LocalReset(wiring.Component):
    """A PE with its own reset register: a single one would be far away from most PEs."""
    def __init__(self, pe: wiring.Component) -> None:
        self._pe = pe
        super().__init__(pe.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.pe = ClockDomain("pe", local=True)
        # The array's reset input goes through the same register: one reset inside the PE.
        reset = Signal(init=1)
        m.d.sync += reset.eq(self.reset)
        m.d.comb += [ClockSignal("pe").eq(ClockSignal()), ResetSignal("pe").eq(reset)]
        m.submodules.pe = DomainRenamer("pe")(self._pe)
        for name in self.signature.members:
            if name == "i":
                connect(m, flipped(self.i), self._pe.i)
            elif self.signature.members[name].flow is Out:
                m.d.comb += getattr(self, name).eq(getattr(self._pe, name))
            elif name != "reset":
                m.d.comb += getattr(self._pe, name).eq(getattr(self, name))
        return m


class BoardTop(wiring.Component):
    """Top level of ``board`` with the array ``config``.

    Everything runs on one clock, the PLL's output. Reset lasts until 1024 cycles after the PLL has
    locked; the reset button, if there is one, starts it again. The link can reset the accelerator
    alone; that reset takes effect one cycle later.

    Parameters
    ----------
    pll : if False, the PLL is left out and ``clk`` is the array's clock, for simulators. All else
        is as built, the polarities of the pins included.
    pe : see :class:`openeie.hw.array.PEArray`.

    Members
    -------
    clk, rx, tx, led_* : the board's pins.
    reset : the button's pin, if the board has one.
    """
    def __init__(self, board: Board, config: ArrayConfig | None = None, *, pll: bool = True,
                 pe: Callable[[ArrayConfig], wiring.Component] = PE) -> None:
        self._board = board
        self._config = config or board.config
        self._pll = pll
        self._pe = pe
        super().__init__({port: Out(1) if port == "tx" or port.startswith("led_") else In(1)
                          for port in board.pins})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.domains.core = ClockDomain("core")
        self._reset(m, self._clock(m))
        m.submodules.link = link = Link(identity(self._board, self._config).words(),
                                        divisor=self._board.divisor)
        accelerator = Accelerator(self._config, pe=lambda config: _LocalReset(self._pe(config)))
        m.submodules.accelerator = DomainRenamer("core")(accelerator)
        for name in ("i_load", "i_read", "o_read"):
            connect(m, getattr(link, name), getattr(accelerator, name))

        # Registered, as the main reset is: both have a fan-out of most of the design.
        core_reset = Signal(init=1)
        m.d.sync += core_reset.eq(link.reset)
        m.d.comb += [
            ClockSignal("core").eq(ClockSignal("sync")),
            ResetSignal("core").eq(core_reset),
            link.rx.eq(self._level("rx", self.rx)),
            link.busy.eq(accelerator.busy),
            self.tx.eq(self._level("tx", link.tx)),
        ]
        self._lights(m, accelerator, link)
        return m

    def _level(self, port: str, value: Value) -> Value:
        """``value`` inverted if ``port``'s pin is active low; for inputs and outputs."""
        return ~value if self._board.pins[port].active_low else value

    def _clock(self, m: Module) -> Value:
        """Drive the clock of ``sync``; returns 1 bit, whether that clock is stable."""
        if not self._pll:
            m.d.comb += ClockSignal("sync").eq(self.clk)
            return Const(1)
        clock = Signal()
        locked = Signal()
        m.submodules.pll = self._board.family.pll_instance(self._board, self.clk, clock, locked)
        m.d.comb += ClockSignal("sync").eq(clock)
        return locked

    def _reset(self, m: Module, locked: Value) -> None:
        """Drive the reset of ``sync``. Only this logic relies on its power-up values."""
        m.domains.por = ClockDomain("por", reset_less=True, local=True)
        is_steady = Signal()
        count = Signal(_RESET_BITS + 1)
        reset = Signal(init=1)
        wanted = locked
        if self._board.reset is not None:
            wanted = locked & ~self._level("reset", self.reset)
        m.submodules.steady = FFSynchronizer(wanted, is_steady, o_domain="por")
        m.d.comb += [ClockSignal("por").eq(ClockSignal("sync")), ResetSignal("sync").eq(reset)]
        m.d.por += reset.eq(~count[-1])
        with m.If(~is_steady):
            m.d.por += count.eq(0)
        with m.Elif(~count[-1]):
            m.d.por += count.eq(count + 1)

    def _lights(self, m: Module, accelerator: Accelerator, link: Link) -> None:
        """LEDs for idle, busy (the array or the link is active) and error, long enough to see."""
        blink = Signal(_BLINK_BITS)
        m.d.sync += blink.eq(blink + 1)

        def stretched(event: Value, name: str) -> Signal:
            """On at once; off at the end of the first blink period without an event."""
            lit = Signal(name=name)
            again = Signal(name=f"{name}_again")
            with m.If(event):
                m.d.sync += [lit.eq(1), again.eq(1)]
            with m.Elif(blink == 0):
                m.d.sync += [lit.eq(again), again.eq(0)]
            return lit

        busy = stretched(accelerator.busy | link.active, "busy")
        error = stretched(link.error | (accelerator.fault != Fault.NONE), "error")
        for role, lit in (("idle", ~busy), ("busy", busy), ("error", error)):
            if role in self._board.leds:
                port = f"led_{role}"
                m.d.comb += getattr(self, port).eq(self._level(port, lit))
