# SPDX-License-Identifier: Apache-2.0
"""The load and read ports: their targets, commands and status words, and the words that they carry.

The bit layouts here are read by the compiler, the gateware and both engines; they are the
contract between them (``docs/architecture.md``, "The program").
"""
import enum
import zlib

import numpy as np

__all__ = ["Target", "Control", "Status", "Fault", "CHANNEL_WORD", "CHANNEL_QUARTERS",
           "channel_words", "channel_values", "LOAD_RECORD", "BROADCAST_PE", "load_crc"]


class Target(enum.IntEnum):
    """Memories behind the load and read ports."""
    CONTROL = 0      # write: commands (Control)            read: status words (Status)
    DESCRIPTOR = 1   # write: 64-bit words, one layer each `descriptor_stride(config)` apart
    ENTRY = 2        # write: one entry-memory word of one PE
    POINTER = 3      # write: one column pointer of one PE
    CODEBOOK = 4     # write: one weight, address = table << code_width | code
    RUN_SYMBOL = 5   # write: one run, address = table << run_width | rank
    CHANNEL = 6      # write: a quarter of one row's CHANNEL_WORD; address = row << 2 | quarter
    # Without convolutions even layers read A and write B; with them, addresses run on from A to B.
    ACT_A = 7        # write, read: one activation of one PE
    ACT_B = 8        # write, read: one activation of one PE
    COUNTER = 9      # read: address = layer << 3 | index in COUNTERS, or SATURATED
    CYCLES = 10      # read: address = layer; cycles of that layer


class Control(enum.IntEnum):
    """Addresses of the CONTROL target: writing there is a command."""
    CHECK = 0        # data = expected CRC-32 of all records since the last CHECK, CLEAR or reset
    START = 1        # data = first layer | number of layers << 16
    CLEAR = 2        # forget a fault; a new CHECK must succeed before the next START


class Status(enum.IntEnum):
    """Addresses of the CONTROL target when read."""
    STATE = 0        # bits 0-7 Fault, bit 8 busy, bits 16-31 layer in hand
    CONFIG = 1       # first 64 bits of ArrayConfig.digest
    PLACE = 2        # PE at which a watchdog fault stood: first full queue, else first unfinished


class Fault(enum.IntEnum):
    """Why the array refused or stopped."""
    NONE = 0
    BAD_CRC = 1      # CHECK did not match; START is refused until CLEAR and a good CHECK
    UNCHECKED = 2    # START after writes, a reset or a CLEAR that no good CHECK followed
    WATCHDOG = 3     # a layer ran longer than its descriptor allows
    BAD_LAYERS = 4   # START without layers, or beyond the last one the array can hold


#: One row's writeback parameters: the multiplier is shifted left by 16 - shift % 16 (its lowest
#: bit, always 0, is left out), and shift // 16 is split around it (:func:`channel_words`).
CHANNEL_WORD = (("bias", 32), ("digit_low", 1), ("multiplier", 30), ("digit_high", 1))
#: A channel word is written and read in 16-bit quarters, lowest first.
CHANNEL_QUARTERS = 4

#: One write on the load port; the CRC runs over these 16 bytes, little-endian.
LOAD_RECORD = np.dtype([("target", "<u1"), ("zero", "<u1"), ("pe", "<u2"), ("address", "<u4"),
                        ("data", "<u8")])

#: PE number that addresses all PEs at once.
BROADCAST_PE = 0xFFFF


def channel_words(bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """CHANNEL_WORD of each row, uint64, from int64 arrays of one shape."""
    digit = shift // 16
    fields = {"bias": bias & 0xFFFFFFFF, "digit_low": digit & 1,
              "multiplier": multiplier << (15 - shift % 16), "digit_high": digit >> 1}
    words, position = np.zeros(np.shape(bias), np.uint64), 0
    for name, width in CHANNEL_WORD:
        words |= fields[name].astype(np.uint64) << np.uint64(position)
        position += width
    return words


def channel_values(words: np.ndarray) -> dict[str, np.ndarray]:
    """Bias, multiplier and shift of each row, int64: the smallest that do what the words say."""
    fields, position = {}, 0
    for name, width in CHANNEL_WORD:
        fields[name] = (words >> np.uint64(position) & np.uint64((1 << width) - 1)).astype(np.int64)
        position += width
    multiplier = fields["multiplier"] << 1
    shift = 16 * (1 + (fields["digit_low"] | fields["digit_high"] << 1))
    zeros = np.log2(np.maximum(multiplier & -multiplier, 1)).astype(np.int64)
    common = np.minimum(zeros, shift)
    return {"bias": (fields["bias"] ^ 1 << 31) - (1 << 31),
            "multiplier": multiplier >> common, "shift": shift - common}


def load_crc(records: np.ndarray) -> int:
    """CRC-32 (IEEE 802.3, as in zlib) of load records, what Control.CHECK expects."""
    return zlib.crc32(np.ascontiguousarray(records).view(np.uint8).tobytes())
