# SPDX-License-Identifier: Apache-2.0
"""What a board is: its chip, pins, clock, memory budget and default array."""
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.array.config import ArrayConfig
from ..core.array.footprint import memory_bits
from ..core.errors import CapacityError, ConfigError
from .family import Family
from .pll import Pll, clocks_below

if TYPE_CHECKING:
    from amaranth import Instance, Signal, Value

__all__ = ["Board", "Pin", "Resources", "LED_ROLES", "RESOURCE_NAMES"]

#: What the LEDs tell.
LED_ROLES = ("idle", "busy", "error")
#: Kinds of resources, in the order in which tables show them.
RESOURCE_NAMES = ("LUT", "FF", "BRAM", "SPRAM", "DSP")

_MAX_BAUD_ERROR = 0.02
_MIN_DIVISOR = 4


@dataclass(frozen=True)
class Pin:
    """One package pin; ``active_low`` pins are inverted in the top level."""
    site: str
    active_low: bool = False


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Totals of a chip: 4-input LUTs, flip-flops, block RAMs, large RAMs, multipliers."""
    lut: int
    ff: int
    bram: int
    spram: int = 0
    dsp: int = 0

    def to_dict(self) -> dict[str, int]:
        """By the names that reports use."""
        return {name: getattr(self, name.lower()) for name in RESOURCE_NAMES}


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board; every file beside this one that names a board holds one or two of these.

    Parameters
    ----------
    name : as on the command line and in the bitstream's identity, at most 16 ASCII characters.
    description : one line.
    family : how its chip is synthesised, placed and packed.
    chip : its name, as in tables.
    device, package, speed : the same, in the words of the family's place-and-route tool.
    clock, clock_hz : the oscillator's pin and frequency.
    core_hz : wanted clock of the array; the PLL comes within 1 %.
    rx, tx : the UART's pins, seen from the FPGA.
    baud : its speed, bit/s.
    leds : pin of each of ``LED_ROLES`` that the board can show; the idle LED goes out while the
        array is busy, so that a board without a busy LED still shows it.
    reset : a button that resets everything, or None.
    resources : totals of the chip.
    config : the array that is built by default.
    loader : openFPGALoader's arguments for this board.
    needs_cable : the board has no programmer of its own; the user names one.
    pll_pad : iCE40: the clock pin is the PLL's own pad, which it takes for itself.
    synthesis, place : further arguments of yosys' ``synth_*`` and of nextpnr.
    lut_memories : blocks of a PE whose memories go to the LUTs' own memory, where block RAM is
        scarce.
    notes : what a user must know, one line each.

    Raises
    ------
    ConfigError : a name too long, a UART that cannot work, an unknown LED, a pin used twice.
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
        """The PLL's setting."""
        return self.family.pll(self.clock_hz, self.core_hz)

    @property
    def clock_out_hz(self) -> int:
        """The array's real clock, rounded to 1 Hz."""
        return round(self.pll.output_hz)

    @property
    def divisor(self) -> int:
        """Core cycles of one UART bit."""
        return round(self.pll.output_hz / self.baud)

    @property
    def baud_error(self) -> float:
        """How far the real baud rate is off, as a fraction."""
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
        """Block RAM and SPRAM together, bits."""
        return (self.resources.bram * self.family.bram_bits
                + self.resources.spram * self.family.spram_bits)

    @staticmethod
    def memory_budget(config: ArrayConfig) -> dict[str, int]:
        """Bits that the memories of all PEs take, by kind."""
        return memory_bits(config)

    def check_budget(self) -> None:
        """The array's memories must fit the chip's, logic apart.

        Raises
        ------
        CapacityError : with both numbers.
        """
        needed = sum(bits for name, bits in self.memory_budget(self.config).items()
                     if bits >= self.config.pes * self.family.logic_bits
                     and name not in self.lut_memories)
        if needed > self.memory_bits:
            raise CapacityError(
                f"the memories of {self.config.pes} PEs have {needed / 8192:,.0f} KiB, {self.name} "
                f"has {self.memory_bits / 8192:,.0f} KiB of block RAM; take fewer PEs or smaller "
                f"memories")

    def expected_memories(self, config: ArrayConfig) -> int:
        """Fewest block RAMs (an SPRAM counts as one) in which the entry, pointer and activation
        memories of ``config`` can be; a build with fewer has lost a memory to logic."""
        large = max(self.family.bram_bits, self.family.spram_bits if self.resources.spram else 0)
        sizes = [config.entry_depth * config.word_width,
                 config.pointer_depth * config.pointer_width]
        sizes += [config.act_depth * config.act_width]
        # Memories too small for a block RAM may be logic.
        return config.pes * sum(-(-size // large) for size in sizes
                                if size >= self.family.logic_bits)

    def expected_multipliers(self, config: ArrayConfig) -> int:
        """Fewest DSP blocks of a build: one per PE, where the chip has as many."""
        return min(config.pes, self.resources.dsp)

    # The platform that blocks of the gateware ask, see :mod:`openeie.hw.multiplier` and `ram`.
    @property
    def large_ram(self) -> bool:
        """Whether the chip has large RAMs of one port."""
        return self.resources.spram > 0

    def registered_product(self, a: "Value", b: "Value", product: "Signal") -> "Instance | None":
        """See :meth:`Family.registered_product`."""
        return self.family.registered_product(a, b, product)

    def slower(self, most_hz: float) -> "Board | None":
        """This board with the fastest clock up to ``most_hz`` that its PLL can make and at which
        its UART works; None if there is none."""
        for clock_hz in clocks_below(self.family.limits, self.clock_hz, most_hz):
            try:
                return self.replace(core_hz=clock_hz)
            except ConfigError:             # no baud rate at this clock
                continue
        return None

    def replace(self, **changes) -> "Board":
        """A copy with some fields changed, checked anew."""
        return dataclasses.replace(self, **changes)
