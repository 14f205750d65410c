# SPDX-License-Identifier: Apache-2.0
"""LambdaConcept ECPIX-5 with the 85F (LFE5UM5G-85F)."""
from .board import Board
from .chip import Pin
from .ecp5 import ECP5
from .ulx3s import ULX3S_85F

__all__ = ["ECPIX5"]

ECPIX5 = Board(
    name="ecpix5",
    description="LambdaConcept ECPIX-5 85F",
    chip="LFE5UM5G-85F-8",
    family=ECP5, device="um5g-85k", package="CABGA554", speed="8",
    clock=Pin("K23"), clock_hz=100_000_000, core_hz=75_000_000,
    rx=Pin("R26"), tx=Pin("R24"),                   # FTDI channel B
    leds={"idle": Pin("R21", active_low=True), "busy": Pin("W21", active_low=True),
          "error": Pin("K21", active_low=True)},    # green of LD8, green of LD7, red of LD6
    reset=Pin("AB1", active_low=True),
    resources=ULX3S_85F.resources,
    config=ULX3S_85F.config,
    loader=("--board", "ecpix5"),
    place=ULX3S_85F.place,
)
