# SPDX-License-Identifier: Apache-2.0
"""What the array executes: memory images and descriptors, and the words that load them.

The bit layouts here are read by the compiler, the gateware and both engines; they are the
contract between them (``docs/architecture.md``, "The program").
"""
import enum
import zlib
from dataclasses import dataclass

import numpy as np

from .chain import Chain
from .config import ArrayConfig
from .descriptor import descriptor_stride
from .graph import INPUT, Network
from .memory import half_rows
from .part import Part
from .walk import Walk

__all__ = ["Target", "Control", "Status", "Fault",
           "CHANNEL_WORD", "CHANNEL_QUARTERS", "channel_words", "channel_values", "LOAD_RECORD",
           "BROADCAST_PE",
           "LayerPlan", "Program", "load_crc"]


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

#: Zeros in a row that cost a board's link no more than the request which begins behind them.
_GAP = 8


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


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPlan:
    """A tile, a layer or a part of one, as placed in the array's memories; addresses are the
    same in every PE.

    Attributes
    ----------
    name, encoding, relu : as in the graph; the encoding may have been overridden, and a part's
        name has its number.
    part : which outputs of which layer it computes.
    inputs : activations that it reads for each of its inputs.
    channels, columns : rows of its matrix, and columns as placed: those of a pixel begin at a
        multiple of the number of PEs.
    walk : which rows of activations the scan reads when; ``walk.positions`` times a matrix-vector
        product.
    local, maximum, repeat : every PE takes its own activations; the largest product counts, not
        the sum; the columns of a pixel's rows serve all pixels of a position.
    clusters : how many share the positions among them; 1: all PEs work on the same one.
    src_rows, dst_rows : rows of activations per PE that one such product reads and computes.
    out_rows : rows of memory of its outputs; fewer than ``dst_rows`` if it is clustered.
    dst_origin, dst_step : first row written, and from a position's last row to the next's first.
    places : row x PEs + PE of each output channel among a position's ``out_rows``, int64
        [channels].
    table : which codebook and run-symbol table this layer uses.
    pointer_base, channel_base : first address in the pointer and channel memories.
    cycle_limit : the watchdog's bound for this layer.
    entry_count, filler_count : int32 [PEs, n], entries (fillers included) and fillers of each
        PE's part of each column, as encoded.
    run_lengths, code_lengths : Huffman codeword lengths, uint8; None unless ``huffman``.
    """
    name: str
    part: Part
    encoding: str
    relu: bool
    inputs: int
    channels: int
    columns: int
    walk: Walk
    local: bool
    maximum: bool
    repeat: bool
    clusters: int
    src_rows: int
    dst_rows: int
    out_rows: int
    dst_origin: int
    dst_step: int
    places: np.ndarray
    table: int
    pointer_base: int
    channel_base: int
    cycle_limit: int
    entry_count: np.ndarray
    filler_count: np.ndarray
    run_lengths: np.ndarray | None = None
    code_lengths: np.ndarray | None = None

    @property
    def layer(self) -> int:
        """Number of the network's layer."""
        return self.part.layer

    @property
    def outputs(self) -> int:
        """Activations that it writes for each of its inputs."""
        return self.part.size


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A network compiled for one configuration.

    Memory images, first axis PE where the PEs differ: ``entries`` uint64 [PEs, words],
    ``pointers`` uint32 [PEs, pointers], ``channels`` uint64 [PEs, rows], ``codebooks``
    int16 [layers, 2**code_width] (in rank order for huffman layers), ``run_symbols``
    uint8 [layers, 2**run_width] (rank -> run), ``descriptors`` uint64 [tiles, words].
    ``layers`` are the tiles in the order they run; the network's layers, if none is tiled.

    Activations lie in ``act_rows`` rows of memory A and, from ``half_rows`` on, B; the inputs of
    a start begin at row ``input_origin``. ``act_depth`` is what of each memory is used. ``chains``
    are the layers that run in bands.
    """
    config: ArrayConfig
    network: Network
    vectors: int
    layers: tuple[LayerPlan, ...]
    entries: np.ndarray
    pointers: np.ndarray
    channels: np.ndarray
    codebooks: np.ndarray
    run_symbols: np.ndarray
    descriptors: np.ndarray
    input_origin: int
    act_rows: int
    act_depth: int
    chains: tuple[Chain, ...] = ()

    def input_records(self, x: np.ndarray) -> np.ndarray:
        """Load records of the inputs x [vectors, n] of a start; their order matters.

        A row most of whose words are 0 is first written 0 in all PEs at once, and then only
        where it is not: a picture's three channels are 4 words a pixel and not one for each PE.
        """
        pes, half = self.config.pes, half_rows(self.config)
        rows = self.network.layout(INPUT).memory(x, pes).reshape(-1, pes)
        address = np.arange(len(rows)) + self.input_origin
        written = _worth_writing(rows)
        cleared = 1 + written.sum(axis=1) < pes
        written[~cleared] = True
        # By PE, then by address: on a board's link neighbours share a request.
        pe, row = np.nonzero(written.T)
        zeros, = np.nonzero(cleared)
        records = np.zeros(len(zeros) + len(row), LOAD_RECORD)
        records["pe"] = np.concatenate([np.full(len(zeros), BROADCAST_PE), pe])
        place = address[np.concatenate([zeros, row])]
        records["target"] = np.where(place < half, Target.ACT_A, Target.ACT_B)
        records["address"] = place % half
        records["data"][len(zeros):] = rows[row, pe].view(np.uint64)
        return records

    def records(self) -> np.ndarray:
        """Load records of the whole image, inputs excepted."""
        tiles, words = self.descriptors.shape
        spread = np.zeros((tiles, descriptor_stride(self.config)), np.uint64)
        spread[:, :words] = self.descriptors
        parts = [_records(Target.DESCRIPTOR, BROADCAST_PE, spread.reshape(-1))]
        if any(plan.encoding != "csr" for plan in self.layers):
            parts.append(_records(Target.CODEBOOK, BROADCAST_PE,
                                  self.codebooks.reshape(-1).astype(np.int64)))
        if any(plan.encoding == "huffman" for plan in self.layers):
            parts.append(_records(Target.RUN_SYMBOL, BROADCAST_PE, self.run_symbols.reshape(-1)))
        quarters = self.channels.astype("<u8").view("<u2").reshape(len(self.channels), -1)
        for target, image in ((Target.ENTRY, self.entries), (Target.POINTER, self.pointers),
                              (Target.CHANNEL, quarters)):
            parts += [_records(target, pe, row) for pe, row in enumerate(image)]
        return np.concatenate(parts)


def _worth_writing(rows: np.ndarray) -> np.ndarray:
    """Which words of ``rows`` [rows, PEs] to write where the rest is 0: those that are not, and in
    each PE the zeros of a gap so short that to go around it would cost more, bool."""
    number, known = np.arange(len(rows))[:, None], rows != 0
    before = np.maximum.accumulate(np.where(known, number, -len(rows) - _GAP), axis=0)
    after = np.minimum.accumulate(np.where(known, number, 2 * len(rows) + _GAP)[::-1], axis=0)[::-1]
    return after - before - 1 <= _GAP


def _records(target: Target, pe: int, data: np.ndarray) -> np.ndarray:
    records = np.zeros(len(data), LOAD_RECORD)
    records["target"], records["pe"] = target, pe
    records["address"] = np.arange(len(data))
    records["data"] = data.astype(np.int64).view(np.uint64) if data.dtype.kind == "i" else data
    return records


def load_crc(records: np.ndarray) -> int:
    """CRC-32 (IEEE 802.3, as in zlib) of load records, what Control.CHECK expects."""
    return zlib.crc32(np.ascontiguousarray(records).view(np.uint8).tobytes())
