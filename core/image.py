# SPDX-License-Identifier: Apache-2.0
"""A program's memory images as they grow, tile by tile."""
from dataclasses import dataclass, field

import numpy as np

from .capacity import Capacity
from .config import ArrayConfig
from .descriptor import TABLE_WORD, descriptor_layout, descriptor_words, encoding_number, pack
from .encoding import Entries, encode_entries, pack_fixed, pack_huffman
from .errors import EncodingError
from .graph import Linear, Network, Pool
from .huffman import CanonicalCode, table_words
from .program import LayerPlan, Program, channel_words
from .schedule import Tile
from .timing import Timing
from .weights import SparseWeights, spread_columns

__all__ = ["Image"]


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

    def place(self, tile: Tile, encoding: str) -> None:
        """Encode a tile's matrix and append it to every memory."""
        config, number = self.config, tile.layer
        layer = self.network.layers[number]
        weights = layer.matrix(self.network.source(number).places(config.pes), config.pes) \
            if isinstance(layer, Pool) else layer.weights
        if encoding != "csr" and len(weights.codebook) > 1 << config.code_width:
            self.capacity.problems.append(f"code_width: layer {layer.name!r} has "
                                          f"{len(weights.codebook)} codebook slots, the array's "
                                          f"codes have {config.code_width} bits")
            return
        columns = self.network.placed_columns(number, config.pes)
        entries = encode_entries(spread_columns(weights, columns), config.pes,
                                 config.max_run)
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
        base = sum(part.shape[1] for part in self.words)
        if not len(entries.run):
            words = words[:, :0]
        fullest = int(pointers[:, -1].argmax())
        self.capacity.need("entry_depth", base + words.shape[1],
                  f"PE {fullest}, up to layer {layer.name!r},")
        plan = self._plan(tile, encoding, entries, codes)
        self.plans.append(plan)
        self.words.append(words)
        self.pointers.append(pointers + np.uint32(base << config.place_width))
        self.channels.append(self._channels(layer, plan))
        self.codebooks.append(codebook)
        self.run_symbols.append(run_symbols)
        fields = vars(plan) | vars(plan.walk) | {
            "encoding": encoding_number(encoding), "vectors": self.vectors * plan.walk.positions}
        self.descriptors.append([pack(word, fields) for word in descriptor_layout(config)] + tables)

    def _codes(self, name: str, weights: SparseWeights,
               entries: Entries) -> tuple[CanonicalCode, CanonicalCode]:
        longest = self.config.max_code_length
        try:
            return (CanonicalCode.of(entries.run, 1 << self.config.run_width, longest),
                    CanonicalCode.of(entries.code, len(weights.codebook), longest))
        except EncodingError as error:
            raise EncodingError(f"layer {name!r}: {error}") from error

    def _plan(self, tile: Tile, encoding: str, entries: Entries, codes: tuple) -> LayerPlan:
        layer, walk, dst_rows = self.network.layers[tile.layer], tile.walk, tile.dst_rows
        # Every column of every vector in turn, with slack for the pipeline, and that twice over.
        work = int((np.maximum(entries.count, 1).max(axis=0) + 8).sum())
        if isinstance(layer, Pool):
            work *= int(np.prod(layer.window.kernel))
        limit = 2 * self.vectors * walk.positions * (
            walk.rows + work + Timing.row * dst_rows + 64) + 1024
        longest = (1 << self.config.counter_width) - 1
        if limit // 2 > longest:
            self.capacity.problems.append(f"counter_width: layer {layer.name!r} may run "
                                          f"{limit // 2:,} cycles, the array counts to "
                                          f"{longest:,}")
        limit = min(limit, longest)
        return LayerPlan(
            name=layer.name, encoding=encoding, relu=layer.relu, inputs=layer.inputs,
            outputs=layer.outputs, channels=layer.channels, columns=entries.count.shape[1],
            walk=walk, local=isinstance(layer, Pool),
            maximum=isinstance(layer, Pool) and layer.reduce == "max", src_rows=walk.rows,
            dst_rows=dst_rows, dst_origin=tile.dst_origin, dst_step=tile.dst_step,
            places=self.network.layout(layer.name).places(self.config.pes), table=tile.layer,
            pointer_base=sum(part.shape[1] for part in self.pointers),
            channel_base=sum(part.shape[1] for part in self.channels), cycle_limit=limit,
            entry_count=entries.count, filler_count=entries.filler_count,
            run_lengths=codes[0] and codes[0].lengths, code_lengths=codes[1] and codes[1].lengths)

    def _channels(self, layer: Linear | Pool, plan: LayerPlan) -> np.ndarray:
        """uint64 [PEs, rows]; places without a channel write 0, which no scan will find."""
        size = plan.dst_rows * self.config.pes
        values = {"bias": np.zeros(size, np.int64), "multiplier": np.ones(size, np.int64),
                  "shift": np.zeros(size, np.int64)}
        for name, row in values.items():
            row[plan.places] = layer.bias(self.config.act_width) \
                if name == "bias" and isinstance(layer, Pool) else getattr(layer, name)
        return np.ascontiguousarray(channel_words(**values).reshape(
            plan.dst_rows, self.config.pes).T)

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
