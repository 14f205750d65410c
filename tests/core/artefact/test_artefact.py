# SPDX-License-Identifier: Apache-2.0
"""The artefact: exact, small, and calm about anything that is not one."""
import json
import time
import tracemalloc
import zlib

import numpy as np
import openeie
import pytest
from support.damage import (assert_same, flip, header_text, mutate, repack, small_artefact,
                            whole_network, with_header)
from hypothesis import given, settings
from openeie.core.artefact import artefact
from openeie.core.artefact.payload import encode_payload
from openeie.core.errors import ArtefactError
from support.strategies import networks


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


@pytest.mark.slow
@pytest.mark.parametrize(("data", "count"), [
    (small_artefact(), 4_000), (artefact.dumps(whole_network()), 16_000)],
    ids=["one layer", "every kind"])
def test_20000_damaged_files_give_only_the_documented_error(data, count):
    rng = np.random.default_rng(20_000)
    text = header_text(data)
    original = artefact.loads(data)
    survived, slowest, peak = 0, 0.0, 0
    for number in range(count):
        damaged = mutate(rng, data, text)
        if number % 10 == 0:                # to watch memory doubles the time
            tracemalloc.start()
        began = time.perf_counter()
        try:
            net = artefact.loads(damaged)
        except ArtefactError as error:
            assert 10 < len(str(error)) < 2000
        else:
            survived += 1
            if header_text(damaged) == text:
                assert_same(net, original)
            elif survived % 50 == 0:        # what was accepted is a network like any other
                assert_same(artefact.loads(artefact.dumps(net)), net)
        slowest = max(slowest, time.perf_counter() - began)
        if number % 10 == 0:
            peak = max(peak, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peak < 100 << 20, f"{peak >> 20} MiB"
    assert slowest < 10, f"{slowest:.1f} s for one file"
    assert survived < 0.2 * count, survived     # a hostile scale or name may well be legal


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
    (lambda d: d.replace(b"header", b"feeder"), "it has no tensor 'header'"),
    (lambda d: repack(d, header_text(d), extra=np.zeros(3, np.uint8)),
     "it has 2 payloads for 1 layers that have one"),
    (lambda d: repack(d, header_text(d), **{"0": np.zeros((3, 5), np.uint8)}),
     r"its tensors must be vectors of bytes \(U8\)"),
    (lambda d: repack(d, header_text(d), **{"0": np.zeros(30, np.float32)}),
     r"its tensors must be vectors of bytes \(U8\)"),
    (lambda d: with_header(d, zlib.compress(header_text(d).encode())[:-5]),
     "the header is cut short, or something follows it"),
    (lambda d: with_header(d, zlib.compress(header_text(d).encode()) + b"more"),
     "the header is cut short, or something follows it"),
    (lambda d: repack(d, header_text(d).replace('"rows":30', '"rows":29,"rows":30')),
     "key 'rows' occurs twice"),
    (lambda d: repack(d, header_text(d).replace('"provenance":{}', '"provenance":{"a":NaN}')),
     "a number must be finite, not NaN"),
    (lambda d: repack(d, header_text(d).replace('"provenance":{}', '"provenance":{"a":1e999}')),
     "a number must be finite, not 1e999"),
    (lambda d: repack(d, header_text(d).replace('"small"', '"\\ud800"')), "surrogates not allowed"),
    (lambda d: repack(d, header_text(d).replace('"rows":30', '"rows":30,"x":1')),
     "layers.0.x: Extra inputs are not permitted, not 1"),
    (lambda d: repack(d, header_text(d).replace('"run_width":', '"run_width":1')),
     "layers.0.run_width: Input should be less than or equal to 8"),
    (lambda d: repack(d, header_text(d).replace('"rows":30', '"rows":"30"')),
     "layers.0.rows: Input should be a valid integer, not '30'"),
])
def test_messages(damage, message):
    with pytest.raises(ArtefactError, match=message):
        artefact.loads(damage(small_artefact()))


def test_a_huge_promise_is_refused_before_memory_is_taken():
    data = small_artefact()
    header = json.loads(header_text(data))
    header["layers"][0] |= {"rows": 1 << 16, "cols": 1 << 16, "entries": 1 << 26,
                            "run_bits": 1 << 32}
    tracemalloc.start()
    with pytest.raises(ArtefactError, match="the payload has .* bytes, its header asks for"):
        artefact.loads(repack(data, json.dumps(header)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20
