# SPDX-License-Identifier: Apache-2.0
"""A program decoded from its memory images: entries by column, writeback parameters by row.

Nothing here looks at the network that the program was compiled from, so a wrong image gives wrong
values, as it does in the gateware.
"""
import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...core.array.config import ArrayConfig, half_rows
from ...core.array.descriptor import descriptor_layout, read_descriptor
from ...core.array.load_port import channel_values
from ...core.compile.program import Program
from ...core.compile.unpack import read_pointers, unpack_layer
from ...core.entries.encoding import Entries
from ...core.errors import EncodingError
from ...core.network.address_walk import AddressWalk
from ...core.network.tile_part import Part
from .entry_columns import Columns, columns_of_entries, columns_of_words
from .native.library import library
from .recurrence_state import Shape

__all__ = ["DecodedTile", "DecodedPart", "decode", "decode_tile"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedPart:
    """What the PEs that share a broadcast hold of a tile.

    Attributes
    ----------
    counts, fillers : int32 [n, PEs], entries of each column and PE, and fillers among them.
    indptr : int64 [n + 1]; column j has the weights ``indptr[j]:indptr[j + 1]``, no fillers.
    rows, weights : [weights], output channel and weight; see :class:`Columns`.
    bias, multiplier, shift : int64 [m].
    """
    counts: np.ndarray
    fillers: np.ndarray
    indptr: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray

    @property
    def pes(self) -> int:
        """Number of PEs that share the broadcast."""
        return self.counts.shape[1]

    @property
    def channels(self) -> int:
        """m: rows x PEs, including places without a channel."""
        return len(self.bias)

    @cached_property
    def used(self) -> np.ndarray:
        """Columns that have a weight, int64 [used]."""
        return np.flatnonzero(np.diff(self.indptr))

    @cached_property
    def dense(self) -> np.ndarray:
        """The weights of these columns as a matrix, float64 [used, m]."""
        matrix = np.zeros((len(self.used), self.channels))
        column = np.repeat(np.arange(len(self.used)), np.diff(self.indptr)[self.used])
        matrix[column, self.rows] = self.weights
        return matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedTile:
    """One tile, ready to be executed.

    Attributes
    ----------
    name, part : see :class:`TilePlan`.
    relu : whether negative outputs become 0.
    vectors : matrix-vector products of a launch: positions of all its inputs.
    walk : which rows of activations the scan reads when.
    dst_origin, dst_step, cluster_step : where its outputs go, as the descriptor says.
    places : see :class:`TilePlan`.
    local : every PE takes its own activations. Where there are fewer columns than rows of a
        position, the columns serve all its pixels.
    maximum : an accumulator keeps the largest product instead of the sum.
    shape : what the recurrence needs to know.
    memory_rows : rows of memory of a position's outputs.
    parts : one, or in a clustered tile one for each cluster.
    counts, fillers : those of all parts, int32 [parts, n, PEs of a part].
    """
    name: str
    part: Part
    relu: bool
    vectors: int
    walk: AddressWalk
    dst_origin: int
    dst_step: int
    cluster_step: int
    places: np.ndarray
    local: bool
    maximum: bool
    shape: Shape
    memory_rows: int
    parts: tuple[DecodedPart, ...]
    counts: np.ndarray
    fillers: np.ndarray


def _channels(program: Program, base: int, rows: int, pes: range) -> dict[str, np.ndarray]:
    """Bias, multiplier and shift of each row of each PE as the array applies them, int64 [m].

    base, rows : first row in the channel memories, and number of rows.
    """
    row, pe = np.divmod(np.arange(rows * len(pes)), len(pes))
    return channel_values(program.channels[pes.start + pe, base + row].astype(np.uint64))


def _walk(config: ArrayConfig, number: int, fields: dict[str, int]) -> AddressWalk:
    """The walk of tile ``number``. Arrays without convolutions read their halves in turn."""
    if not config.conv:
        return AddressWalk.of_vector(fields["src_rows"], half_rows(config) * (number % 2))
    names = [field.name for field in dataclasses.fields(AddressWalk)]
    return AddressWalk(**{name: fields[name] for name in names})


def _part(program: Program, name: str, columns: Columns, fields: dict[str, int], pes: range
          ) -> DecodedPart:
    """What consecutive PEs hold of the tile ``name``."""
    size = fields["acc_rows"] * len(pes)
    if len(columns.rows) and columns.rows.max() >= size:
        raise EncodingError(f"layer {name}: the image holds an entry of row {columns.rows.max()}, "
                            f"but the layer has {size} rows")
    channels = _channels(program, fields["channel_base"], fields["acc_rows"], pes)
    return DecodedPart(**columns._asdict(), **channels)


def _columns(program: Program, number: int, parts: list[range]) -> list[Columns]:
    """The columns of tile ``number``, for the PEs of each part."""
    encoding, table, pointers = read_pointers(program, number)
    if encoding != "huffman" and library() is not None:
        return [columns_of_words(program.config, encoding, program.entries[pes.start:pes.stop],
                                 pointers[pes.start:pes.stop], program.codebooks[table])
                for pes in parts]
    entries = unpack_layer(program, number)
    edges = np.concatenate([[0], np.cumsum(entries.count.sum(axis=1))])
    return [_columns_of_pes(entries, pes, slice(edges[pes.start], edges[pes.stop]))
            for pes in parts]


def _columns_of_pes(entries: Entries, pes: range, mine: slice) -> Columns:
    """The columns of consecutive PEs, whose entries are ``mine`` of all."""
    return columns_of_entries(Entries(
        count=np.ascontiguousarray(entries.count[pes.start:pes.stop]), run=entries.run[mine],
        value=entries.value[mine], filler=entries.filler[mine]))


def _parts(program: Program, number: int, fields: dict[str, int], known: dict[bytes, tuple]
           ) -> tuple[DecodedPart, ...]:
    """The parts of tile ``number``.

    ``known`` has those of other tiles, by everything that decoding depends on.
    """
    config = program.config
    plan = program.tiles[number]
    size = config.cluster_pes if fields.get("clustered") else config.pes
    tables = program.descriptors[number, len(descriptor_layout(config)):]
    dependencies = [fields[name] for name in (
        "pointer_base", "channel_base", "acc_rows", "encoding", "table")]
    key = repr([plan.columns, size, *dependencies]).encode() + tables.tobytes()
    if key not in known:
        ranges = [range(first, first + size) for first in range(0, config.pes, size)]
        known[key] = tuple(_part(program, plan.name, columns, fields, pes)
                           for columns, pes in zip(_columns(program, number, ranges), ranges))
    return known[key]


def decode_tile(program: Program, number: int, known: dict[bytes, tuple] | None = None
                ) -> DecodedTile:
    """Tile ``number`` decoded from the images.

    known : tiles that are decoded with the same dictionary share equal parts.

    Raises
    ------
    EncodingError : an entry lies outside the matrix, or the scan reads other columns than there
        are, so the image cannot be this program's.
    """
    plan = program.tiles[number]
    config = program.config
    fields = read_descriptor(config, program.descriptors[number])
    is_local = bool(fields.get("local"))
    if is_local:
        columns = fields["pixel_rows"] if fields["repeat"] else fields["src_rows"]
        if columns != plan.columns:
            raise EncodingError(f"layer {plan.name}: the descriptor makes the scan go through "
                                f"{columns} columns, but the layer has {plan.columns}")
    parts = _parts(program, number, fields, {} if known is None else known)
    shape = Shape(src_rows=fields["src_rows"], acc_rows=fields["acc_rows"],
                  lanes=1 if is_local else config.pes, acc_banks=config.acc_banks,
                  queue_depth=config.queue_depth)
    return DecodedTile(
        name=plan.name, part=plan.part, relu=bool(fields["relu"]), vectors=fields["vectors"],
        walk=_walk(config, number, fields),
        dst_origin=fields.get("dst_origin", half_rows(config) * (1 - number % 2)),
        dst_step=fields.get("dst_step", 1), cluster_step=fields.get("cluster_step", 0),
        places=plan.places, local=is_local, maximum=bool(fields.get("maximum")), shape=shape,
        memory_rows=-(-fields["acc_rows"] // len(parts)), parts=parts,
        counts=_joined([part.counts for part in parts]),
        fillers=_joined([part.fillers for part in parts]))


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Arrays as one with a new first axis; a single one, which may be large, is not copied."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def decode(program: Program) -> tuple[DecodedTile, ...]:
    """All tiles; give them to :func:`openeie.sim.fast.fast.run` to decode once for many runs.

    Raises
    ------
    EncodingError : as :func:`decode_tile`.
    """
    known: dict[bytes, tuple] = {}
    return tuple(decode_tile(program, number, known) for number in range(len(program.tiles)))
