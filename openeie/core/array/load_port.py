# SPDX-License-Identifier: Apache-2.0
"""The load and read ports: targets, commands, status words, and the words that travel there.

These bit layouts are the contract between the compiler, the gateware and both engines
(``docs/architecture.md``, "The program").
"""
import enum
import zlib

import numpy as np

__all__ = ["Target", "Control", "Status", "Fault", "CHANNEL_WORD", "CHANNEL_QUARTERS",
           "channel_words", "channel_values", "LOAD_RECORD", "BROADCAST_PE", "load_crc"]


class Target(enum.IntEnum):
    """Memories behind the load and read ports."""
    CONTROL = 0      # write: commands (Control)            read: status words (Status)
    DESCRIPTOR = 1   # write: 64-bit words; descriptors are `descriptor_stride(config)` apart
    ENTRY = 2        # write: one entry-memory word of one PE
    POINTER = 3      # write: one column pointer of one PE
    CODEBOOK = 4     # write: one weight, address = table << code_width | code
    RUN_SYMBOL = 5   # write: one run, address = table << run_width | rank
    CHANNEL = 6      # write: a quarter of one row's CHANNEL_WORD; address = row << 2 | quarter
    # Without convolutions, even layers read A and write B. With them, both are one memory, in
    # which B follows A.
    ACT_A = 7        # write, read: one activation of one PE
    ACT_B = 8        # write, read: one activation of one PE
    COUNTER = 9      # read: address = tile << 3 | index in COUNTERS, or SATURATED
    CYCLES = 10      # read: address = tile; cycles of that tile


class Control(enum.IntEnum):
    """Addresses of the CONTROL target; a write there is a command."""
    CHECK = 0        # data = expected CRC-32 of all records since the last CHECK, CLEAR or reset
    START = 1        # data = first tile | number of tiles << 16
    CLEAR = 2        # clear a fault; a new CHECK must succeed before the next START


class Status(enum.IntEnum):
    """Addresses of the CONTROL target when it is read."""
    STATE = 0        # bits 0-7 Fault, bit 8 busy, bits 16-31 current tile
    CONFIG = 1       # first 64 bits of ArrayConfig.digest
    PLACE = 2        # PE of a watchdog fault: the first with a full queue, else first unfinished


class Fault(enum.IntEnum):
    """Why the array refused a command, or stopped."""
    NONE = 0
    BAD_CRC = 1      # CHECK did not match; START is refused until CLEAR and a good CHECK
    UNCHECKED = 2    # START without a good CHECK after the last write, reset or CLEAR
    WATCHDOG = 3     # a tile ran longer than its descriptor allows
    BAD_LAYERS = 4   # START of no tiles, or beyond the last one that the array can hold


#: One row's writeback parameters. The multiplier is shifted left by 16 - shift % 16; its lowest
#: bit, which is then always 0, is left out. The digit shift // 16 is split around it; see
#: :func:`channel_words`.
CHANNEL_WORD = (("bias", 32), ("digit_low", 1), ("multiplier", 30), ("digit_high", 1))
#: A channel word is written and read in 16-bit quarters, lowest first.
CHANNEL_QUARTERS = 4

#: One write on the load port: 16 bytes, little-endian, over which the CRC runs.
LOAD_RECORD = np.dtype([("target", "<u1"), ("zero", "<u1"), ("pe", "<u2"), ("address", "<u4"),
                        ("data", "<u8")])

#: PE number that addresses all PEs at once.
BROADCAST_PE = 0xFFFF


def channel_words(bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The :data:`CHANNEL_WORD` of each row, uint64, from three int64 arrays of the same shape."""
    digit = shift // 16
    fields = {"bias": bias & 0xFFFFFFFF, "digit_low": digit & 1,
              "multiplier": multiplier << (15 - shift % 16), "digit_high": digit >> 1}
    words = np.zeros(np.shape(bias), np.uint64)
    position = 0
    for name, width in CHANNEL_WORD:
        words |= fields[name].astype(np.uint64) << np.uint64(position)
        position += width
    return words


def channel_values(words: np.ndarray) -> dict[str, np.ndarray]:
    """Bias, multiplier and shift of each row, int64, from its :data:`CHANNEL_WORD`, uint64.

    Several multipliers and shifts give the same word and the same results; these are the smallest.
    """
    fields = {}
    position = 0
    for name, width in CHANNEL_WORD:
        mask = np.uint64((1 << width) - 1)
        fields[name] = (words >> np.uint64(position) & mask).astype(np.int64)
        position += width
    multiplier = fields["multiplier"] << 1
    shift = 16 * (1 + (fields["digit_low"] | fields["digit_high"] << 1))
    # Zero bits at the end of the multiplier, which a smaller shift makes unnecessary.
    lowest_bit = np.maximum(multiplier & -multiplier, 1)
    zeros = np.log2(lowest_bit).astype(np.int64)
    common = np.minimum(zeros, shift)
    return {"bias": (fields["bias"] ^ 1 << 31) - (1 << 31),
            "multiplier": multiplier >> common, "shift": shift - common}


def load_crc(records: np.ndarray) -> int:
    """CRC-32 (IEEE 802.3, as in zlib) of load records: the value that Control.CHECK expects."""
    return zlib.crc32(np.ascontiguousarray(records).view(np.uint8).tobytes())
