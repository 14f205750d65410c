# SPDX-License-Identifier: Apache-2.0
"""Targets of ``fuzz.py``: readers of text, journals, checkpoints and artefacts.

A target is a tuple: a name, which is also the name of the file; a function from a random generator
to the bytes of a valid file; a function that reads the file and returns something to compare; and
whether the format has a check of its own, so that a damaged file must never give another result.
Large libraries are imported by the targets that need them.
"""
import hashlib
import json
import os
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import safetensors.numpy

from openeie.core.array.config import PRESETS, preset
from openeie.core.artefact import artefact
from openeie.core.host.journal import dump_lines
from openeie.sim.random.networks import draw_network

__all__ = ["TARGETS"]

_OWNER = "the fuzzer's"


def toml_config(rng) -> bytes:
    """An array in TOML."""
    fields = preset(str(rng.choice(list(PRESETS)))).to_dict()
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items()).encode()


def json_config(rng) -> bytes:
    """An array in JSON."""
    return json.dumps(preset(str(rng.choice(list(PRESETS)))).to_dict(), indent=1).encode()


def read_config(path: Path):
    """As ``-c FILE`` does."""
    from openeie.cli.common import resolve_config
    return resolve_config(str(path), None)


def sweep(rng) -> bytes:
    """A sweep: a grid and two layers."""
    queues = sorted({int(depth) for depth in rng.integers(1, 64, 3)})
    return (f'base = "EIE16"\nseed = {rng.integers(99)}\nmhz = 8.5e2\n[set]\nacc_banks = 2\n'
            f'[grid]\npes = [1, 4]\nqueue_depth = {queues}\nencodings = [["csr"], ["codebook"]]\n'
            f'[[layer]]\nname = "fc6"\ninputs = 96\noutputs = 40\nweight_density = 0.09\n'
            f'act_density = 0.35\nvectors = 2\n[[layer]]\nname = "b"\ninputs = 8\noutputs = 4\n'
            f'weight_density = 1\nact_density = 1\n').encode()


def read_sweep(path: Path):
    """As ``openeie sweep FILE`` does, without running it."""
    from openeie.sim.study.grid import read_sweep
    return read_sweep(path, {}).model_dump()


def recipe(rng) -> bytes:
    """A recipe in the package."""
    import openeie
    folder = Path(openeie.__file__).parent / "sw" / "recipes"
    return rng.choice(sorted(folder.glob("*.toml"))).read_bytes()


def read_recipe(path: Path):
    """As ``openeie compress --recipe FILE`` does."""
    from openeie.sw.compress.recipe_file import read_recipe
    return read_recipe(path).model_dump()


