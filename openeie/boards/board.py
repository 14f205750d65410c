# SPDX-License-Identifier: Apache-2.0
"""A board: its chip, pins, clock, memory budget and default array."""
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.array.config import ArrayConfig
from ..core.array.footprint import memory_bits
from ..core.errors import CapacityError, ConfigError
from .chip import Pin, Resources
from .family import Family
from .pll import Pll, clocks_below

if TYPE_CHECKING:
    from amaranth import Instance, Signal, Value

__all__ = ["Board", "LED_ROLES"]

#: States that LEDs can show.
LED_ROLES = ("idle", "busy", "error")

_MAX_BAUD_ERROR = 0.02
_MIN_DIVISOR = 4


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board. Each board file in this package defines one or more of these.

    Parameters
    ----------
    name : name on the command line and in the bitstream's identity, at most 16 ASCII characters.
    description : one line.
    family : synthesis, place-and-route and packing for the board's chip.
    chip : the chip's name, as shown in tables.
    device, package, speed : the chip in the terms of the family's place-and-route tool.
    clock, clock_hz : pin and frequency of the oscillator.
    core_hz : wanted clock of the array; the PLL must reach it within 1 %.
    rx, tx : the UART's pins, named from the FPGA's side.
    baud : speed of the UART, bit/s.
    leds : pins of those ``LED_ROLES`` that the board can show. The idle LED is off while the array
        is busy, so a board without a busy LED still shows activity.
    reset : button that resets the whole design, or None.
    resources : totals of the chip.
    config : the default array.
    loader : openFPGALoader's arguments for this board.
    needs_cable : the board has no programmer; the user must name a JTAG cable.
    pll_pad : iCE40: the clock pin is the PLL's dedicated pad, so no other logic can use it.
    synthesis, place : further arguments of yosys' ``synth_*`` and of nextpnr.
    lut_memories : blocks of a PE whose memories are built from LUTs, to save block RAM.
    notes : what a user must know, one line each.

    Raises
    ------
    ConfigError : the name is too long, the UART cannot work at this clock, an LED is unknown, or a
        pin is used twice.
    """
    name: str
    description: str
    family: Family
    chip: str
    device: str
    package: str = ""
    speed: str = ""
    clock: Pin
    clock_hz: int
    core_hz: int
    rx: Pin
    tx: Pin
    baud: int = 1_000_000
    leds: dict[str, Pin]
    reset: Pin | None = None
    resources: Resources
    config: ArrayConfig
    loader: tuple[str, ...]
    needs_cable: bool = False
    pll_pad: bool = False
    synthesis: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    lut_memories: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.name.isascii() or not 0 < len(self.name) <= 16:
            raise ConfigError(f"a board's name must have 1 .. 16 ASCII characters, "
                              f"not {self.name!r}")

        unknown = set(self.leds) - set(LED_ROLES)
        if unknown or "idle" not in self.leds or "error" not in self.leds:
            raise ConfigError(f"{self.name}: leds must have idle and error, and may have busy, "
                              f"not {', '.join(sorted(self.leds))}")

        sites = [pin.site for pin in self.pins.values()]
        twice = sorted({site for site in sites if sites.count(site) > 1})
        if twice:
            raise ConfigError(f"{self.name}: pin {twice[0]} is used twice")

        if self.divisor < _MIN_DIVISOR or self.baud_error > _MAX_BAUD_ERROR:
            raise ConfigError(
                f"{self.name}: {self.baud} baud at {self.pll.output_hz / 1e6:g} MHz needs a "
                f"divisor of at least {_MIN_DIVISOR} within {_MAX_BAUD_ERROR:.0%}, not "
                f"{self.divisor} ({self.baud_error:.1%} off)")

    @property
    def pll(self) -> Pll:
        """PLL setting for ``core_hz``."""
        return self.family.pll(self.clock_hz, self.core_hz)

    @property
    def clock_out_hz(self) -> int:
        """Actual clock of the array, rounded to 1 Hz."""
        return round(self.pll.output_hz)

    @property
    def divisor(self) -> int:
        """Core cycles per UART bit."""
        return round(self.pll.output_hz / self.baud)

    @property
    def baud_error(self) -> float:
        """Relative error of the actual baud rate."""
        return abs(self.pll.output_hz / self.divisor / self.baud - 1) if self.divisor else 1.0

    @property
    def pins(self) -> dict[str, Pin]:
        """Top-level ports and their pins."""
        ports = {"clk": self.clock, "rx": self.rx, "tx": self.tx}
        if self.reset is not None:
            ports["reset"] = self.reset
        return ports | {f"led_{role}": self.leds[role] for role in LED_ROLES if role in self.leds}

    @property
    def memory_bits(self) -> int:
        """Bits of block RAM and SPRAM together."""
        return (self.resources.bram * self.family.bram_bits
                + self.resources.spram * self.family.spram_bits)

    @staticmethod
    def memory_budget(config: ArrayConfig) -> dict[str, int]:
        """Bits that the memories of all PEs need, by kind of memory."""
        return memory_bits(config)

    def check_budget(self) -> None:
        """Check that the array's memories fit the chip's RAM. Logic is not checked.

        Raises
        ------
        CapacityError : they do not fit; the message has both numbers.
        """
        needed = sum(bits for name, bits in self.memory_budget(self.config).items()
                     if bits >= self.config.pes * self.family.logic_bits
                     and name not in self.lut_memories)
        if needed > self.memory_bits:
            raise CapacityError(
                f"the memories of {self.config.pes} PEs need {needed / 8192:,.0f} KiB, but "
                f"{self.name} has only {self.memory_bits / 8192:,.0f} KiB of block RAM; use fewer "
                f"PEs or smaller memories")

    def expected_memories(self, config: ArrayConfig) -> int:
        """Fewest block RAMs that can hold the entry, pointer and activation memories of
        ``config``; an SPRAM counts as one. A build with fewer has turned a memory into logic."""
        large = max(self.family.bram_bits, self.family.spram_bits if self.resources.spram else 0)
        sizes = (config.entry_depth * config.word_width,
                 config.pointer_depth * config.pointer_width,
                 config.act_depth * config.act_width)

        # Small memories may become logic.
        return config.pes * sum(-(-size // large) for size in sizes
                                if size >= self.family.logic_bits)

    def expected_multipliers(self, config: ArrayConfig) -> int:
        """Fewest DSP blocks of a build: one per PE, or all that the chip has."""
        return min(config.pes, self.resources.dsp)

    # A board is the gateware's platform; see :mod:`openeie.hw.multiplier` and `openeie.hw.ram`.
    @property
    def large_ram(self) -> bool:
        """True if the chip has large single-port RAMs."""
        return self.resources.spram > 0

    def registered_product(self, a: "Value", b: "Value", product: "Signal") -> "Instance | None":
        """See :meth:`Family.registered_product`."""
        return self.family.registered_product(a, b, product)

    def slower(self, most_hz: float) -> "Board | None":
        """This board with a slower clock: the fastest one up to ``most_hz`` that the PLL can make
        and at which the UART works. None if there is none."""
        for clock_hz in clocks_below(self.family.limits, self.clock_hz, most_hz):
            try:
                return self.replace(core_hz=clock_hz)
            except ConfigError:             # the UART cannot make its baud rate from this clock
                continue
        return None

    def replace(self, **changes: Any) -> "Board":
        """A copy with some fields changed; raises the same errors as the constructor."""
        return dataclasses.replace(self, **changes)
