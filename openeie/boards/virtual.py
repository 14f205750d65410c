# SPDX-License-Identifier: Apache-2.0
"""The virtual board: a board's top level in Verilator, behind a pseudo-terminal."""
import ctypes
import os
import select
import threading
import tty
from pathlib import Path
from types import TracebackType
from typing import Any

from amaranth import Module
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..core.array.config import ArrayConfig
from ..hw.emit import to_verilog
from ..sim.rtl.library import BYTES, INT, POINTER, U32, U64, load_library
from ..sim.rtl.toolchain import build_library, cached_build
from ..sim.rtl.verilog import PE_MODULE, SharedPE, convert
from .board import LED_ROLES, Board
from .netlist import netlist
from .top import BoardTop

__all__ = ["VirtualBoard", "Terminal", "compile_board"]

_HERE = Path(__file__).parent
_TOP = "board"
#: Cycles simulated between two looks at the terminal. Few, as bytes wait until the next look.
_BURST = 2_000
#: Bursts without traffic after which the simulation slows down, to save processor time.
_AWAKE = 500
# Functions of virtual.cpp: the type of the result, then of the arguments.
_FUNCTIONS = {
    "new": (POINTER, U32, INT), "delete": (None, POINTER), "send": (None, POINTER, BYTES, U64),
    "pending": (U64, POINTER), "leds": (U32, POINTER), "step": (U64, POINTER, U64, BYTES, U64)}


