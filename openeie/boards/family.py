# SPDX-License-Identifier: Apache-2.0
"""The interface of an FPGA family, as the build flow uses it."""
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Protocol

from .chip import Pin, Resources
from .pll import Pll, PllLimits, best_pll

if TYPE_CHECKING:
    from amaranth import Instance, Signal, Value

__all__ = ["Family", "BoardLike", "Command"]

#: A tool's name and its arguments. All paths are relative to the build folder.
Command = tuple[str, list[str]]


class BoardLike(Protocol):
    """What a family reads of a board; :class:`openeie.boards.board.Board` documents each."""
    @property
    def device(self) -> str: ...
    @property
    def package(self) -> str: ...
    @property
    def speed(self) -> str: ...
    @property
    def clock_hz(self) -> int: ...
    @property
    def pll(self) -> Pll: ...
    @property
    def pll_pad(self) -> bool: ...
    @property
    def pins(self) -> dict[str, Pin]: ...
    @property
    def resources(self) -> Resources: ...
    @property
    def synthesis(self) -> tuple[str, ...]: ...
    @property
    def place(self) -> tuple[str, ...]: ...
    @property
    def lut_memories(self) -> tuple[str, ...]: ...


class Family(ABC):
    """One FPGA family: its primitives, constraint file and tools. Instances have no state.

    Attributes
    ----------
    name : short name, used in messages and for the cell models' file.
    limits : frequency and divider limits of the family's PLL.
    bram_bits, spram_bits : capacity of one block RAM and of one large RAM, bits.
    logic_bits : a memory of at least this many bits must not become LUTs or flip-flops.
    constraints_name, bitstream_name : file names in the build folder.
    routed_suffix : of the file with the routed design, which is ``seed-N`` and this.
    used : for each resource, nextpnr's cell names and how much of the resource one cell takes.
    ff_cells : prefixes of yosys' flip-flop cell names.
    cell_models : file with yosys' simulation models of the cells, below its folder of shared
        files; empty if there are none.
    ram_cells : names of block RAM and large RAM in the log of yosys' memory mapper.
    """
    name: ClassVar[str]
    limits: ClassVar[PllLimits]
    bram_bits: ClassVar[int]
    spram_bits: ClassVar[int] = 0
    logic_bits: ClassVar[int] = 4096
    constraints_name: ClassVar[str]
    bitstream_name: ClassVar[str]
    routed_suffix: ClassVar[str]
    used: ClassVar[dict[str, dict[str, float]]]
    ff_cells: ClassVar[tuple[str, ...]]
    ram_cells: ClassVar[tuple[str, ...]]
    cell_models: ClassVar[str] = ""

    def pll(self, input_hz: float, wanted_hz: float) -> Pll:
        """The PLL setting for a wanted core clock.

        Raises
        ------
        ConfigError : the PLL cannot make that clock.
        """
        return best_pll(self.limits, input_hz, wanted_hz)

    @abstractmethod
    def pll_instance(self, board: BoardLike, clk: "Value", out: "Value",
                     locked: "Value") -> "Instance":
        """The PLL primitive, from the clock pin ``clk`` to ``out``; ``locked`` is its lock."""

    def registered_product(self, a: "Value", b: "Value", product: "Signal") -> "Instance | None":
        """A multiplier with an output register: ``product`` = ``a * b`` one cycle later.

        None where synthesis infers the register by itself; see :mod:`openeie.hw.multiplier`.
        """
        return None

    @abstractmethod
    def constraints(self, board: BoardLike) -> str:
        """Text of the constraint file, which ties every top-level port to its pin."""

    @abstractmethod
    def synthesis(self, board: BoardLike) -> str:
        """Yosys' ``synth_*`` command, which writes ``top.json``."""

    @abstractmethod
    def place(self, board: BoardLike, seed: int) -> Command:
        """Place and route ``top.json``; writes ``seed-N.json`` (report) and the routed design."""

    @abstractmethod
    def pack(self, board: BoardLike, seed: int, output: str) -> Command:
        """Pack the routed design of ``seed`` into the bitstream file ``output``."""

    def routed_name(self, seed: int) -> str:
        """Name of the file with the routed design of a seed."""
        return f"seed-{seed}{self.routed_suffix}"

    @staticmethod
    def pnr_options(board: BoardLike, seed: int) -> list[str]:
        """Arguments that all nextpnr programs share."""
        # A missed clock must end in a report with its critical path, not in an early exit.
        return ["--json", "top.json", "--seed", str(seed), "--report", f"seed-{seed}.json",
                "--freq", f"{board.pll.output_hz / 1e6:.3f}", "--timing-allow-fail",
                *board.place]
