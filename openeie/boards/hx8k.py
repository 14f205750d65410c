# SPDX-License-Identifier: Apache-2.0
"""Lattice iCE40-HX8K breakout board: no multipliers, 16 KiB of block RAM."""
from ..core.array.config import ArrayConfig
from .board import Board
from .chip import Pin, Resources
from .ice40 import ICE40

__all__ = ["HX8K"]

HX8K = Board(
    name="hx8k",
    description="Lattice iCE40-HX8K breakout",
    chip="iCE40-HX8K",
    family=ICE40, device="hx8k", package="ct256",
    clock=Pin("J3"), clock_hz=12_000_000, core_hz=48_000_000,
    rx=Pin("B10"), tx=Pin("B12"),                   # FTDI channel B
    leds={"idle": Pin("B5"), "busy": Pin("B4"), "error": Pin("A2")},        # D9, D8, D7
    resources=Resources(lut=7680, ff=7680, bram=32),
    # Multipliers are made of LUTs here, so operands have 8 bits.
    config=ArrayConfig(pes=2, queue_depth=2, act_width=8, weight_width=8, acc_width=24,
                       word_width=16, entry_depth=1024, pointer_depth=512, act_depth=128,
                       acc_depth=64, acc_banks=1, channel_depth=64, counter_width=16,
                       max_layers=4, encodings=("codebook",)),
    loader=("--board", "ice40_generic"),
    notes=("jumpers J6 and J7 must select the flash, as delivered",),
)
