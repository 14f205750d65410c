# SPDX-License-Identifier: Apache-2.0
"""A program as its memory images spell it out: entries by column, writeback parameters by row.

Nothing here looks at the network the program was compiled from, so that a wrong image gives
wrong values, as it does in the gateware.
"""
import dataclasses
from dataclasses import dataclass

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
from .recurrence import Shape

__all__ = ["DecodedTile", "DecodedPart", "decode", "decode_tile"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedPart:
    """What the PEs that share a broadcast hold of a layer.

    Attributes
    ----------
    counts, fillers : int32 [n, PEs], entries of each column and PE, and fillers among them.
    indptr : int64 [n + 1]; column j has the weights ``indptr[j]:indptr[j + 1]``, no fillers.
    rows, weights : [entries], output channel and weight; see :class:`Columns`.
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
        """How many PEs share the broadcast."""
        return self.counts.shape[1]

    @property
    def channels(self) -> int:
        """m, places without a channel included."""
        return len(self.bias)


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedTile:
    """One tile, ready to be executed.

    Attributes
    ----------
    name, part : see :class:`TilePlan`.
    relu, walk, shape, vectors : what the descriptor says; vectors: positions of all its inputs.
    dst_origin, dst_step, cluster_step : where its outputs go, see the descriptor.
    places : see :class:`TilePlan`.
    local, maximum : every PE takes its own activations; the largest product counts. Where the
        columns of a pixel are fewer than the rows of a position, they serve all its pixels.
    memory_rows : rows of memory of a position's outputs.
    parts : one, or in a clustered layer one for each cluster.
    counts, fillers : those of all parts, int32 [parts, n, PEs of one].
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
    """Bias, multiplier and shift of each row of each PE as the array applies them, int64 [m]."""
    row, pe = np.divmod(np.arange(rows * len(pes)), len(pes))
    return channel_values(program.channels[pes.start + pe, base + row].astype(np.uint64))


def _walk(config: ArrayConfig, layer: int, fields: dict[str, int]) -> AddressWalk:
    if not config.conv:
        return AddressWalk.of_vector(fields["src_rows"], half_rows(config) * (layer % 2))
    names = [field.name for field in dataclasses.fields(AddressWalk)]
    return AddressWalk(**{name: fields[name] for name in names})


def _part(program: Program, name: str, columns: Columns, fields: dict[str, int], pes: range
          ) -> DecodedPart:
    """The part of consecutive PEs."""
    size = fields["acc_rows"] * len(pes)
    if len(columns.rows) and columns.rows.max() >= size:
        raise EncodingError(f"layer {name}: the image holds an entry of row {columns.rows.max()}, "
                            f"but the layer has {size} rows")
    return DecodedPart(**columns._asdict(), **_channels(
        program, fields["channel_base"], fields["acc_rows"], pes))


def _columns(program: Program, layer: int, parts: list[range]) -> list[Columns]:
    """What the PEs of each part hold of a tile."""
    encoding, table, pointers = read_pointers(program, layer)
    if encoding != "huffman":
        return [columns_of_words(program.config, encoding, program.entries[pes.start:pes.stop],
                                 pointers[pes.start:pes.stop], program.codebooks[table])
                for pes in parts]
    entries = unpack_layer(program, layer)
    edges = np.concatenate([[0], np.cumsum(entries.count.sum(axis=1))])
    result = []
    for pes in parts:
        mine = slice(edges[pes.start], edges[pes.stop])
        result.append(columns_of_entries(Entries(
            count=np.ascontiguousarray(entries.count[pes.start:pes.stop]), run=entries.run[mine],
            value=entries.value[mine], filler=entries.filler[mine])))
    return result


def _parts(program: Program, layer: int, fields: dict[str, int], known: dict[bytes, tuple]
           ) -> tuple[DecodedPart, ...]:
    """The parts of a tile; ``known`` has those of other tiles, by what decoding depends on."""
    config, plan = program.config, program.tiles[layer]
    size = config.cluster_pes if fields.get("clustered") else config.pes
    tables = program.descriptors[layer, len(descriptor_layout(config)):]
    key = repr([plan.columns, size, *(fields[name] for name in (
        "pointer_base", "channel_base", "acc_rows", "encoding", "table"))]).encode() \
        + tables.tobytes()
    if key not in known:
        parts = [range(first, first + size) for first in range(0, config.pes, size)]
        known[key] = tuple(_part(program, plan.name, columns, fields, pes)
                           for columns, pes in zip(_columns(program, layer, parts), parts))
    return known[key]


def decode_tile(program: Program, layer: int, known: dict | None = None) -> DecodedTile:
    """Tile number ``layer`` out of the images; tiles decoded with one dictionary ``known`` share
    what is the same.

    Raises
    ------
    EncodingError : an entry lies outside the matrix, or the scan goes through other columns than
        there are, so the image cannot be this program's.
    """
    plan, config = program.tiles[layer], program.config
    fields = read_descriptor(config, program.descriptors[layer])
    if fields.get("local"):
        columns = fields["pixel_rows"] if fields["repeat"] else fields["src_rows"]
        if columns != plan.columns:
            raise EncodingError(f"layer {plan.name}: the descriptor makes the scan go through "
                                f"{columns} columns, but the layer has {plan.columns}")
    parts = _parts(program, layer, fields, {} if known is None else known)
    return DecodedTile(
        name=plan.name, part=plan.part, relu=bool(fields["relu"]), vectors=fields["vectors"],
        walk=_walk(config, layer, fields),
        dst_origin=fields.get("dst_origin", half_rows(config) * (1 - layer % 2)),
        dst_step=fields.get("dst_step", 1), cluster_step=fields.get("cluster_step", 0),
        places=plan.places,
        local=bool(fields.get("local")), maximum=bool(fields.get("maximum")),
        shape=Shape(src_rows=fields["src_rows"], acc_rows=fields["acc_rows"],
                    lanes=1 if fields.get("local") else config.pes,
                    acc_banks=config.acc_banks, queue_depth=config.queue_depth),
        memory_rows=-(-fields["acc_rows"] // len(parts)), parts=parts,
        counts=_joined([part.counts for part in parts]),
        fillers=_joined([part.fillers for part in parts]))


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """As one array; a single one is large and stays where it is."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def decode(program: Program) -> tuple[DecodedTile, ...]:
    """All tiles; :func:`openeie.sim.fast.fast.run` takes them, to decode once for many runs."""
    known: dict = {}
    return tuple(decode_tile(program, layer, known) for layer in range(len(program.tiles)))
