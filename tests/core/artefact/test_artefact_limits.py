# SPDX-License-Identifier: Apache-2.0
"""The artefact at its limits: what may not be written, bombs, long messages, the size rule."""
import dataclasses
import json
import os
import tracemalloc

import numpy as np
import openeie
import pytest
from openeie.core.artefact import artefact
from openeie.core.artefact.payload import encode_payload
from openeie.core.errors import ArtefactError
from support.damage import EMPTY, assert_same, forge, header_text, repack, small_artefact


def test_many_wide_layers_take_no_memory():
    """Each claims a million columns in a few bytes: 8 MiB of pointers, a thousand times."""
    count = 1024
    data = forge([EMPTY | {"cols": 1 << 20}] * count, [b"\0\1\0\0"] * count)
    assert len(data) < 150_000
    tracemalloc.start()
    with pytest.raises(ArtefactError, match="layer 1 takes 1048576 inputs, 'l0' gives 1"):
        artefact.loads(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20, f"{peak >> 20} MiB"


def test_memory_follows_the_entries():
    """Two bits an entry is the most a file can promise: 64 bytes of memory for each."""
    rows = 512
    entries = rows * rows
    payload = bytes(entries // 4) + np.array([0, 5, 6], "<i2").tobytes() + b"\x11\x10\x01" \
        + bytes(rows) + b"\x01\x00\x00"
    data = forge([EMPTY | {"rows": rows, "cols": rows, "encoding": "huffman", "codebook": 3,
                           "entries": entries, "run_bits": entries, "code_bits": entries}],
                 [payload])
    tracemalloc.start()
    assert artefact.loads(data).layers[0].weights.nnz == entries
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # One chunk of the decoder (2**18 bit positions) is the larger part at this size.
    assert peak < 64 * entries + (32 << 20), f"{peak >> 20} MiB"


@pytest.mark.parametrize("where", ["provenance", "layers", "name"])
def test_nesting_of_any_depth_is_no_crash(where):
    data = small_artefact()
    fields = json.loads(header_text(data))
    fields[where] = {"a": "@"} if where == "provenance" else "@"
    text = json.dumps(fields)
    for depth in [*range(100, 1400, 20), 50_000, 400_000]:
        damaged = repack(data, text.replace('"@"', "[" * depth + "]" * depth))
        try:
            artefact.dumps(artefact.loads(damaged))
        except ArtefactError as error:
            assert len(str(error)) < 600


def test_messages_stay_short_whatever_the_file_says():
    data = small_artefact()
    text, long = header_text(data), "k" * 400_000
    for bad in (text.replace('"rows":30', f'"rows":30,"{long}":1'),
                text.replace('"rows":30', f'"rows":"{long}"'),
                text.replace('"rows":30', f'"{long}":1,"{long}":2'),
                f'{{"schema_version":"{long}"}}'):
        with pytest.raises(ArtefactError) as caught:
            artefact.loads(repack(data, bad))
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize(("provenance", "message"), [
    ({1: 2}, "provenance must hold plain JSON values under text keys"),
    ({"a": float("nan")}, "Out of range float values"),
    ({"a": "x" * (1 << 20)}, "its header has .* bytes, at most 1,048,576 are read; shorten the"),
    ({"a": {1, 2}}, "set is not JSON serializable"),
    ({"a": "\ud800"}, "surrogates not allowed"),
])
def test_what_cannot_come_back_is_not_written(provenance, message):
    net = dataclasses.replace(artefact.loads(small_artefact()), provenance=provenance)
    with pytest.raises(ArtefactError, match=f"network 'small' cannot be written: .*{message}"):
        artefact.dumps(net)


def test_tuples_come_back_as_lists():
    net = dataclasses.replace(artefact.loads(small_artefact()), provenance={"a": ({"b": (1,)},)})
    assert artefact.loads(artefact.dumps(net)).provenance == {"a": [{"b": [1]}]}


def test_a_failed_save_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken.eie").mkdir()
    with pytest.raises(ArtefactError, match="cannot write .*taken.eie"):
        openeie.save(artefact.loads(small_artefact()), tmp_path / "taken.eie")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.eie"]


def test_an_endless_file_is_not_read_to_its_end(monkeypatch, tmp_path):
    with pytest.raises(ArtefactError, match="cannot read /dev/zero: it must be a regular file, not "
                                            "a device; give the path of an"):
        artefact.load("/dev/zero")
    monkeypatch.setattr(artefact, "MAX_FILE_BYTES", 100)
    (tmp_path / "x.eie").write_bytes(bytes(101))
    with pytest.raises(ArtefactError, match="x.eie: it has more than the 100 bytes that are read"):
        artefact.load(tmp_path / "x.eie")
    with pytest.raises(ArtefactError, match="it has 101 bytes, at most 100 are read"):
        artefact.loads(bytes(101))


def layers(count, rng):
    """Layers of one weight each, scales with all their digits: nothing but overhead."""
    return tuple(openeie.Linear(
        name=f"fc{k}", weights=openeie.SparseWeights.from_codes([[1]], [0, 5]), bias=[0],
        multiplier=[1], shift=[0], encoding="huffman", weight_scale=float(rng.random()),
        output_scale=float(rng.random())) for k in range(count))


@pytest.mark.parametrize(("count", "provenance"), [(8, False), (2, True)])
def test_the_size_rule_without_a_payload_to_hide_behind(count, provenance, rng):
    """1 KiB is enough for 8 layers, or for 2 and all that the shipped network says of itself."""
    shipped = openeie.load(openeie.shipped("lenet-300-100")).provenance
    assert len(json.dumps(shipped)) >= 500
    net = openeie.Network(name="net", layers=layers(count, rng),
                          provenance=shipped if provenance else {})
    payload = sum(len(encode_payload(layer)[1]) for layer in net.layers)
    assert len(artefact.dumps(net)) <= 1.03 * payload + 1024


@pytest.mark.parametrize("field", ["name", "encoding", "relu", "bias", "multiplier", "shift",
                                   "weight_scale", "output_scale", "weights"])
def test_the_comparison_of_networks_sees_every_field(field):
    net = artefact.loads(small_artefact())
    layer = net.layers[0]
    other = {"name": "other", "encoding": "csr", "relu": False, "bias": layer.bias + 1,
             "multiplier": layer.multiplier + 1, "shift": layer.shift + 1, "weight_scale": 2.0,
             "output_scale": 2.0, "weights": openeie.SparseWeights.from_codes(
                 np.roll(np.eye(30, 20, dtype=int), 1, axis=0), layer.weights.codebook)}[field]
    changed = dataclasses.replace(layer, **{field: other})
    with pytest.raises(AssertionError):
        assert_same(net, dataclasses.replace(net, layers=(changed,)))


def test_files_are_written_with_ordinary_permissions(tmp_path):
    openeie.save(artefact.loads(small_artefact()), tmp_path / "x.eie")
    assert os.stat(tmp_path / "x.eie").st_mode & 0o777 == 0o644


def test_the_order_of_provenance_does_not_change_the_bytes():
    net = artefact.loads(small_artefact())
    one, two = (artefact.dumps(dataclasses.replace(net, provenance=dict(pairs)))
                for pairs in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)]))
    assert one == two


def test_more_layers_than_a_header_may_name_are_refused():
    with pytest.raises(ArtefactError, match="layers: List should have at most 1024 items"):
        artefact.loads(forge([EMPTY] * 1025, [b"\0\1\0\0"] * 1025))
    assert len(artefact.loads(forge([EMPTY] * 1024, [b"\0\1\0\0"] * 1024)).layers) == 1024
