# SPDX-License-Identifier: Apache-2.0
"""Random columns of entries, packed into words: what the entry reader's tests feed it."""
import numpy as np
from openeie.core.array.config import ENCODINGS
from openeie.core.entries.huffman import CanonicalCode, package_merge, table_words
from openeie.core.numbers.fixed import int_range


class Stream:
    """Columns of random entries in one encoding, packed as docs/architecture.md says.

    Written without :mod:`openeie.core.entries.encoding`, so that a mistake there would show.
    """
    def __init__(self, rng, config, encoding, counts, *, base=0):
        self.config, self.encoding, self.base = config, encoding, base
        low, high = int_range(config.weight_width)
        symbols = {"run": 1 << config.run_width, "code": 1 << config.code_width}
        self.codes = {}
        if encoding == "huffman":
            for name, size in symbols.items():
                skew = 2.0 ** -np.minimum(rng.permutation(size), 30 * rng.random())
                self.codes[name] = CanonicalCode(package_merge(
                    np.ceil(skew * 10**6 * (rng.random(size) < 0.8)).astype(int) + (
                        np.arange(size) == 1), config.max_code_length))
                symbols[name] = len(self.codes[name].ranked)
        self.columns = [[{"run": int(rng.integers(symbols["run"])),
                          "code": int(rng.integers(symbols["code"])),
                          "weight": int(rng.integers(low, high + 1))}
                         for _ in range(count)] for count in counts]
        self.words, self.pointers = self._pack()

    def _bits(self, name, rank):
        code = self.codes[name]
        symbol = code.ranked[rank]
        return f"{code.codewords[symbol]:0{code.lengths[symbol]}b}"

    def _pack(self):
        config, place = self.config, self.config.place_width
        entries = [entry for column in self.columns for entry in column]
        edges = np.cumsum([0, *map(len, self.columns)])
        if self.encoding == "huffman":
            parts = [self._bits("run", e["run"]) + self._bits("code", e["code"])
                     for e in entries]
            ends = np.cumsum([0, *map(len, parts)])
            text = "".join(parts)
            text += "0" * (-len(text) % config.word_width)
            words = [int(text[k:k + config.word_width], 2)
                     for k in range(0, len(text), config.word_width)]
            return words, [(self.base << place) + int(ends[edge]) for edge in edges]
        width, slots = config.entry_widths[self.encoding], config.slots(self.encoding)
        payload = "weight" if self.encoding == "csr" else "code"
        words = [0] * -(-len(entries) // slots)
        for k, entry in enumerate(entries):
            bits = entry["run"] | (entry[payload] << config.run_width) & (1 << width) - 1
            words[k // slots] |= bits << k % slots * width
        return words, [self.base + edge // slots << place | edge % slots
                       for edge in map(int, edges)]

    @property
    def layer(self):
        layer = {"encoding": ENCODINGS.index(self.encoding)}
        if self.codes:
            layer["tables"] = table_words(self.codes["run"], self.codes["code"],
                                          self.config.max_code_length)
        return layer

    def item(self, number, act):
        return {"act": act, "start": self.pointers[number], "end": self.pointers[number + 1],
                "token": 0}


TOKEN = {"act": 0, "start": 0, "end": 0, "token": 1}


def reference(stream, sequence):
    """Entries in order; the accumulator bank changes with every token."""
    wanted, bank = [], 0
    for act, number in enumerate(sequence, start=-7):
        if number is None:
            bank ^= 1
            continue
        for k, entry in enumerate(stream.columns[number]):
            wanted.append({"act": act, "first": int(k == 0), "bank": bank, **entry})
    return wanted


def visible(entries, encoding):
    """The fields that an encoding defines."""
    names = ["act", "run", "first", "bank", "weight" if encoding == "csr" else "code"]
    return [{name: entry[name] for name in names} for entry in entries]


def draw_sequence(rng, columns, tokens=4):
    """Each column at least once, in any order, and tokens, two of them in a row."""
    sequence = [int(c) for c in rng.permutation(columns)] + [int(rng.integers(columns))] * 2
    for place in rng.integers(0, len(sequence) + 1, tokens - 2):
        sequence.insert(int(place), None)
    return [*sequence, None, None]


def draw_counts(rng, columns=12):
    return rng.choice([0, 0, 1, 1, 2, 3, 7, rng.integers(1, 20)], columns).tolist()