@cache
def _small_sweep():
    """A sweep of a few points, and its finished journal."""
    import tempfile

    from openeie.sim.study.grid import RandomLayer, Sweep
    from openeie.sim.study.sweep import run_sweep
    sweep = Sweep(base="EIE16", grid={"pes": [1, 2], "queue_depth": [1, 8]}, layer=[RandomLayer(
        name="a", inputs=20, outputs=12, weight_density=0.3, act_density=0.5)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.jsonl"
        for _ in range(2):              # the second run writes a line for each point
            run_sweep(sweep, {}, journal=path)
        return sweep, path.read_bytes()


def sweep_journal(rng) -> bytes:
    """The journal of a sweep, without some of its points."""
    _, data = _small_sweep()
    head, *lines = data.splitlines(keepends=True)
    return head + b"".join(line for line in lines if rng.random() < 0.8)


def read_sweep_journal(path: Path):
    """The table of the sweep that continues from there."""
    from openeie.sim.study.sweep import run_sweep
    return run_sweep(_small_sweep()[0], {}, journal=path)


_OUTCOMES = [{"name": name, "result": "passed", "message": f"{count} words, all equal",
              "seconds": count / 8} for count, name in enumerate(("link", "memory", "errors"))]


def regression_journal(rng) -> bytes:
    """The journal of a hardware regression after one to three checks."""
    return dump_lines(_OWNER, _OUTCOMES[:int(rng.integers(1, 4))]).encode()


def read_regression_journal(path: Path):
    """The outcomes that would be shown: those in the journal, the others from new checks."""
    from openeie.boards.regression_journal import Outcome, RegressionJournal
    passed = RegressionJournal(path, _OWNER).passed
    return {fields["name"]: Outcome(**fields) for fields in _OUTCOMES} | passed


_RUN = {"seed": 0, "model": "m" * 64}
_KEYS = {"prune": {"prune": {"keep": 0.5}}}


def _checkpoints(folder: Path):
    from openeie.sw.compress.checkpoint import Checkpoints
    return Checkpoints(folder, _RUN, _KEYS)


def checkpoint(rng) -> bytes:
    """The checkpoint of a step of a compression."""
    import tempfile

    import torch
    from openeie.sw.compress.checkpoint import StepState
    tensors = {"model/w": torch.tensor(rng.normal(size=(4, 3))),
               "masks/w": torch.tensor(rng.random((4, 3)) < 0.5), "none": torch.zeros(0)}
    notes = {"prune": {"keep": {"w": 0.5}, "held_out_error": float(rng.random())}, "slots": [4]}
    with tempfile.TemporaryDirectory() as folder:
        kept = _checkpoints(Path(folder))
        kept.save(1, "prune", StepState(tensors=tensors, notes=notes))
        whole = next(Path(folder).glob("01-prune-*")).read_bytes()
    # The same seed must give the same bytes, but safetensors writes metadata in any order.
    end = 8 + int.from_bytes(whole[:8], "little")
    text = json.dumps(json.loads(whole[8:end]), sort_keys=True).encode()
    return len(text).to_bytes(8, "little") + text + whole[end:]


def read_checkpoint(path: Path):
    """As a compression that continues does."""
    folder = path.parent / "run"
    kept = _checkpoints(folder)
    os.replace(path, kept._path(1, "prune"))
    state = kept.load(1, "prune")
    return state.notes, {name: (str(one.dtype), tuple(one.shape), one.numpy().tobytes())
                         for name, one in state.tensors.items()}


def run_file(rng) -> bytes:
    """The file that says which run the checkpoints of a folder belong to."""
    return json.dumps(_RUN, indent=1, sort_keys=True).encode()


def read_run_file(path: Path):
    """As a compression that continues does; another run is refused."""
    _checkpoints(path.parent)
    return True


_BITS = b"a bitstream"


def report(rng) -> bytes:
    """A build's report."""
    met = bool(rng.random() < 0.7)
    return json.dumps({"board": "icebreaker", "met": met, "fmax_mhz": 21.5, "target_mhz": 20.5,
                       "sha256": hashlib.sha256(_BITS).hexdigest(), "cells": {"SB_LUT4": 4000},
                       "memories": {"m": {"bits": 8, "as": "FF"}}, "clock_hz": 20_000_000},
                      indent=1).encode()


def read_report(path: Path):
    """As ``openeie program`` does."""
    from openeie.boards import board
    from openeie.boards.program import check_bitstream
    bitstream = path.with_name("top.bin")
    bitstream.write_bytes(_BITS)
    check_bitstream(board("icebreaker"), bitstream, force=True)
    return True


def network(rng) -> bytes:
    """An artefact of up to four layers of any kind."""
    config = preset(str(rng.choice(["TINY", "NET16"])))
    return artefact.dumps(draw_network(rng, config, scale=0.1),
                          encoding=str(rng.choice(["csr", "codebook", "huffman"])))


def _valid_network(rng) -> bytes:
    """A network whose weights the drawn encoding allows."""
    from openeie.core.errors import OpenEIEError
    while True:
        try:
            return network(rng)
        except OpenEIEError:            # the encoding does not allow these weights
            continue


def read_network(path: Path):
    """As :func:`openeie.load` does; written again, to compare."""
    return artefact.dumps(artefact.load(path))


@cache
def _fixed_network() -> tuple[dict[str, np.ndarray], str]:
    """Parts of an artefact: its tensors, and the text of its header."""
    tensors = safetensors.numpy.load(_valid_network(np.random.default_rng(5)))
    return tensors, zlib.decompress(tensors["header"].tobytes()[4:]).decode()


def _packed(tensors: dict[str, np.ndarray], text: bytes) -> bytes:
    """An artefact with this header text, and with the right check for it."""
    deflated = zlib.compress(text)
    stamp = zlib.crc32(deflated).to_bytes(4, "little")
    return safetensors.numpy.save(tensors | {"header": np.frombuffer(stamp + deflated, np.uint8)})


def header(rng) -> bytes:
    """The JSON text in an artefact."""
    return _fixed_network()[1].encode()


def read_header(path: Path):
    """As part of an artefact, with the right check."""
    return artefact.dumps(artefact.loads(_packed(_fixed_network()[0], path.read_bytes())))


def payload(rng) -> bytes:
    """The entries of a layer."""
    return _fixed_network()[0]["0"].tobytes()


def read_payload(path: Path):
    """As part of an artefact, with the right checks, so that only the decoder can notice."""
    tensors, text = _fixed_network()
    fields = json.loads(text)
    data = path.read_bytes()
    fields["layers"][0]["crc"] = zlib.crc32(data)
    return artefact.dumps(artefact.loads(_packed(
        tensors | {"0": np.frombuffer(data, np.uint8)}, json.dumps(fields).encode())))


TARGETS = [
    ("config.toml", toml_config, read_config),
    ("config.json", json_config, read_config),
    ("sweep.toml", sweep, read_sweep),
    ("recipe.toml", recipe, read_recipe),
    ("points.jsonl", sweep_journal, read_sweep_journal, True),
    ("regression.json", regression_journal, read_regression_journal, True),
    ("checkpoint.safetensors", checkpoint, read_checkpoint, True),
    ("run.json", run_file, read_run_file, True),
    ("report.json", report, read_report),
    ("network.eie", _valid_network, read_network, True),
    ("header", header, read_header),
    ("payload", payload, read_payload),
]
