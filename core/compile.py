# SPDX-License-Identifier: Apache-2.0
"""Network -> program: choose encodings, prove the accumulators, place everything."""
from dataclasses import dataclass, field

import numpy as np

from .bounds import accumulator_needs
from .config import ENCODINGS, ArrayConfig
from .encoding import Entries, encode_entries, pack_fixed, pack_huffman
from .errors import CapacityError, EncodingError, InputError
from .fixed import int_range
from .graph import INPUT, Conv, Linear, Network, Pool
from .huffman import CanonicalCode, table_words
from .memory import Placement, place_maps
from .descriptor import TABLE_WORD, descriptor_layout, descriptor_words, encoding_number, pack
from .program import LayerPlan, Program, channel_words
from .timing import Timing
from .walk import Walk
from .weights import SparseWeights, spread_columns

__all__ = ["compile_network"]


def compile_network(network: Network, config: ArrayConfig, *, vectors: int = 1,
                    encoding: str | None = None) -> Program:
    """Compile ``network`` for the array ``config``.

    Parameters
    ----------
    vectors : inputs of one start; while a vector is written back the next is accumulated.
    encoding : use this one for every layer instead of the layers' own.

    Raises
    ------
    CapacityError : everything that does not fit, with what is needed and available.
    InputError : a bad argument, or an encoding that a layer or the configuration cannot have.
    """
    if not isinstance(vectors, int) or not 1 <= vectors < 1 << 16:
        raise InputError(f"vectors must be in 1 .. 65535, not {vectors!r}")
    names = [_encoding(layer, config, encoding) for layer in network.layers]
    if network.branches and not config.conv:
        raise InputError(f"layer {network.branches[0]!r} does not read the layer before it, which "
                         f"needs an array with conv among its operations")
    placements, act_rows = place_maps(network, config, vectors)
    image = _Image(network, config, vectors, placements, act_rows)
    image.check_shapes()
    image.prove_accumulators()
    image.refuse()                  # before encoding: these do not depend on it
    for layer, name in zip(network.layers, names):
        image.place(layer, name)
    image.refuse()
    return image.program()


def _encoding(layer: Linear | Pool, config: ArrayConfig, override: str | None) -> str:
    operation = {Conv: "conv", Pool: "pool"}.get(type(layer), "linear")
    if operation not in config.operations:
        raise InputError(f"layer {layer.name!r} is of the kind {operation}, but the array runs "
                         f"only {', '.join(config.operations)} layers; choose a configuration "
                         f"with {operation} among its operations")
    # A pool's ones take any encoding.
    name = override or (config.encodings[0] if isinstance(layer, Pool) else layer.encoding)
    if name not in ENCODINGS:
        raise InputError(f"encoding must be one of {', '.join(ENCODINGS)}, not {name!r}")
    if name not in config.encodings:
        raise InputError(f"layer {layer.name!r} is encoded as {name}, but the array has only "
                         f"{', '.join(config.encodings)}; choose one of them with encoding=, or "
                         f"another configuration")
    if name != "csr" and isinstance(layer, Linear) and layer.weights.codebook is None:
        raise InputError(f"layer {layer.name!r} has its weights in place; encode it as csr")
    return name


