# SPDX-License-Identifier: Apache-2.0
"""The artefact: exact, small, and calm about anything that is not one."""
import dataclasses
import json
import time
import tracemalloc
import zlib

import numpy as np
import openeie
import pytest
import safetensors.numpy
from hypothesis import given, settings
from openeie.core import artefact
from openeie.core.errors import ArtefactError
from openeie.core.payload import encode_payload
from strategies import networks

ARRAYS = ("bias", "multiplier", "shift")


def assert_same(a, b):
    """Every field of two networks."""
    for name in ("name", "act_width", "input_range", "input_scale", "provenance"):
        assert getattr(a, name) == getattr(b, name), name
    assert len(a.layers) == len(b.layers)
    for one, two in zip(a.layers, b.layers):
        for field in dataclasses.fields(one):
            x, y = getattr(one, field.name), getattr(two, field.name)
            if field.name == "weights":
                for part in ("indptr", "rows", "values", "codes", "codebook"):
                    assert np.array_equal(getattr(x, part), getattr(y, part)), part
                assert x.shape == y.shape
            elif field.name in ARRAYS:
                assert np.array_equal(x, y) and x.dtype == y.dtype, field.name
            else:
                assert x == y, field.name


@given(networks())
@settings(max_examples=300)
def test_decoding_gives_exactly_the_same_network_and_the_size_rule_holds(net):
    data = artefact.dumps(net)
    assert_same(artefact.loads(data), net)
    assert artefact.dumps(net) == data
    payload_bits = 8 * sum(len(encode_payload(layer)[1]) for layer in net.layers)
    names = len(json.dumps(net.name)) + len(json.dumps(net.provenance))
    assert len(data) <= 1.03 * payload_bits / 8 + 1024 + names      # these are not the format's


def test_the_shipped_artefact_keeps_the_size_rule():
    path = openeie.shipped("lenet-300-100")
    contents = openeie.inspect(path)
    assert contents.file_bytes == path.stat().st_size <= 30_000
    assert contents.file_bytes <= 1.03 * contents.payload_bytes + 1024


def test_save_is_atomic_and_load_reads_it_back(tmp_path):
    net = openeie.load(openeie.shipped("lenet-300-100"))
    assert openeie.save(net, tmp_path / "x.eie") == (tmp_path / "x.eie").stat().st_size
    assert_same(openeie.load(tmp_path / "x.eie"), net)
    assert [path.name for path in tmp_path.iterdir()] == ["x.eie"]
    with pytest.raises(ArtefactError, match="cannot write"):
        openeie.save(net, tmp_path / "missing" / "x.eie")
    with pytest.raises(ArtefactError, match="cannot read .*nothing.eie: No such file"):
        openeie.load(tmp_path / "nothing.eie")


def small_artefact():
    rng = np.random.default_rng(3)
    codes = rng.integers(1, 16, (30, 20)) * (rng.random((30, 20)) < 0.3)
    layer = openeie.Linear(
        name="fc", weights=openeie.SparseWeights.from_codes(codes, np.arange(16) * 7 - 0),
        bias=rng.integers(-99, 99, 30), multiplier=np.full(30, 9), shift=np.full(30, 3),
        encoding="huffman")
    return artefact.dumps(openeie.Network(name="small", layers=(layer,)))


def mutate(rng, data, source):
    """One damaged file: cut, flipped, overwritten, swapped, or with a hostile header."""
    kind = rng.integers(7)
    data = bytearray(data)
    if kind == 0:
        return bytes(data[:rng.integers(len(data))])
    if kind == 1:
        for _ in range(rng.integers(1, 9)):
            data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        at = int(rng.integers(len(data)))
        data[at:at + int(rng.integers(1, 50))] = rng.bytes(int(rng.integers(0, 60)))
    elif kind == 3:
        size = [0, 1, 1 << 20, 1 << 40, (1 << 64) - 1, len(data)][rng.integers(6)]
        data[:8] = size.to_bytes(8, "little")
    elif kind == 4:
        data += rng.bytes(int(rng.integers(1, 100)))
    else:
        return hostile(rng, bytes(data), source)
    return bytes(data)


