# SPDX-License-Identifier: Apache-2.0
"""What the three FPGA families have in common, from the build flow's point of view."""
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from .pll import Pll, PllLimits, best_pll

if TYPE_CHECKING:
    from amaranth import Instance, Signal, Value

    from .board import Board

__all__ = ["Family", "Command"]

#: A tool's name and its arguments; all paths are relative to the build folder.
Command = tuple[str, list[str]]


class Family(ABC):
    """One FPGA family: primitives, constraint file and tools. Stateless.

    Attributes
    ----------
    name : as in tables.
    limits : of its PLL.
    bram_bits, spram_bits : capacity of one block RAM and of one large RAM.
    logic_bits : memories of at least so many bits must not end up in LUTs or flip-flops.
    constraints_name, bitstream_name : files in the build folder.
    used : per resource, nextpnr's names of the cells that take it, and how much of it each.
    ff_cells : how the names of yosys' flip-flops begin.
    cell_models : yosys' simulation models of the cells, for ``read_verilog``; empty: none.
    ram_cells : yosys' names of block RAM and large RAM in its memory mapper's log.
    """
    name: ClassVar[str]
    limits: ClassVar[PllLimits]
    bram_bits: ClassVar[int]
    spram_bits: ClassVar[int] = 0
    logic_bits: ClassVar[int] = 4096
    constraints_name: ClassVar[str]
    bitstream_name: ClassVar[str]
    used: ClassVar[dict[str, dict[str, float]]]
    ff_cells: ClassVar[tuple[str, ...]]
    ram_cells: ClassVar[tuple[str, ...]]
    cell_models: ClassVar[str] = ""

    def pll(self, input_hz: float, wanted_hz: float) -> Pll:
        """The PLL setting for a wanted core clock.

        Raises
        ------
        ConfigError : there is none.
        """
        return best_pll(self.limits, input_hz, wanted_hz)

    @abstractmethod
    def pll_instance(self, board: "Board", clk: "Value", out: "Value",
                     locked: "Value") -> "Instance":
        """The PLL primitive, from the clock pin ``clk`` to ``out``."""

    def registered_product(self, a: "Value", b: "Value", product: "Signal") -> "Instance | None":
        """``product`` = ``a * b`` a cycle later in a multiplier with a register of its own, where
        synthesis does not find that by itself; see :mod:`openeie.hw.multiplier`."""
        return None

    @abstractmethod
    def constraints(self, board: "Board") -> str:
        """Text of the constraint file: every top-level port at its pin."""

    @abstractmethod
    def synthesis(self, board: "Board") -> str:
        """Yosys' ``synth_*`` command; writes ``top.json``."""

    @abstractmethod
    def place(self, board: "Board", seed: int) -> Command:
        """Place and route ``top.json``; writes ``seed-N.json`` (report) and the routed design."""

    @abstractmethod
    def pack(self, board: "Board", seed: int, output: str) -> Command:
        """The routed design of ``seed`` to the bitstream file ``output``."""

    @staticmethod
    def pnr_options(board: "Board", seed: int) -> list[str]:
        """Arguments that all nextpnr programs share."""
        # A missed clock is reported, with its path, rather than cut short.
        return ["--json", "top.json", "--seed", str(seed), "--report", f"seed-{seed}.json",
                "--freq", f"{board.pll.output_hz / 1e6:.3f}", "--timing-allow-fail",
                *board.place]
