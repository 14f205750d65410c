# SPDX-License-Identifier: Apache-2.0
"""OrangeCrab r0.2 with the 25F. USB is wired to the FPGA itself, so the UART is on the header."""
from .board import Board
from .chip import Pin
from .ecp5 import ECP5
from .ulx3s import ULX3S_25F

__all__ = ["ORANGECRAB_25F"]

ORANGECRAB_25F = Board(
    name="orangecrab-25f",
    description="OrangeCrab r0.2 25F",
    chip="LFE5U-25F-8",
    family=ECP5, device="25k", package="CSFBGA285", speed="8",
    clock=Pin("A9"), clock_hz=48_000_000, core_hz=84_000_000,
    rx=Pin("N17"), tx=Pin("M18"),                   # header pins 0 and 1
    leds={"idle": Pin("M3", active_low=True), "busy": Pin("J3", active_low=True),
          "error": Pin("K4", active_low=True)},     # green, blue, red of the RGB LED
    resources=ULX3S_25F.resources,
    config=ULX3S_25F.config,
    lut_memories=ULX3S_25F.lut_memories,
    loader=("--board", "orangeCrab"),
    notes=("its USB port is no UART: connect a 3.3 V USB-UART adapter, its TX to header pin 0 and "
           "its RX to pin 1",
           "to program, hold the button while plugging it in, which starts the bootloader"),
)