def hostile(rng, data, text):
    """A well-formed file with a valid header CRC and a field set to something absurd."""
    header = json.loads(text)
    target = header["layers"][0] if rng.random() < 0.7 else header
    key = rng.choice(sorted(target))
    target[key] = [0, 1, -1, 255, 1 << 19, 1 << 31, 1 << 70, 1e308, None, "x" * 300, [], {},
                   True, "csr", "codebook", [[[]]], float("nan")][rng.integers(17)]
    if rng.random() < 0.1:
        target["surprise"] = 1
    return repack(data, json.dumps(header))


def header_text(data):
    """The JSON inside an artefact."""
    return zlib.decompress(safetensors.numpy.load(data)["header"].tobytes()[4:]).decode()


def repack(data, text):
    """The same file around another header, with a CRC that is right."""
    tensors = safetensors.numpy.load(data)
    deflated = zlib.compress(text.encode())
    stamped = zlib.crc32(deflated).to_bytes(4, "little") + deflated
    tensors["header"] = np.frombuffer(stamped, np.uint8)
    return safetensors.numpy.save(tensors)


def test_20000_damaged_files_give_only_the_documented_error():
    rng = np.random.default_rng(20_000)
    data = small_artefact()
    text = header_text(data)
    original = artefact.loads(data)
    survived, slowest = 0, 0.0
    tracemalloc.start()
    for _ in range(20_000):
        damaged = mutate(rng, data, text)
        began = time.perf_counter()
        try:
            net = artefact.loads(damaged)
        except ArtefactError as error:
            assert 10 < len(str(error)) < 2000
        else:
            survived += 1
            if header_text(damaged) == text:
                assert_same(net, original)
        slowest = max(slowest, time.perf_counter() - began)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20, f"{peak >> 20} MiB"
    assert slowest < 10, f"{slowest:.1f} s for one file"
    assert survived < 4_000, survived           # a hostile scale or name may well be legal


def flip(data, at):
    """The same file with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


@pytest.mark.parametrize(("damage", "message"), [
    (lambda d: b"", "is not an artefact this version can read: SafetensorError"),
    (lambda d: d[:100], "is not an artefact this version can read: SafetensorError"),
    (lambda d: flip(d, 8 + int.from_bytes(d[:8], "little")),
     r"layer 0 \(fc\): CRC-32 is .* the file is damaged"),
    (lambda d: repack(d, "[" * 100_000), "is not an artefact this version can read"),
    (lambda d: repack(d, '{"schema_version":2}'), "schema version 2, this version reads 1"),
    (lambda d: repack(d, "null"), "schema version None"),
    (lambda d: repack(d, '{"schema_version":1,"pad":"' + "x" * (1 << 20) + '"}'),
     "the header has more than 1,048,576 bytes"),
    (lambda d: d.replace(b"header", b"feeder"), "KeyError: 'header'"),
    (lambda d: repack(d, header_text(d).replace('"rows":30', '"rows":"30"')),
     "layers.0.rows: Input should be a valid integer, not '30'"),
])
def test_messages(damage, message):
    with pytest.raises(ArtefactError, match=message):
        artefact.loads(damage(small_artefact()))


def test_a_huge_promise_is_refused_before_memory_is_taken():
    data = small_artefact()
    header = json.loads(header_text(data))
    header["layers"][0] |= {"rows": 1 << 20, "cols": 1 << 20, "entries": 1 << 32,
                            "run_bits": 1 << 32}
    tracemalloc.start()
    with pytest.raises(ArtefactError, match="the payload has .* bytes, its header asks for"):
        artefact.loads(repack(data, json.dumps(header)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20
