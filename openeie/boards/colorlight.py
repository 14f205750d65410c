# SPDX-License-Identifier: Apache-2.0
"""Colorlight 5A-75B: a LED-panel driver whose HUB75 connectors are outputs only.

Pins as documented by the chubby75 project. J19 is the only connector that reaches the FPGA
without a buffer, so the UART is there. It is slow because the button on that line has a
capacitor. The LEDs are outputs of J1.
"""
from .board import Board
from .chip import Pin
from .ecp5 import ECP5
from .ulx3s import ULX3S_25F

__all__ = ["COLORLIGHT_5A75B", "COLORLIGHT_5A75B_V7"]

COLORLIGHT_5A75B = Board(
    name="colorlight-5a75b",                        # an identity has room for 16 characters
    description="Colorlight 5A-75B v8.0",
    chip="LFE5U-25F-6",
    family=ECP5, device="25k", package="CABGA256", speed="6",
    clock=Pin("P6"), clock_hz=25_000_000, core_hz=75_000_000,
    rx=Pin("R7"), tx=Pin("T6"),                     # J19: KEY+ and DATA_LED-
    baud=115200,
    leds={"idle": Pin("C4"), "busy": Pin("D4"), "error": Pin("E4")},        # J1: R0, G0, B0
    resources=ULX3S_25F.resources,
    config=ULX3S_25F.config,
    lut_memories=ULX3S_25F.lut_memories,
    loader=("--board", "colorlight"),
    needs_cable=True,
    notes=("connect a 3.3 V USB-UART to J19: its TX to KEY+, its RX to DATA_LED-",
           "the LEDs are outputs of connector J1 (5 V): R0 idle, G0 busy, B0 error",
           "program over JTAG (J27 TCK, J31 TMS, J32 TDI, J30 TDO) with --cable"),
)

#: The older revision, with other pins. For library users only: it is not in ``BOARDS``.
COLORLIGHT_5A75B_V7 = COLORLIGHT_5A75B.replace(
    name="colorlight-v7", description="Colorlight 5A-75B v7.0",
    rx=Pin("M13"), tx=Pin("P11"),
    leds={"idle": Pin("F3"), "busy": Pin("F1"), "error": Pin("G3")},
)
