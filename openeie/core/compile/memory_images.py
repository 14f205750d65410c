# SPDX-License-Identifier: Apache-2.0
"""A program's memory images as they grow, matrix by matrix, and its descriptors, tile by tile."""
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
from .program import TilePlan, Program
from .tile_search import Maps
from .tiles import Tile

__all__ = ["Encoded", "Image"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """A tile's matrix as the PEs of one cluster hold it.

    Attributes
    ----------
    encoding, entries : what is encoded, and how.
    words : uint64 [PEs, words] of entry memory; pointers : uint32 [PEs, n + 1], from word 0.
    codebook, run_symbols : its tables; tables : its Huffman words in the descriptor.
    lengths : codeword lengths of runs and codes, None unless ``huffman``.
    """
    encoding: str
    entries: Entries
    words: np.ndarray
    pointers: np.ndarray
    codebook: np.ndarray
    run_symbols: np.ndarray
    tables: list[int]
    lengths: tuple


@dataclass(frozen=True)
class _Place:
    """A matrix in the memories: its first pointer and channel, and its table."""
    encoded: Encoded
    pointer_base: int
    channel_base: int
    table: int


@dataclass
class Image:
    """The program as it grows; what does not fit is left to ``capacity``."""
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

    def encode(self, tile: Tile, encoding: str) -> "Encoded | None":
        """A tile's matrix in an encoding; None, and a problem, if the array cannot have it."""
        config, layer = self.config, self.network.layers[tile.layer]
        weights = self._weights(tile)
        if encoding != "csr" and len(weights.codebook) > 1 << config.code_width:
            slots = len(weights.codebook)
            self.capacity.lacks("code_width", (slots - 1).bit_length(),
                                f"layer {layer.name!r} has {slots} codebook slots, the array's "
                                f"codes have {config.code_width} bits")
            return None
        entries = encode_entries(weights, tile.pes(config), config.max_run)
        codebook = np.zeros(1 << config.code_width, np.int16)
        run_symbols = np.zeros(1 << config.run_width, np.uint8)
        tables: list[int] = [0] * (config.max_code_length if config.huffman else 0)
        codes: tuple = (None, None)
        if encoding == "huffman":
            run, code = codes = self._codes(layer.name, weights, entries)
            words, pointers = pack_huffman(config, entries, run, code)
            codebook[:len(code.ranked)] = weights.codebook[code.ranked]
            run_symbols[:len(run.ranked)] = run.ranked
            tables = [pack(TABLE_WORD, row)
                      for row in table_words(run, code, config.max_code_length)]
        else:
            words, pointers = pack_fixed(config, encoding, entries)
            if encoding == "codebook":
                codebook[:len(weights.codebook)] = weights.codebook
        if not len(entries.run):
            words = words[:, :0]
        return Encoded(encoding=encoding, entries=entries, words=words, pointers=pointers,
                       codebook=codebook, run_symbols=run_symbols, tables=tables,
                       lengths=tuple(code and code.lengths for code in codes))

    def _weights(self, tile: Tile) -> SparseWeights:
        """The tile's part of its layer's matrix as it is placed. A channel by itself reads the row
        that it lies in, so that a slice of such a layer has the columns of its own rows."""
        layer, pes = self.network.layers[tile.layer], self.config.pes
        source = self.network.source(tile.layer)
        weights = layer.matrix(source, pes)
        if len(tile.part.channels) == layer.channels:
            return weights
        columns = None
        if tile.local:
            columns = np.arange(weights.shape[1]).reshape(-1, source.rows(pes))[
                :, tile.rows.start:tile.rows.stop].reshape(-1)
        return select(weights, range(tile.rows.start * pes, tile.rows.stop * pes), columns)

    def _places(self, tile: Tile) -> np.ndarray:
        """Row x PEs + PE of each of the tile's channels among its rows of memory, int64
        [channels]."""
        places = self.network.layout(self.network.layers[tile.layer].name).places(self.config.pes)
        channels = tile.part.channels
        return places[channels.start:channels.stop] - tile.rows.start * self.config.pes

    def place(self, tile: Tile, encoded: Encoded) -> None:
        """Append a tile's matrix to every memory; clusters hold the same."""
        config, pointers = self.config, encoded.pointers
        base = sum(part.shape[1] for part in self.words)
        fullest = int(pointers[:, -1].argmax())
        self.capacity.need("entry_depth", base + encoded.words.shape[1],
                           f"PE {fullest}, up to layer {self.network.layers[tile.layer].name!r},")
        self.matrices[tile.matrix] = _Place(
            encoded, sum(part.shape[1] for part in self.pointers),
            sum(part.shape[1] for part in self.channels), len(self.codebooks))
        copies = (tile.clusters, 1)
        self.words.append(np.tile(encoded.words, copies))
        self.pointers.append(np.tile(pointers + np.uint32(base << config.place_width), copies))
        self.channels.append(self._channels(tile))
        self.codebooks.append(encoded.codebook)
        self.run_symbols.append(encoded.run_symbols)

    def describe(self, tile: Tile) -> None:
        """Append the descriptor of a tile whose matrix has its place."""
        place = self.matrices[tile.matrix]
        plan = self._plan(tile, place)
        self.plans.append(plan)
        fields = vars(plan) | vars(plan.walk) | self._turns(tile) | {
            "encoding": encoding_number(place.encoded.encoding)}
        self.descriptors.append([pack(word, fields) for word in descriptor_layout(self.config)]
                                + place.encoded.tables)

    def _turns(self, tile: Tile) -> dict[str, int]:
        """The fields of a descriptor that say which positions come when."""
        vectors, stride = tile.positions, tile.memory_rows - 1 + tile.dst_step
        clustered = tile.clusters > 1
        return {"vectors": vectors, "clustered": int(clustered),
                "cluster_vectors": vectors // tile.clusters,
                "cluster_more": vectors % tile.clusters, "cluster_step": stride * clustered,
                "dst_step": tile.clusters * stride - tile.memory_rows + 1}

    def _codes(self, name: str, weights: SparseWeights,
               entries: Entries) -> tuple[CanonicalCode, CanonicalCode]:
        longest = self.config.max_code_length
        try:
            return (CanonicalCode.of(entries.run, 1 << self.config.run_width, longest),
                    CanonicalCode.of(entries.code, len(weights.codebook), longest))
        except EncodingError as error:
            raise EncodingError(f"layer {name!r}: {error}") from error

    def _plan(self, tile: Tile, place: _Place) -> TilePlan:
        layer, walk, encoded = self.network.layers[tile.layer], tile.walk, place.encoded
        acc_rows, copies = tile.acc_rows(self.config), (tile.clusters, 1)
        entries = encoded.entries
        # Every column of every vector in turn, with slack for the pipeline, and that twice over.
        work = int((np.maximum(entries.count, 1).max(axis=0) + 8).sum()) * layer.repeats
        limit = 2 * (tile.positions * walk.rows + -(-tile.positions // tile.clusters) * (
            work + Timing.row * acc_rows + 64)) + 1024
        longest = (1 << self.config.counter_width) - 1
        if limit // 2 > longest:
            self.capacity.lacks("counter_width", (limit // 2).bit_length(),
                                f"layer {layer.name!r} may run {limit // 2:,} cycles, the array "
                                f"counts to {longest:,}")
        return TilePlan(
            name=tile.part.label(layer.name), part=tile.part, encoding=encoded.encoding,
            relu=layer.relu, inputs=tile.inputs(self.network), channels=tile.channels,
            columns=entries.count.shape[1],
            walk=walk, local=tile.local, maximum=layer.maximum, repeat=layer.repeats > 1,
            clusters=tile.clusters, src_rows=walk.rows,
            acc_rows=acc_rows, memory_rows=tile.memory_rows, dst_origin=tile.dst_origin,
            dst_step=tile.dst_step, places=self._places(tile), table=place.table,
            pointer_base=place.pointer_base, channel_base=place.channel_base,
            cycle_limit=min(limit, longest),
            entry_count=np.tile(entries.count, copies),
            filler_count=np.tile(entries.filler_count, copies),
            run_lengths=encoded.lengths[0], code_lengths=encoded.lengths[1])

    def _channels(self, tile: Tile) -> np.ndarray:
        """uint64 [PEs, rows]; places without a channel write 0, which no scan will find."""
        layer, pes, rows = self.network.layers[tile.layer], tile.pes(self.config), tile.acc_rows(
            self.config)
        # In a cluster, channels follow one another from PE to PE, and only then from row to row.
        places = np.arange(tile.channels) if tile.clusters > 1 else self._places(tile)
        size, some = rows * pes, list(tile.part.channels)
        values = {"bias": np.zeros(size, np.int64), "multiplier": np.ones(size, np.int64),
                  "shift": np.zeros(size, np.int64)}
        for name, parameters in layer.writeback(self.config.act_width).items():
            values[name][places] = parameters[some]
        words = channel_words(**values).reshape(rows, pes).T
        return np.ascontiguousarray(np.tile(words, (tile.clusters, 1)))

    def program(self, maps: Maps, act_depth: int) -> Program:
        """The finished images, with ``act_depth`` of each activation memory in use."""
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