class _Pins(wiring.Component):
    """A board's top level behind pins that are the same for all boards; no button is pressed."""
    def __init__(self, board: Board, config: ArrayConfig) -> None:
        self._board = board
        self._config = config
        super().__init__({"clk": In(1), "rx": In(1), "tx": Out(1), "leds": Out(len(LED_ROLES))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.top = top = BoardTop(self._board, self._config, pll=False, pe=SharedPE)
        pins = self._board.pins
        m.d.comb += [top.clk.eq(self.clk), top.rx.eq(self.rx), self.tx.eq(top.tx)]
        if "reset" in pins:
            m.d.comb += top.reset.eq(pins["reset"].active_low)
        for number, role in enumerate(LED_ROLES):
            if (name := f"led_{role}") in pins:
                m.d.comb += self.leds[number].eq(getattr(top, name) ^ pins[name].active_low)
        return m


def compile_board(board: Board, config: ArrayConfig, *, below_rtl: bool = False) -> Path:
    """The shared library that simulates ``board`` with ``config``; taken from the cache if there.

    The PLL is left out. All else is as built, the UART's divisor and the reset's length included,
    except memories in SPRAMs and registers inside multipliers, which only a netlist has. Memories
    have random contents at first.

    Parameters
    ----------
    below_rtl : simulate the netlist after synthesis (:mod:`openeie.boards.netlist`).

    Raises
    ------
    ToolError : Verilator or the C++ compiler is missing or failed.
    """
    harness = _HERE / "virtual.cpp"
    if below_rtl:
        description = netlist(board, config) + _pins_verilog(board)
    else:
        from ..hw.pe import PE
        # Registers have their power-up values, as set by the chip's configuration.
        description = convert(PE(config), PE_MODULE) + to_verilog(
            rtlil.convert(_Pins(board, config), name=_TOP, emit_src=False))

    def make(folder: Path) -> None:
        # -O2 takes minutes longer for a netlist, more than it saves in a regression.
        build_library(folder, description, harness, top=_TOP, trace=False,
                      shared=None if below_rtl else PE_MODULE, level="-O1" if below_rtl else "-O2")

    return cached_build("\0".join(["board", description, harness.read_text()]), make)


def _pins_verilog(board: Board) -> str:
    """The module of :class:`_Pins` around a synthesised top level."""
    pins = board.pins
    ports = [".clk(clk)", ".rx(rx)", ".tx(tx)"]
    if "reset" in pins:
        ports.append(f".reset(1'd{int(pins['reset'].active_low)})")
    leds = {role: f"leds[{number}]" for number, role in enumerate(LED_ROLES)}
    lines = [f"wire led_{role};" for role in leds]
    for role, bit in leds.items():
        pin = pins.get(f"led_{role}")
        value = "1'd0"
        if pin is not None:
            ports.append(f".led_{role}(led_{role})")
            value = f"{'~' if pin.active_low else ''}led_{role}"
        lines.append(f"assign {bit} = {value};")
    return "\n".join([f"module {_TOP}(input clk, rx, output tx, output [{len(leds) - 1}:0] leds);",
                      *lines, f"top top({', '.join(ports)});", "endmodule", ""])


class VirtualBoard:
    """One simulated board; use it as a context manager.

    Parameters
    ----------
    board : the board to simulate.
    config : its array; None takes the board's default.
    seed : seed of the memories' random initial contents.
    below_rtl : simulate the netlist after synthesis instead of the RTL.

    Attributes
    ----------
    cycles : cycles simulated so far.
    """
    def __init__(self, board: Board, config: ArrayConfig | None = None, *, seed: int = 1,
                 below_rtl: bool = False) -> None:
        self.board = board
        self.config = config or board.config
        self._library = load_library(
            compile_board(board, self.config, below_rtl=below_rtl), _FUNCTIONS)
        self._handle = POINTER(self._library.openeie_new(board.divisor, seed))
        self.cycles = 0

    def __enter__(self) -> "VirtualBoard":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 where: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the simulation."""
        if self._handle:
            self._library.openeie_delete(self._handle)
            self._handle = POINTER()

    def send(self, data: bytes) -> None:
        """Queue bytes for the board's receiver; :meth:`step` sends them at the baud rate."""
        self._library.openeie_send(self._handle, data, len(data))

    @property
    def pending(self) -> int:
        """Number of queued bytes that have not been sent yet."""
        return self._library.openeie_pending(self._handle)

    @property
    def leds(self) -> dict[str, bool]:
        """State of the LEDs by role; True is on."""
        bits = self._library.openeie_leds(self._handle)
        return {role: bool(bits >> number & 1) for number, role in enumerate(LED_ROLES)}

    def step(self, cycles: int) -> bytes:
        """Simulate ``cycles`` cycles; returns the bytes that the board sent."""
        sent = ctypes.create_string_buffer(cycles)          # each byte takes more than one cycle
        count = self._library.openeie_step(self._handle, cycles, sent, len(sent))
        self.cycles += cycles
        return sent.raw[:count]


class Terminal:
    """A pseudo-terminal with a virtual board at its other end; ``url`` opens like any port.

    Within the context, a thread simulates the board.
    """
    def __init__(self, board: VirtualBoard) -> None:
        self._board = board
        self._ours, self._theirs = os.openpty()     # theirs stays open between two hosts
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """Name of the terminal's device file."""
        return os.ttyname(self._theirs)

    def __enter__(self) -> "Terminal":
        self._thread = threading.Thread(target=self._guarded, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 where: TracebackType | None) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def wait(self) -> None:
        """Wait for the thread, which runs until an error; raises that error."""
        assert self._thread is not None
        while self._thread.is_alive():
            self._thread.join(0.2)
        if self._failure is not None:
            raise self._failure

    def _guarded(self) -> None:
        try:
            self.serve()
        except BaseException as error:
            self._failure = error

    def serve(self) -> None:
        """Simulate and pass bytes in both directions, until the context ends."""
        quiet = 0
        outgoing = b""
        while not self._stop.is_set():
            ready, _, _ = select.select([self._ours], [], [], 0.02 if quiet > _AWAKE else 0)
            if ready:
                self._board.send(os.read(self._ours, 4096))
                quiet = 0
            outgoing += self._board.step(_BURST)
            quiet = 0 if outgoing or self._board.pending else quiet + 1
            if outgoing:
                try:
                    outgoing = outgoing[os.write(self._ours, outgoing):]
                except BlockingIOError:             # nobody reads: the bytes are lost, as on a UART
                    outgoing = b""
