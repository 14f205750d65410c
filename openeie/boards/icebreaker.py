# SPDX-License-Identifier: Apache-2.0
"""1BitSquared iCEBreaker: iCE40UP5K, a small chip with multipliers and large RAMs."""
from ..core.array.config import ArrayConfig
from .board import Board
from .chip import Pin, Resources
from .ice40 import ICE40

__all__ = ["ICEBREAKER"]

ICEBREAKER = Board(
    name="icebreaker",
    description="1BitSquared iCEBreaker 1.0",
    chip="iCE40UP5K",
    family=ICE40, device="up5k", package="sg48",
    clock=Pin("35"), clock_hz=12_000_000, core_hz=24_000_000,
    pll_pad=True,                                   # pin 35 is the pad of the chip's only PLL
    rx=Pin("6"), tx=Pin("9"),                       # FTDI channel B
    # Two LEDs on the main board, and a red one (busy) on the break-off PMOD.
    leds={"idle": Pin("37", active_low=True), "busy": Pin("26"),
          "error": Pin("11", active_low=True)},
    reset=Pin("10", active_low=True),
    resources=Resources(lut=5280, ff=5280, bram=30, spram=4, dsp=8),
    # Entries and channels are in the SPRAMs, whose words have 16 bits.
    config=ArrayConfig(pes=1, queue_depth=2, word_width=16, entry_depth=16384, pointer_depth=1188,
                       act_depth=784, acc_depth=300, acc_banks=1, acc_width=32,
                       channel_depth=410, counter_width=20, max_layers=4,
                       encodings=("codebook",)),
    loader=("--board", "ice40_generic"),
    notes=("the busy LED is on the break-off PMOD (PMOD 2, pin 7)",),
)
