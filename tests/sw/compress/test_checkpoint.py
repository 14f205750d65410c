# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what is kept comes back, and nothing else is taken for it."""
import os
import re

import pytest
import safetensors.torch
import torch
from openeie.core.errors import ArtefactError, InputError
from openeie.sw.compress.checkpoint import Checkpoints, StepState, digest

RUN = {"seed": 1, "data": "0" * 64}
KEYS = {"float": {"train": {"epochs": 3}}, "prune": {"prune": {"keep": 0.5}}}


def state():
    return StepState(notes={"float": {"error": 0.1}, "none": None}).after(
        model={"a": torch.randn(3, 4), "b.c": torch.arange(5), "scalar": torch.tensor(2.5)},
        other={"bytes": torch.arange(3, dtype=torch.uint8)})


def same(one, other):
    return one.notes == other.notes and digest(one.tensors) == digest(other.tensors)


def test_what_is_kept_comes_back(tmp_path):
    before, store = state(), Checkpoints(tmp_path / "new", RUN, KEYS)
    assert store.load(1, "float") is None
    store.save(1, "float", before)
    again = Checkpoints(tmp_path / "new", RUN, KEYS).load(1, "float")
    assert same(again, before) and again.part("model").keys() == {"a", "b.c", "scalar"}
    first, second = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert re.fullmatch("01-float-[0-9a-f]{12}.safetensors", first) and second == "run.json"


def test_parts_are_replaced_and_copied():
    first = state()
    weight = torch.ones(2)
    second = first.after(notes={"x": 1}, model={"w": weight})
    weight += 1
    assert second.part("model").keys() == {"w"} and second.part("model")["w"].tolist() == [1, 1]
    assert second.part("other").keys() == {"bytes"} and "x" not in first.notes


@pytest.mark.parametrize("changes, message", [
    ({"seed": 2}, "seed is 2, and was 1; give another folder"),
    ({"data": "1" * 64}, "data is 111111111111..., and was 000000000000..."),
])
def test_another_run_is_refused_and_nothing_changed(tmp_path, changes, message):
    Checkpoints(tmp_path, RUN, KEYS).save(1, "float", state())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=f"checkpoints of another run: {message}"):
        Checkpoints(tmp_path, RUN | changes, KEYS)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("changed, kept", [
    ({"float": {"train": {"epochs": 4}}}, []), ({"prune": {"prune": {"keep": 0.4}}}, ["float"]),
    ({"quantise": {"quantise": {"act_width": 8}}}, ["float", "prune"])])
def test_a_step_is_known_by_its_own_keys_and_those_before_it(tmp_path, changed, kept):
    store = Checkpoints(tmp_path, RUN, KEYS)
    for number, name in enumerate(KEYS, 1):
        store.save(number, name, state())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    other = Checkpoints(tmp_path, RUN, KEYS | changed)
    assert [name for number, name in enumerate(KEYS, 1) if other.load(number, name)] == kept
    for number, name in enumerate(KEYS, 1):
        if name not in kept:
            other.save(number, name, state())
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path, monkeypatch):
    store = Checkpoints(tmp_path, RUN, KEYS)

    def full(descriptor):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="cannot keep checkpoints in .*: No space left"):
        store.save(1, "float", state())
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.fixture
def saved(tmp_path):
    """A folder with one checkpoint, and that file."""
    store = Checkpoints(tmp_path, RUN, KEYS)
    store.save(1, "float", state())
    return store, next(tmp_path.glob("01-float-*"))


@pytest.mark.parametrize("damage", [
    lambda sound: sound[:-1], lambda sound: sound[:40], lambda sound: b"",
    lambda sound: sound[:-3] + b"abc", lambda sound: bytes(len(sound))],
    ids=["cut", "header cut", "empty", "values", "zeros"])
def test_damage_is_seen(saved, damage):
    store, path = saved
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtefactError, match="01-float-.*safetensors .*remove it, and the step"):
        store.load(1, "float")


@pytest.mark.parametrize("notes", ["[" * 100_000, '{"a": 1e400}', "9" * 5000],
                         ids=["deep", "infinite", "long"])
def test_notes_that_cannot_be(saved, notes):
    store, path = saved
    path.write_bytes(safetensors.torch.save({}, {"notes": notes, "digest": "0"}))
    with pytest.raises(ArtefactError, match="01-float-.*safetensors cannot be read: its notes"):
        store.load(1, "float")


def test_other_files_in_place_of_a_checkpoint(saved, tmp_path):
    store, path = saved
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ArtefactError, match="it must be a regular file, not a pipe"):
        store.load(1, "float")
    path.unlink()
    other = Checkpoints(tmp_path / "other", RUN | {"seed": 2}, KEYS)
    other.save(1, "float", state())
    path.write_bytes(next((tmp_path / "other").glob("01-float-*")).read_bytes())
    with pytest.raises(ArtefactError, match="is damaged, or of another run"):
        store.load(1, "float")


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot keep checkpoints in .*file: "):
        Checkpoints(tmp_path / "file", RUN, KEYS)
    (tmp_path / "model.safetensors").write_text("")
    with pytest.raises(InputError, match="has no run.json but model.safetensors"):
        Checkpoints(tmp_path, RUN, KEYS)
    (tmp_path / "run.json").write_bytes(b"{\xff}")
    with pytest.raises(InputError, match="run.json is damaged, no text in UTF-8; give another"):
        Checkpoints(tmp_path, RUN, KEYS)
    (tmp_path / "run.json").write_text("[")
    with pytest.raises(InputError, match="its run.json cannot be read"):
        Checkpoints(tmp_path, RUN, KEYS)
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="its run.json cannot be read"):
        Checkpoints(tmp_path, RUN, KEYS)
    (tmp_path / "run.json").unlink()
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(InputError, match="run.json: it must be a regular file, not a pipe; give"):
        Checkpoints(tmp_path, RUN, KEYS)
