# SPDX-License-Identifier: Apache-2.0
"""What the array executes: memory images and descriptors, and the records that load them."""
from dataclasses import dataclass

import numpy as np

from ..array.config import ArrayConfig, half_rows, preset_name
from ..array.descriptor import descriptor_stride
from ..array.load_port import BROADCAST_PE, LOAD_RECORD, Target
from ..network.address_walk import AddressWalk
from ..network.chain import Chain
from ..network.graph import INPUT, Network
from ..network.one_line import count_text, short_name
from ..network.tile_part import Part

__all__ = ["TilePlan", "Program"]

#: Zeros in a row that cost a board's link no more than the request which begins behind them.
_GAP = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class TilePlan:
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
    src_rows, acc_rows : rows of activations per PE that one such product reads and computes.
    memory_rows : rows of memory of its outputs; fewer than ``acc_rows`` if it is clustered.
    dst_origin, dst_step : first row written, and from a position's last row to the next's first.
    places : row x PEs + PE of each output channel among a position's ``memory_rows``, int64
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
    walk: AddressWalk
    local: bool
    maximum: bool
    repeat: bool
    clusters: int
    src_rows: int
    acc_rows: int
    memory_rows: int
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
    ``tiles`` are in the order they run: one a layer, if no layer is tiled.

    Activations lie in ``act_rows`` rows of memory A and, from ``half_rows`` on, B; the inputs of
    a start begin at row ``input_origin``. ``act_depth`` is what of each memory is used. ``chains``
    are the layers that run in bands.
    """
    config: ArrayConfig
    network: Network
    vectors: int
    tiles: tuple[TilePlan, ...]
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

    def __repr__(self) -> str:
        facts = [f"Program {short_name(self.network.name)}",
                 f"{count_text(len(self.tiles), 'tile')} on {preset_name(self.config)}",
                 f"{self.entries.size:,} words of entries"]
        if self.vectors > 1:
            facts.append(f"{self.vectors} vectors a run")
        return f"<{', '.join(facts)}>"

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
        if any(plan.encoding != "csr" for plan in self.tiles):
            parts.append(_records(Target.CODEBOOK, BROADCAST_PE,
                                  self.codebooks.reshape(-1).astype(np.int64)))
        if any(plan.encoding == "huffman" for plan in self.tiles):
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
