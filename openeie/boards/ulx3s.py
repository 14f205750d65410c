# SPDX-License-Identifier: Apache-2.0
"""Radiona ULX3S, with the largest and the smallest ECP5 that it is sold with."""
from ..core.array.config import OPERATIONS, ArrayConfig
from .board import Board
from .chip import Pin, Resources
from .ecp5 import ECP5

__all__ = ["ULX3S_85F", "ULX3S_85F_CONV", "ULX3S_25F"]

ULX3S_85F = Board(
    name="ulx3s-85f",
    description="Radiona ULX3S 85F",
    chip="LFE5U-85F-6",
    family=ECP5, device="85k", package="CABGA381", speed="6",
    clock=Pin("G2"), clock_hz=25_000_000, core_hz=50_000_000,
    rx=Pin("M1"), tx=Pin("L4"),                     # the FT231X
    baud=2_500_000,
    leds={"idle": Pin("B2"), "busy": Pin("C2"), "error": Pin("C1")},        # D0, D1, D2
    reset=Pin("D6", active_low=True),               # button PWR (B0)
    resources=Resources(lut=83640, ff=83640, bram=208, dsp=156),
    config=ArrayConfig(pes=16, word_width=32, entry_depth=1024, pointer_depth=2048, act_depth=128,
                       acc_depth=64, acc_banks=1, channel_depth=128, max_layers=4,
                       counter_width=24, encodings=("csr", "codebook")),
    loader=("--board", "ulx3s"),
    place=("--router", "router2"),          # router1 takes half an hour for 16 PEs
)

# An array for convolutional networks, large enough for LeNet-5. Each pixel of its first map takes
# one row of activation memory.
ULX3S_85F_CONV = ULX3S_85F.replace(
    name="ulx3s-85f-conv",
    description="Radiona ULX3S 85F, convolutions",
    config=ArrayConfig(pes=16, word_width=32, entry_depth=512, pointer_depth=4096, act_depth=1024,
                       acc_depth=64, acc_banks=1, acc_width=36, channel_depth=64, max_layers=8,
                       counter_width=24, encodings=("codebook",), operations=OPERATIONS),
    core_hz=37_500_000,                     # the PLL's next faster clock is 50 MHz
)

ULX3S_25F = ULX3S_85F.replace(
    name="ulx3s-25f",
    description="Radiona ULX3S 25F (a 12F is the same chip)",
    chip="LFE5U-25F-6",
    device="25k",
    resources=Resources(lut=24288, ff=24288, bram=56, dsp=28),
    # 56 block RAMs are seven a PE, and the link needs three: single banks, accumulators in LUTs.
    config=ArrayConfig(pes=8, word_width=32, entry_depth=1024, pointer_depth=1200, act_depth=98,
                       acc_depth=38, acc_banks=1, acc_width=32, channel_depth=64, max_layers=4,
                       counter_width=24, encodings=("codebook",)),
    lut_memories=("accumulators",),
    core_hz=75_000_000,
    baud=2_500_000,
    place=(),
)
