# SPDX-License-Identifier: Apache-2.0
"""A program's memory images while they are built: matrix by matrix, then descriptor by
descriptor."""
from dataclasses import dataclass, field

import numpy as np

from ..array.config import ArrayConfig
from ..array.descriptor import (TABLE_WORD, descriptor_layout, descriptor_words, encoding_number,
                                pack)
from ..array.load_port import channel_words
from ..array.timing import Timing
from ..entries.encoding import Entries, encode_entries, pack_fixed, pack_huffman
from ..entries.huffman import CanonicalCode, table_words
from ..errors import EncodingError
from ..network.graph import INPUT, Network
from ..numbers.sparse import SparseWeights, select
from .capacity import Capacity
from .program import Program, TilePlan
from .tile_search import Maps
from .tiles import Tile

__all__ = ["Encoded", "Image"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """A tile's matrix as the PEs of one cluster hold it.

    Attributes
    ----------
    encoding : one of :data:`openeie.core.array.config.ENCODINGS`.
    entries : the matrix as entries, before packing.
    words : uint64 [PEs, words] of entry memory.
    pointers : uint32 [PEs, n + 1], column pointers, counted from the first of these words.
    codebook : int16 [2**code_width], zeros without a codebook.
    run_symbols : uint8 [2**run_width], rank -> run; zeros unless ``huffman``.
    tables : the Huffman words of the descriptor.
    lengths : codeword lengths of runs and of codes, uint8; None unless ``huffman``.
    """
    encoding: str
    entries: Entries
    words: np.ndarray
    pointers: np.ndarray
    codebook: np.ndarray
    run_symbols: np.ndarray
    tables: list[int]
    lengths: tuple[np.ndarray | None, np.ndarray | None]


@dataclass(frozen=True)
class _Place:
    """Where a matrix lies: its first pointer, its first row of channels, and its table."""
    encoded: Encoded
    pointer_base: int
    channel_base: int
    table: int


@dataclass
class Image:
    """The memories of a program that is being built. What does not fit is reported to
    ``capacity``."""
    network: Network
    config: ArrayConfig
    vectors: int
    capacity: Capacity
    plans: list[TilePlan] = field(default_factory=list)
    words: list[np.ndarray] = field(default_factory=list)
    pointers: list[np.ndarray] = field(default_factory=list)
    channels: list[np.ndarray] = field(default_factory=list)
    codebooks: list[np.ndarray] = field(default_factory=list)
    run_symbols: list[np.ndarray] = field(default_factory=list)
    descriptors: list[list[int]] = field(default_factory=list)
    matrices: dict[tuple[int, range], _Place] = field(default_factory=dict)

    def encode(self, tile: Tile, encoding: str) -> Encoded | None:
        """A tile's matrix in an encoding; None, and a problem in ``capacity``, if the array's codes
        are too narrow for its codebook.

        Raises
        ------
        EncodingError : more symbols than Huffman codewords.
        """
        config = self.config
        name = self.network.layers[tile.layer].name
        weights = self._weights(tile)
        if encoding != "csr" and len(weights.codebook) > 1 << config.code_width:
            slots = len(weights.codebook)
            self.capacity.lacks("code_width", (slots - 1).bit_length(),
                                f"layer {name!r} has {slots} codebook slots, the array's "
                                f"codes have {config.code_width} bits")
            return None
        entries = encode_entries(weights, tile.pes(config), config.max_run)
        if encoding == "huffman":
            return self._huffman(name, weights, entries)
        return self._fixed(encoding, weights, entries)

    def _fixed(self, encoding: str, weights: SparseWeights, entries: Entries) -> Encoded:
        """A matrix in ``csr`` or ``codebook``."""
        config = self.config
        words, pointers = pack_fixed(config, encoding, entries)
        codebook = np.zeros(1 << config.code_width, np.int16)
        if encoding == "codebook":
            codebook[:len(weights.codebook)] = weights.codebook
        tables = [0] * (config.max_code_length if config.huffman else 0)
        return Encoded(encoding=encoding, entries=entries, words=_used(words, entries),
                       pointers=pointers, codebook=codebook,
                       run_symbols=np.zeros(1 << config.run_width, np.uint8), tables=tables,
                       lengths=(None, None))

    def _huffman(self, name: str, weights: SparseWeights, entries: Entries) -> Encoded:
        """A matrix in ``huffman``: codebook and runs are in the order of the codewords' ranks."""
        config = self.config
        try:
            run = CanonicalCode.of(entries.run, 1 << config.run_width, config.max_code_length)
            code = CanonicalCode.of(entries.code, len(weights.codebook), config.max_code_length)
        except EncodingError as error:
            raise EncodingError(f"layer {name!r}: {error}") from error
        words, pointers = pack_huffman(config, entries, run, code)
        codebook = np.zeros(1 << config.code_width, np.int16)
        codebook[:len(code.ranked)] = weights.codebook[code.ranked]
        run_symbols = np.zeros(1 << config.run_width, np.uint8)
        run_symbols[:len(run.ranked)] = run.ranked
        tables = [pack(TABLE_WORD, row) for row in table_words(run, code, config.max_code_length)]
        return Encoded(encoding="huffman", entries=entries, words=_used(words, entries),
                       pointers=pointers, codebook=codebook, run_symbols=run_symbols,
                       tables=tables, lengths=(run.lengths, code.lengths))

    def _weights(self, tile: Tile) -> SparseWeights:
        """The tile's part of its layer's matrix, with columns and rows as they are placed."""
        layer = self.network.layers[tile.layer]
        pes = self.config.pes
        source = self.network.source(tile.layer)
        weights = layer.matrix(source, pes)
        if len(tile.part.channels) == layer.channels:
            return weights
        columns = None
        if tile.local:
            # A channel-wise layer reads each channel from the row that the channel lies in, so a
            # slice of it has only the columns of its own rows.
            by_row = np.arange(weights.shape[1]).reshape(-1, source.rows(pes))
            columns = by_row[:, tile.rows.start:tile.rows.stop].reshape(-1)
        rows = range(tile.rows.start * pes, tile.rows.stop * pes)
        return select(weights, rows, columns)

    def _places(self, tile: Tile) -> np.ndarray:
        """Row x PEs + PE of each of the tile's channels, int64 [channels]; rows count from the
        tile's first row of memory."""
        name = self.network.layers[tile.layer].name
        places = self.network.layout(name).places(self.config.pes)
        channels = tile.part.channels
        return places[channels.start:channels.stop] - tile.rows.start * self.config.pes

    def place(self, tile: Tile, encoded: Encoded) -> None:
        """Append a tile's matrix to every memory; all clusters hold the same."""
        name = self.network.layers[tile.layer].name
        word_base = sum(part.shape[1] for part in self.words)
        fullest = int(encoded.pointers[:, -1].argmax())
        self.capacity.need("entry_depth", word_base + encoded.words.shape[1],
                           f"PE {fullest}, up to layer {name!r},")
        self.matrices[tile.matrix] = _Place(
            encoded=encoded,
            pointer_base=sum(part.shape[1] for part in self.pointers),
            channel_base=sum(part.shape[1] for part in self.channels),
            table=len(self.codebooks))
        pointers = encoded.pointers + np.uint32(word_base << self.config.place_width)
        copies = (tile.clusters, 1)
        self.words.append(np.tile(encoded.words, copies))
        self.pointers.append(np.tile(pointers, copies))
        self.channels.append(self._channels(tile))
        self.codebooks.append(encoded.codebook)
        self.run_symbols.append(encoded.run_symbols)

    def describe(self, tile: Tile) -> None:
        """Append the descriptor of a tile whose matrix is already placed."""
        place = self.matrices[tile.matrix]
        plan = self._plan(tile, place)
        self.plans.append(plan)
        fields = vars(plan) | vars(plan.walk) | self._turns(tile) | {
            "encoding": encoding_number(place.encoded.encoding)}
        words = [pack(word, fields) for word in descriptor_layout(self.config)]
        self.descriptors.append(words + place.encoded.tables)

    def _turns(self, tile: Tile) -> dict[str, int]:
        """Descriptor fields that say which cluster computes which positions."""
        vectors = tile.positions
        stride = tile.memory_rows - 1 + tile.dst_step       # from one position to the next
        is_clustered = tile.clusters > 1
        return {"vectors": vectors, "clustered": int(is_clustered),
                "cluster_vectors": vectors // tile.clusters,
                "cluster_more": vectors % tile.clusters,
                "cluster_step": stride if is_clustered else 0,
                "dst_step": tile.clusters * stride - tile.memory_rows + 1}

    def _cycle_limit(self, tile: Tile, place: _Place) -> int:
        """The watchdog's limit: twice an upper estimate of the cycles. Reports a problem to
        ``capacity`` if the estimate is more than the counters can count."""
        layer = self.network.layers[tile.layer]
        # Every column of every vector in turn, with some cycles for the pipeline.
        columns = np.maximum(place.encoded.entries.count, 1).max(axis=0) + 8
        work = int(columns.sum()) * layer.repeats
        turns = -(-tile.positions // tile.clusters)
        each = work + Timing.row * tile.acc_rows(self.config) + 64
        limit = 2 * (tile.positions * tile.walk.rows + turns * each) + 1024
        longest = (1 << self.config.counter_width) - 1
        if limit // 2 > longest:
            self.capacity.lacks("counter_width", (limit // 2).bit_length(),
                                f"layer {layer.name!r} may run {limit // 2:,} cycles, the array "
                                f"counts to {longest:,}")
        return min(limit, longest)

    def _plan(self, tile: Tile, place: _Place) -> TilePlan:
        layer = self.network.layers[tile.layer]
        encoded = place.encoded
        entries = encoded.entries
        run_lengths, code_lengths = encoded.lengths
        copies = (tile.clusters, 1)
        return TilePlan(
            name=tile.part.label(layer.name), part=tile.part, encoding=encoded.encoding,
            relu=layer.relu, inputs=tile.inputs(self.network), channels=tile.channels,
            columns=entries.count.shape[1],
            walk=tile.walk, local=tile.local, maximum=layer.maximum, repeat=layer.repeats > 1,
            clusters=tile.clusters, src_rows=tile.walk.rows,
            acc_rows=tile.acc_rows(self.config), memory_rows=tile.memory_rows,
            dst_origin=tile.dst_origin, dst_step=tile.dst_step, places=self._places(tile),
            table=place.table, pointer_base=place.pointer_base, channel_base=place.channel_base,
            cycle_limit=self._cycle_limit(tile, place),
            entry_count=np.tile(entries.count, copies),
            filler_count=np.tile(entries.filler_count, copies),
            run_lengths=run_lengths, code_lengths=code_lengths)

    def _channels(self, tile: Tile) -> np.ndarray:
        """Writeback parameters, uint64 [PEs, rows]. Places without a channel write 0, which no
        scan finds."""
        layer = self.network.layers[tile.layer]
        pes = tile.pes(self.config)
        rows = tile.acc_rows(self.config)
        places = self._places(tile)
        if tile.clusters > 1:
            # In a cluster, consecutive channels fill the PEs of a row first, then the next row.
            places = np.arange(tile.channels)
        values = {"bias": np.zeros(rows * pes, np.int64),
                  "multiplier": np.ones(rows * pes, np.int64),
                  "shift": np.zeros(rows * pes, np.int64)}
        for name, parameters in layer.writeback(self.config.act_width).items():
            values[name][places] = parameters[list(tile.part.channels)]
        words = channel_words(**values).reshape(rows, pes).T
        return np.ascontiguousarray(np.tile(words, (tile.clusters, 1)))

    def program(self, maps: Maps, act_depth: int) -> Program:
        """The finished program, which uses ``act_depth`` rows of each activation memory."""
        assert all(len(words) == descriptor_words(self.config) for words in self.descriptors)
        words = np.concatenate(self.words, axis=1)
        if not words.shape[1]:
            words = np.zeros((self.config.pes, 1), np.uint64)
        return Program(
            config=self.config, network=self.network, vectors=self.vectors,
            tiles=tuple(self.plans), entries=words,
            pointers=np.concatenate(self.pointers, axis=1),
            channels=np.concatenate(self.channels, axis=1), codebooks=np.stack(self.codebooks),
            run_symbols=np.stack(self.run_symbols),
            descriptors=np.array(self.descriptors, np.uint64),
            input_origin=maps.placements[INPUT].origin, act_rows=maps.rows,
            act_depth=act_depth, chains=maps.chains)


def _used(words: np.ndarray, entries: Entries) -> np.ndarray:
    """The packed words; none for a matrix without entries."""
    return words if len(entries.run) else words[:, :0]
