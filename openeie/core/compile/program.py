# SPDX-License-Identifier: Apache-2.0
"""What an array executes: memory images and descriptors, and the records that load them."""
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..array.config import ArrayConfig, half_rows
from ..array.descriptor import descriptor_stride
from ..array.load_port import BROADCAST_PE, LOAD_RECORD, Target
from ..errors import InputError
from ..network.address_walk import AddressWalk
from ..network.chain import Chain
from ..network.graph import INPUT, Network
from ..network.one_line import count_text, preset_name, short_name
from ..network.tile_part import Part

__all__ = ["Choices", "TilePlan", "Program"]

#: Most consecutive zeros that are sent along: on a board's link, a new request costs more.
_GAP = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class TilePlan:
    """A tile (a layer or a part of one) as placed in the array's memories. Addresses are the same
    in every PE.

    Attributes
    ----------
    name : the layer's name; of several tiles of a layer, with the tile's number.
    part : which outputs of which layer it computes.
    encoding : of its matrix, which may not be the layer's own encoding.
    relu : whether negative outputs become 0.
    inputs : activations that it reads for each of its inputs.
    channels : rows of its matrix.
    columns : columns of its matrix as placed; each pixel begins at a multiple of the number of PEs.
    walk : which rows of activations the scan reads, in order. The tile computes
        ``walk.positions`` matrix-vector products for each input.
    local : whether every PE reads its own activations.
    maximum : whether the largest product counts, not the sum.
    repeat : whether all pixels of a position use the same columns.
    clusters : number of clusters that share the positions; 1: all PEs work on the same position.
    src_rows : rows of activations that one product reads.
    acc_rows : accumulators that one product takes in each PE.
    memory_rows : rows of memory that one product writes; fewer than ``acc_rows`` if clustered.
    dst_origin : first row written.
    dst_step : from the last row of a position to the first row of the next position.
    places : row x PEs + PE of each output channel, int64 [channels]; rows count from the first of
        a position's ``memory_rows``.
    table : number of its codebook and run-symbol table.
    pointer_base, channel_base : first address in the pointer and channel memories.
    cycle_limit : cycles after which the watchdog stops it.
    entry_count, filler_count : entries (fillers included), and fillers, of each PE in each column,
        int32 [PEs, n].
    run_lengths, code_lengths : lengths of the Huffman codewords, uint8; None unless ``huffman``.
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
        """Activations written for each of its inputs."""
        return self.part.size


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """What the compiler chose of what nobody told it (:mod:`.automatic`).

    Attributes
    ----------
    orders : of a balanced network, the channels of the given one at each place, by the map's name,
        see :func:`openeie.core.compile.balance.balanced_orders`; empty if it is not balanced.
    unbalanced_because : why a network that might have been balanced is not; empty if it is, or if
        it was asked for as it is.
    run_widths : estimated cycles of a launch by run width, of all that the compiler chose from;
        empty if the width was given. ``config.run_width`` is the chosen one.
    """
    orders: Mapping[str, np.ndarray] = field(default_factory=dict)
    unbalanced_because: str = ""
    run_widths: Mapping[int, float] = field(default_factory=dict)

    @property
    def is_balanced(self) -> bool:
        """Whether the program's network is balanced."""
        return bool(self.orders)


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A network compiled for one configuration.

    Attributes
    ----------
    config : the array.
    network : what was compiled. If it is balanced, the channels of its inner layers are in another
        order than those of the network that was given, see ``choices``.
    vectors : inputs that one launch of the program processes.
    tiles : in the order they run; one per layer if no layer is tiled.
    entries : uint64 [PEs, words], the entry memories.
    pointers : uint32 [PEs, pointers], the column pointers.
    channels : uint64 [PEs, rows], the writeback parameters.
    codebooks : int16 [matrices, 2**code_width]; in the order of the codewords' ranks for huffman.
    run_symbols : uint8 [matrices, 2**run_width], rank -> run, for huffman.
    descriptors : uint64 [tiles, words].
    input_origin : row at which the inputs begin.
    act_rows : rows of activations in use. Memory A begins at row 0, memory B at ``half_rows``.
    act_depth : rows of each activation memory that must exist.
    chains : the layers that run in bands.
    choices : what the compiler chose by itself.
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
    choices: Choices = field(default_factory=Choices)

    def __repr__(self) -> str:
        facts = [f"Program {short_name(self.network.name)}",
                 f"{count_text(len(self.tiles), 'tile')} on {preset_name(self.config)}",
                 f"{self.entries.size:,} words of entries"]
        if self.vectors > 1:
            facts.append(f"{self.vectors} vectors per launch")
        return f"<{', '.join(facts)}>"

    def check_inputs(self, x: npt.ArrayLike) -> np.ndarray:
        """``x`` as the network takes it, int64 [batch, n], in whole launches.

        Raises
        ------
        InputError : not what :meth:`Network.check_inputs` takes, or a batch that is no multiple
            of ``vectors``.
        """
        inputs = self.network.check_inputs(x)
        if len(inputs) % self.vectors:
            raise InputError(f"the program takes {self.vectors} inputs per launch, so the batch "
                             f"must be a multiple of {self.vectors}, not {len(inputs)}")
        return inputs

    def input_records(self, x: np.ndarray) -> np.ndarray:
        """Load records of the inputs x, int64 [vectors, n], of one launch; their order matters.

        A row of mostly zeros is first cleared in all PEs by one record, then its other words are
        written. An image's three channels so take 4 words per pixel, and not one word per PE.
        """
        pes = self.config.pes
        half = half_rows(self.config)
        rows = self.network.layout(INPUT).memory(x, pes).reshape(-1, pes)
        address = np.arange(len(rows)) + self.input_origin
        written = _worth_writing(rows)
        cleared = 1 + written.sum(axis=1) < pes
        written[~cleared] = True

        # Sorted by PE, then by address: on a board's link, consecutive words share a request.
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
        """Load records of the whole program, without its inputs."""
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
    """Mask of the words to send, bool [rows, PEs]. Memory is already zero, so only non-zero words
    are sent, plus gaps of at most ``_GAP`` zeros: a new request would cost more than the zeros."""
    number = np.arange(len(rows))[:, np.newaxis]
    is_set = rows != 0
    # Rows of the last non-zero word up to each row, and of the next one from it on.
    last = np.where(is_set, number, -len(rows) - _GAP)
    last = np.maximum.accumulate(last, axis=0)
    following = np.where(is_set, number, 2 * len(rows) + _GAP)
    following = np.minimum.accumulate(following[::-1], axis=0)[::-1]
    return following - last - 1 <= _GAP


def _records(target: Target, pe: int, data: np.ndarray) -> np.ndarray:
    """Records that write ``data`` to consecutive addresses from 0 on."""
    records = np.zeros(len(data), LOAD_RECORD)
    records["target"] = target
    records["pe"] = pe
    records["address"] = np.arange(len(data))
    records["data"] = data.astype(np.int64).view(np.uint64) if data.dtype.kind == "i" else data
    return records
