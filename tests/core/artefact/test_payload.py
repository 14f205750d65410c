# SPDX-License-Identifier: Apache-2.0
"""Payloads of an artefact: long codewords, wide gaps, and streams that lie."""
import tracemalloc
from collections import Counter

import numpy as np
import openeie
import pytest
from openeie.core.artefact import artefact
from openeie.core.artefact.payload import encode_payload
from openeie.core.errors import ArtefactError
from support.damage import EMPTY, assert_same, forge


def huffman(bits, *, entries, run_bits, runs=b"\x11", codes=b"\x10\x01"):
    """A 4 x 4 layer of run width 1 and three slots whose entry stream is ``bits``."""
    payload = np.packbits(bits).tobytes() + np.array([0, 5, 6], "<i2").tobytes() + runs + codes \
        + bytes(4) + b"\x01\x00\x00"
    return forge([EMPTY | {"rows": 4, "cols": 4, "encoding": "huffman", "entries": entries,
                           "codebook": 3, "run_bits": run_bits,
                           "code_bits": len(bits) - run_bits}], [payload])


def test_the_forger_can_make_a_good_file():
    """Otherwise the refusals below would prove nothing."""
    net = artefact.loads(huffman([0, 1, 1, 0], entries=2, run_bits=2))
    assert net.layers[0].weights.dense().T.reshape(-1).tolist() == [6, 0, 5] + [0] * 13
    assert artefact.loads(forge([EMPTY], [b"\0\1\0\0"])).layers[0].weights.nnz == 0


@pytest.mark.parametrize(("data", "message"), [
    (huffman([0, 1, 1, 0], entries=2, run_bits=1), r"has 1 \+ 3 bits, its entries take 2 \+ 2"),
    (huffman([0, 1, 1, 0], entries=1, run_bits=2), r"has 2 \+ 2 bits, its entries take 1 \+ 1"),
    (huffman([0, 1, 1] * 2, entries=3, run_bits=2, codes=b"\x21\x02"),
     "the entry stream ends 1 entries early"),
    (huffman([0] * 17, entries=9, run_bits=8), "9 entries cannot take 17 bits"),
    (huffman([0] * 61, entries=2, run_bits=30), "2 entries cannot take 61 bits"),
    # Run 0 alone has a codeword, 0: a 1 is none. Then no run has one.
    (huffman([1, 0] * 8, entries=1, run_bits=1, runs=b"\x01"), "bits that are not a codeword"),
    (huffman([0, 0] * 8, entries=1, run_bits=1, runs=b"\x00"), "bits that are not a codeword"),
    (huffman([0, 0], entries=1, run_bits=1, runs=b"\x21"), "do not form a complete prefix code"),
    (huffman([0] * 32, entries=17 - 1, run_bits=16)[:-1], "SafetensorError"),
    (huffman([1, 0] * 9, entries=9, run_bits=9), "an entry points to weight 17 of 16"),
    (forge([EMPTY | {"entries": 1, "run_bits": 1, "code_bits": 16}], [bytes(3) + b"\0\1\0\0"]),
     "a weight of 0 is not stored"),
    (forge([EMPTY | {"entries": 1, "run_bits": 16, "code_bits": 1}], [bytes(3) + b"\0\1\0\0"]),
     r"1 entries of 1 \+ 16 bits are not 16 \+ 1 bits"),
    (forge([EMPTY | {"entries": 1, "run_bits": 1, "code_bits": 16}],
           [b"\0\0\xff" + b"\0\1\0\0"]), "the bits behind the entry stream must be 0"),
    (forge([EMPTY | {"codebook": 2}], [b"\1\0\0\0" + b"\0\1\0\0"]), "slot 0 holding 0"),
    (forge([EMPTY | {"cols": 9}, EMPTY | {"cols": 2}], [b"\0\1\0\0"] * 2),
     "layer 1 takes 2 inputs, 'l0' gives 1"),
    (forge([EMPTY | {"rows": 1 << 17, "cols": 1 << 17}], [b"\0\1\0\0"]),
     "layer 0 has 131,072 x 131,072 weights, at most 4,294,967,296 are read"),
    (forge([EMPTY | {"entries": (1 << 26) + 1}], [b"\0\1\0\0"]),
     "it has 67,108,865 entries, at most 67,108,864 are read"),
    (forge([EMPTY], [b"\0\0\0\0"]), "multiplier must be in 1 .. 32767, not 0 .. 0"),
    (forge([EMPTY], [b"\0\1\0\x3f"]), "shift must be in 0 .. 62, not 63 .. 63"),
])
def test_a_stream_that_lies_is_refused(data, message):
    with pytest.raises(ArtefactError, match=message):
        artefact.loads(data)


def test_a_nearly_empty_layer_is_written_in_little_memory():
    """Runs of one bit would need eight million fillers here; they are not even tried."""
    weights = np.zeros((4096, 4096), np.int8)
    weights[-1, -1] = 1
    layer = openeie.Linear(name="l", weights=openeie.SparseWeights.from_dense(weights),
                           bias=np.zeros(4096, int), multiplier=np.ones(4096, int),
                           shift=np.zeros(4096, int), encoding="csr")
    del weights
    tracemalloc.start()
    shape, _ = encode_payload(layer)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (shape.run_width, shape.entries) == (8, 1 << 16)
    assert peak < 20 << 20, f"{peak >> 20} MiB"


def test_codewords_of_every_length_come_back():
    """Fibonacci frequencies want a codeword a bit longer for each symbol; 15 bits bound them."""
    counts = [1, 1]
    while len(counts) < 17:
        counts.append(counts[-1] + counts[-2])
    codes = np.repeat(np.arange(1, 18), counts)
    runs = np.repeat(np.minimum(np.arange(17), 14), counts)
    place = np.cumsum(runs + 1) - 1
    rows = 200
    matrix = np.zeros(-(-int(place[-1] + 1) // rows) * rows, int)
    matrix[place] = codes
    layer = openeie.Linear(
        name="l", weights=openeie.SparseWeights.from_codes(matrix.reshape(-1, rows).T,
                                                           np.arange(18)),
        bias=np.zeros(rows, int), multiplier=np.ones(rows, int), shift=np.zeros(rows, int),
        encoding="huffman")
    shape, payload = encode_payload(layer)
    assert shape.entries == len(codes)
    sections = shape.sections(rows)
    lengths = payload[sections["entries"] + sections["codebook"]:][:sections["run_lengths"] +
                                                                   sections["code_lengths"]]
    nibbles = Counter(nibble for byte in lengths for nibble in (byte & 15, byte >> 4))
    assert max(nibbles) == 15 and set(range(1, 16)) <= set(nibbles)
    net = openeie.Network(name="n", layers=(layer,))
    assert_same(artefact.loads(artefact.dumps(net)), net)
