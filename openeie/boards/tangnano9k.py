# SPDX-License-Identifier: Apache-2.0
"""Sipeed Tang Nano 9K: Gowin GW1NR-9."""
from ..core.array.config import ArrayConfig
from .board import Board
from .chip import Pin, Resources
from .gowin import GOWIN

__all__ = ["TANG_NANO_9K"]

TANG_NANO_9K = Board(
    name="tangnano9k",
    description="Sipeed Tang Nano 9K",
    chip="GW1NR-9C",
    family=GOWIN, device="GW1NR-LV9QN88PC6/I5", package="GW1N-9C",
    clock=Pin("52"), clock_hz=27_000_000, core_hz=54_000_000,
    rx=Pin("18"), tx=Pin("17"),                     # the BL702
    leds={"idle": Pin("10", active_low=True), "busy": Pin("11", active_low=True),
          "error": Pin("13", active_low=True)},
    reset=Pin("4", active_low=True),                # button S1
    resources=Resources(lut=8640, ff=6480, bram=26, dsp=20),
    config=ArrayConfig(pes=2, queue_depth=4, word_width=32, entry_depth=2400, pointer_depth=1188,
                       act_depth=392, acc_depth=150, acc_banks=1, acc_width=32,
                       channel_depth=205, counter_width=20, max_layers=4,
                       encodings=("codebook",)),
    loader=("--board", "tangnano9k"),
)
