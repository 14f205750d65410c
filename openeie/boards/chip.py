# SPDX-License-Identifier: Apache-2.0
"""Package pins and resources of an FPGA."""
from dataclasses import dataclass

__all__ = ["Pin", "Resources", "RESOURCE_NAMES"]

#: Kinds of resources, in the order in which tables show them.
RESOURCE_NAMES = ("LUT", "FF", "BRAM", "SPRAM", "DSP")


@dataclass(frozen=True)
class Pin:
    """One package pin. The top level inverts signals at ``active_low`` pins."""
    site: str
    active_low: bool = False


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Totals of a chip.

    Attributes
    ----------
    lut : 4-input lookup tables.
    ff : flip-flops.
    bram : block RAMs.
    spram : large single-port RAMs.
    dsp : multipliers.
    """
    lut: int
    ff: int
    bram: int
    spram: int = 0
    dsp: int = 0

    def to_dict(self) -> dict[str, int]:
        """Totals under the names that reports use (:data:`RESOURCE_NAMES`)."""
        return {name: getattr(self, name.lower()) for name in RESOURCE_NAMES}
