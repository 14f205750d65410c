# SPDX-License-Identifier: Apache-2.0
"""A program's memory images as they grow, tile by tile."""
from dataclasses import dataclass, field

import numpy as np

from .capacity import Capacity
from .config import ArrayConfig
from .descriptor import TABLE_WORD, descriptor_layout, descriptor_words, encoding_number, pack
from .encoding import Entries, encode_entries, pack_fixed, pack_huffman
from .errors import EncodingError
from .graph import Network
from .huffman import CanonicalCode, table_words
from .program import LayerPlan, Program, channel_words
from .schedule import Tile
from .timing import Timing
from .weights import SparseWeights

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


@dataclass
class Image:
    """The program as it grows; what does not fit is left to ``capacity``."""
    network: Network
    config: ArrayConfig
    vectors: int
    capacity: Capacity
    plans: list[LayerPlan] = field(default_factory=list)
    words: list[np.ndarray] = field(default_factory=list)
    pointers: list[np.ndarray] = field(default_factory=list)
    channels: list[np.ndarray] = field(default_factory=list)
    codebooks: list[np.ndarray] = field(default_factory=list)
    run_symbols: list[np.ndarray] = field(default_factory=list)
    descriptors: list[list[int]] = field(default_factory=list)

    def encode(self, tile: Tile, encoding: str) -> "Encoded | None":
        """A tile's matrix in an encoding; None, and a problem, if the array cannot have it."""
        config, number, pes = self.config, tile.layer, tile.pes(self.config)
        layer = self.network.layers[number]
        weights = layer.matrix(self.network.source(number), config.pes)
        if encoding != "csr" and len(weights.codebook) > 1 << config.code_width:
            self.capacity.problems.append(f"code_width: layer {layer.name!r} has "
                                          f"{len(weights.codebook)} codebook slots, the array's "
                                          f"codes have {config.code_width} bits")
            return None
        entries = encode_entries(weights, pes, config.max_run)
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

    def place(self, tile: Tile, encoded: "Encoded") -> None:
        """Append a tile to every memory; clusters hold the same."""
        config, pointers = self.config, encoded.pointers
        base = sum(part.shape[1] for part in self.words)
        fullest = int(pointers[:, -1].argmax())
        self.capacity.need("entry_depth", base + encoded.words.shape[1],
                           f"PE {fullest}, up to layer {self.network.layers[tile.layer].name!r},")
        plan = self._plan(tile, encoded)
        self.plans.append(plan)
        copies = (tile.clusters, 1)
        self.words.append(np.tile(encoded.words, copies))
        self.pointers.append(np.tile(pointers + np.uint32(base << config.place_width), copies))
        self.channels.append(self._channels(tile))
        self.codebooks.append(encoded.codebook)
        self.run_symbols.append(encoded.run_symbols)
        fields = vars(plan) | vars(plan.walk) | self._turns(tile) | {
            "encoding": encoding_number(encoded.encoding)}
        self.descriptors.append([pack(word, fields) for word in descriptor_layout(config)]
                                + encoded.tables)

    def _turns(self, tile: Tile) -> dict[str, int]:
        """The fields of a descriptor that say which positions come when."""
        vectors, stride = self.vectors * tile.walk.positions, tile.dst_rows - 1 + tile.dst_step
        clustered = tile.clusters > 1
        return {"vectors": vectors, "clustered": int(clustered),
                "cluster_vectors": vectors // tile.clusters,
                "cluster_more": vectors % tile.clusters, "cluster_step": stride * clustered,
                "dst_step": tile.clusters * stride - tile.dst_rows + 1}

    def _codes(self, name: str, weights: SparseWeights,
               entries: Entries) -> tuple[CanonicalCode, CanonicalCode]:
        longest = self.config.max_code_length
        try:
            return (CanonicalCode.of(entries.run, 1 << self.config.run_width, longest),
                    CanonicalCode.of(entries.code, len(weights.codebook), longest))
        except EncodingError as error:
            raise EncodingError(f"layer {name!r}: {error}") from error

    def _plan(self, tile: Tile, encoded: "Encoded") -> LayerPlan:
        layer, walk, acc_rows = self.network.layers[tile.layer], tile.walk, tile.acc_rows(
            self.config)
        entries, copies = encoded.entries, (tile.clusters, 1)
        # Every column of every vector in turn, with slack for the pipeline, and that twice over.
        work = int((np.maximum(entries.count, 1).max(axis=0) + 8).sum()) * layer.repeats
        limit = 2 * self.vectors * walk.positions * (
            walk.rows + work + Timing.row * acc_rows + 64) + 1024
        longest = (1 << self.config.counter_width) - 1
        if limit // 2 > longest:
            self.capacity.problems.append(f"counter_width: layer {layer.name!r} may run "
                                          f"{limit // 2:,} cycles, the array counts to "
                                          f"{longest:,}")
        limit = min(limit, longest)
        return LayerPlan(
            name=layer.name, encoding=encoded.encoding, relu=layer.relu, inputs=layer.inputs,
            outputs=layer.outputs, channels=layer.channels, columns=entries.count.shape[1],
            walk=walk, local=tile.local, maximum=layer.maximum, repeat=layer.repeats > 1,
            clusters=tile.clusters, src_rows=walk.rows,
            dst_rows=acc_rows, out_rows=tile.dst_rows, dst_origin=tile.dst_origin,
            dst_step=tile.dst_step,
            places=self.network.layout(layer.name).places(self.config.pes), table=tile.layer,
            pointer_base=sum(part.shape[1] for part in self.pointers),
            channel_base=sum(part.shape[1] for part in self.channels), cycle_limit=limit,
            entry_count=np.tile(entries.count, copies),
            filler_count=np.tile(entries.filler_count, copies),
            run_lengths=encoded.lengths[0], code_lengths=encoded.lengths[1])

    def _channels(self, tile: Tile) -> np.ndarray:
        """uint64 [PEs, rows]; places without a channel write 0, which no scan will find."""
        layer, pes, rows = self.network.layers[tile.layer], tile.pes(self.config), tile.acc_rows(
            self.config)
        # In a cluster, channels follow one another from PE to PE, and only then from row to row.
        places = np.arange(tile.channels) if tile.clusters > 1 \
            else self.network.layout(layer.name).places(pes)
        size = rows * pes
        values = {"bias": np.zeros(size, np.int64), "multiplier": np.ones(size, np.int64),
                  "shift": np.zeros(size, np.int64)}
        for name, parameters in layer.writeback(self.config.act_width).items():
            values[name][places] = parameters
        words = channel_words(**values).reshape(rows, pes).T
        return np.ascontiguousarray(np.tile(words, (tile.clusters, 1)))

    def program(self, *, input_origin: int, act_rows: int, act_depth: int) -> Program:
        """The finished images; where the maps lie is the caller's to say."""
        assert all(len(words) == descriptor_words(self.config) for words in self.descriptors)
        words = np.concatenate(self.words, axis=1)
        if not words.shape[1]:
            words = np.zeros((self.config.pes, 1), np.uint64)
        return Program(
            config=self.config, network=self.network, vectors=self.vectors,
            layers=tuple(self.plans), entries=words,
            pointers=np.concatenate(self.pointers, axis=1),
            channels=np.concatenate(self.channels, axis=1), codebooks=np.stack(self.codebooks),
            run_symbols=np.stack(self.run_symbols),
            descriptors=np.array(self.descriptors, np.uint64),
            input_origin=input_origin, act_rows=act_rows, act_depth=act_depth)
