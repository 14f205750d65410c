# SPDX-License-Identifier: Apache-2.0
"""Binary networks on the command line: golden runs them, everything with an array refuses them."""
import json
import sys

import numpy as np
import openeie
import pytest
from openeie import cli
from openeie.core import golden
from support.binary_networks import draw_binary

NET = draw_binary(3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The artefact, and inputs with labels of which one is wrong."""
    folder = tmp_path_factory.mktemp("binary")
    openeie.save(NET, folder / "net.eie")
    x = np.random.default_rng(1).integers(-100, 121, (5, NET.inputs))
    labels = golden.run(NET, x).outputs.argmax(axis=1)
    labels[2] += 1
    np.savez(folder / "x.npz", inputs=x, labels=labels)
    return folder


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs ``openeie ...``; gives stdout, and stderr as one line."""
    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["openeie", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        assert (exit_.value.code or 0) == code, err
        return out, " ".join(err.split())
    return run


def test_sim_golden(files, run):
    command = ("sim", files / "net.eie", "-e", "golden", "--input", files / "x.npz")
    result = json.loads(run(*command, "-o", files / "run.npz", "--json")[0])
    assert (result["engine"], result["config"], result["inputs"]) == ("golden", None, 5)
    assert result["error_rate"] == 0.2
    assert [layer["name"] for layer in result["layers"]] == [this.name for this in NET.layers]
    outputs = np.load(files / "run.npz")["fc.outputs"]
    x = np.load(files / "x.npz")["inputs"]
    assert np.array_equal(outputs, golden.network(NET, x)[-1])
    text = run(*command)[0]
    assert "binary: 5 inputs on golden, which has no cycles" in text and "20.00%" in text


@pytest.mark.parametrize("arguments", [
    ("sim",), ("sim", "-e", "rtl"), ("sim", "-e", "golden", "-c", "NET16"),
    ("sim", "-e", "golden", "--vectors", 2), ("sim", "-e", "golden", "--balance"),
    ("verify",), ("compile",), ("wave",)], ids=lambda arguments: " ".join(map(str, arguments)))
def test_an_array_refuses(files, run, arguments):
    verb, *options = arguments
    if verb == "wave":
        options = ["-o", files / "wave.vcd"]
    _, err = run(verb, files / "net.eie", *options, "--input", files / "x.npz", code=2)
    assert "layer 'conv' of network 'binary' is binary, and no array has a binary mode yet; run " \
           "the network with the engine golden" in err
    assert not list(files.glob("wave*"))


def test_inspect_shows_a_bit_a_weight(files, run):
    conv = json.loads(run("inspect", files / "net.eie", "--json")[0])["layers"][0]
    assert (conv["kind"], conv["encoding"], conv["weight_bits"]) == (
        f"{NET.layers[0].mode} conv", NET.layers[0].mode, 1.0)
    text = run("inspect", files / "net.eie")[0]
    row = [line.split() for line in text.splitlines() if line.split()[:1] == ["conv"]][-1]
    assert row[2:6] == ["100.0%", "0", "1.0", "1.00"]