@dataclass
class _Image:
    """The program as it grows; problems are collected and reported together."""
    network: Network
    config: ArrayConfig
    vectors: int
    placements: dict[str, Placement]
    act_rows: int
    act_depth: int = 0
    problems: list[str] = field(default_factory=list)
    plans: list[LayerPlan] = field(default_factory=list)
    words: list[np.ndarray] = field(default_factory=list)
    pointers: list[np.ndarray] = field(default_factory=list)
    channels: list[np.ndarray] = field(default_factory=list)
    codebooks: list[np.ndarray] = field(default_factory=list)
    run_symbols: list[np.ndarray] = field(default_factory=list)
    descriptors: list[list[int]] = field(default_factory=list)

    def need(self, name: str, needed: int, where: str) -> None:
        """Record a problem unless field ``name`` of the configuration is at least ``needed``."""
        available = getattr(self.config, name)
        if needed > available:
            self.problems.append(f"{name}: {where} needs {needed:,}, the array has "
                                 f"{available:,}")

    def refuse(self) -> None:
        """Raise what was recorded."""
        if self.problems:
            raise CapacityError(f"network {self.network.name!r} does not fit: "
                                + "; ".join(self.problems))

    def walk(self, number: int) -> Walk:
        """How the scan reads what a layer needs."""
        layer, names = self.network.layers[number], self.network.sources(number)
        source = self.network.source(number)
        first, rows = self.placements[names[0]], source.rows(self.config.pes)
        if isinstance(layer, (Conv, Pool)):
            return Walk.of_window(layer.window, rows, first.origin, first.stride)
        if source.pixels > 1 and first.stride != rows:
            raise InputError(f"layer {layer.name!r} is linear and reads a map that is part of a "
                             f"concatenation; make it a convolution with a kernel of the whole map")
        return Walk.of_vector(source.pixels * rows, first.origin)

    def dst_rows(self, layer: Linear | Pool) -> int:
        """Rows of one position of a layer's output."""
        return self.network.layout(layer.name).rows(self.config.pes)

    def _need_activations(self) -> None:
        """Room for all maps of one time, or, without convolutions, for each in its memory."""
        if self.config.conv:
            needs = {"the maps of one time, in two memories,": -(-self.act_rows // 2)}
        else:
            layouts = {name: self.network.layout(name)
                       for name in (INPUT, *(layer.name for layer in self.network.layers))}
            needs = {"the input" if name == INPUT else f"layer {name!r}'s output":
                     self.vectors * layout.pixels * layout.rows(self.config.pes)
                     for name, layout in layouts.items()}
        self.act_depth = max(needs.values())
        for where, needed in needs.items():
            self.need("act_depth", needed, where)

    def check_shapes(self) -> None:
        """What follows from the layers' sizes alone."""
        config, layers = self.config, self.network.layers
        if self.network.act_width != config.act_width:
            self.problems.append(f"act_width: the network has {self.network.act_width} bits, the "
                                 f"array {config.act_width}")
        self.need("max_layers", len(layers), "the network")
        self.need("pointer_depth", sum(
            int(self.network.placed_columns(number, config.pes)[-1]) + 2
            for number in range(len(layers))), "all layers")
        self.need("channel_depth", sum(map(self.dst_rows, layers)), "all layers")
        self._need_activations()
        for number, layer in enumerate(layers):
            where = f"layer {layer.name!r}"
            self.need("acc_depth", self.dst_rows(layer), where)
            if self.vectors * layer.positions >= 1 << 16:
                self.problems.append(f"vectors: {where} has {layer.positions:,} positions for each "
                                     f"of {self.vectors} inputs, the array counts to 65,535")
            low, high = int_range(config.weight_width)
            values = np.ones(1) if isinstance(layer, Pool) else layer.weights.values
            if len(values) and (values.min() < low or values.max() > high):
                self.problems.append(f"weight_width: {where} has weights {values.min()} .. "
                                     f"{values.max()}, {config.weight_width} bits hold "
                                     f"{low} .. {high}")
            if max(self.walk(number).rows, self.dst_rows(layer)) >= 1 << 16:
                self.problems.append(f"pes: {where} has 65536 or more rows per PE")

    def prove_accumulators(self) -> None:
        """No partial sum, with or without bias, may leave the accumulator."""
        for name, bits, least, greatest in accumulator_needs(self.network):
            self.need("acc_width", bits, f"layer {name!r} (sums from {least:,} to {greatest:,})")

    def place(self, layer: Linear | Pool, encoding: str) -> None:
        """Encode a layer and append it to every memory."""
        config = self.config
        number = len(self.plans)
        weights = layer.matrix(self.network.source(number).places(config.pes), config.pes) \
            if isinstance(layer, Pool) else layer.weights
        if encoding != "csr" and len(weights.codebook) > 1 << config.code_width:
            self.problems.append(f"code_width: layer {layer.name!r} has "
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
        self.need("entry_depth", base + words.shape[1],
                  f"PE {fullest}, up to layer {layer.name!r},")
        plan = self._plan(layer, encoding, entries, codes)
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

    def _plan(self, layer: Linear | Pool, encoding: str, entries: Entries,
              codes: tuple) -> LayerPlan:
        number = len(self.plans)
        walk, dst_rows = self.walk(number), self.dst_rows(layer)
        target = self.placements[layer.name]
        # Every column of every vector in turn, with slack for the pipeline, and that twice over.
        work = int((np.maximum(entries.count, 1).max(axis=0) + 8).sum())
        if isinstance(layer, Pool):
            work *= int(np.prod(layer.window.kernel))
        limit = 2 * self.vectors * walk.positions * (
            walk.rows + work + Timing.row * dst_rows + 64) + 1024
        longest = (1 << self.config.counter_width) - 1
        if limit // 2 > longest:
            self.problems.append(f"counter_width: layer {layer.name!r} may run {limit // 2:,} "
                                 f"cycles, the array counts to {longest:,}")
        limit = min(limit, longest)
        return LayerPlan(
            name=layer.name, encoding=encoding, relu=layer.relu, inputs=layer.inputs,
            outputs=layer.outputs, channels=layer.channels, columns=entries.count.shape[1],
            walk=walk, local=isinstance(layer, Pool),
            maximum=isinstance(layer, Pool) and layer.reduce == "max", src_rows=walk.rows,
            dst_rows=dst_rows, dst_origin=target.origin, dst_step=target.stride - dst_rows + 1,
            places=self.network.layout(layer.name).places(self.config.pes), table=number,
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

    def program(self) -> Program:
        """The finished images."""
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
            input_origin=self.placements[INPUT].origin, act_rows=self.act_rows,
            act_depth=self.act_depth)
