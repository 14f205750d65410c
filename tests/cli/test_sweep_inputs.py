# SPDX-License-Identifier: Apache-2.0
"""What a sweep gives its networks: their own inputs, MNIST's images or drawn ones, never unsaid."""
import json

import numpy as np
import openeie
import pytest
from openeie.core.artefact import artefact
from support.commands import run, run_json
from support.damage import small_artefact
from pyarrow import parquet

POINTS = ("-c", "EIE16", "--grid", "queue_depth=1,8")


@pytest.fixture
def network(tmp_path):
    """A network of which nothing says what it is to be given, in a file."""
    path = tmp_path / "small.eie"
    path.write_bytes(small_artefact())
    return path


def test_drawn_inputs_are_told(network, tmp_path):
    words = ("sweep", *POINTS, "--network", network, "--images", 3, "--seed", 7)
    said = " ".join(run(*words).stdout.split())
    assert f"{network}: run on 3 random inputs, uniform in -32768 .. 32767, seed 7;" in said
    assert "give yours with --input FILE" in said
    told = {str(network): {"of": "drawn", "count": 3, "range": [-32768, 32767], "seed": 7}}
    assert run_json(*words, "-o", tmp_path / "out")["inputs"] == told
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["inputs"] == told


def test_inputs_of_a_file_are_what_is_run(network, tmp_path):
    x = np.random.default_rng(5).integers(0, 2, (4, artefact.load(network).inputs))
    np.save(tmp_path / "x.npy", x)
    words = ("sweep", *POINTS, "--network", network, "--input", tmp_path / "x.npy")
    result = run_json(*words)
    assert result["inputs"][str(network)] == {"of": "file", "count": 4,
                                              "file": str(tmp_path / "x.npy")}
    ran = openeie.simulate(network, x, config="EIE16")
    assert result["points"][1]["cycles"] == ran.cycles.mean()
    assert run_json("sweep", *POINTS, "--network", network)["points"][1]["cycles"] \
        != ran.cycles.mean()
    assert f"run on the 4 inputs of {tmp_path / 'x.npy'}" in run(*words).stdout


def test_a_file_names_its_inputs_and_they_are_part_of_the_journal(network, tmp_path):
    """The same inputs in another file are the same sweep, others are not."""
    n = artefact.load(network).inputs
    for name, value in (("x", 3), ("same", 3), ("other", 0)):
        np.save(tmp_path / f"{name}.npy", np.full((2, n), value))
    file, out = tmp_path / "s.toml", tmp_path / "out"

    def sweep(name, code=0):
        file.write_text(f"base = 'EIE16'\nnetworks = ['{network}']\n"
                        f"input = '{tmp_path / name}.npy'\n[grid]\npes = [4, 16]\n")
        return run("sweep", file, "-o", out, "--json", code=code)
    first = json.loads(sweep("x").stdout)["points"]
    assert json.loads(sweep("same").stdout)["points"] == first
    assert "has the points of another sweep" in sweep("other", code=2).stderr


def test_mnists_images_are_for_networks_that_were_made_for_them(tmp_path, rng):
    result = run_json("sweep", *POINTS, "--network", "lenet-300-100", "--images", 2)
    assert result["inputs"] == {"lenet-300-100": {"of": "mnist", "count": 2}}
    path = tmp_path / "other.eie"
    openeie.save(of_784_inputs(rng), path)
    result = run_json("sweep", *POINTS, "--network", path, "--images", 2)
    assert result["inputs"][str(path)]["of"] == "drawn"


@pytest.mark.parametrize("words", [("sim",), ("verify", "--engines", "golden,fast"), ("report",),
                                   ("wave",)])
def test_a_network_with_784_inputs_is_not_run_on_mnist_unasked(words, tmp_path, rng):
    path = tmp_path / "other.eie"
    openeie.save(of_784_inputs(rng), path)
    verb, *options = words
    out = {"report": ["-o", tmp_path / "r.html"], "wave": ["-o", tmp_path / "w.vcd"]}.get(verb, [])
    done = run(verb, path, *options, *out, code=2)
    assert "takes 784 inputs, but its file does not say that they are MNIST's images: give " \
        "inputs with --input FILE" in done.stderr
    assert ("--images" in done.stderr) == (verb != "wave")
    if verb == "sim":                   # whoever asks for them gets them, and they are said
        assert run_json(verb, path, "--images", 3)["inputs"] == 3


def of_784_inputs(rng):
    """A network that takes pixels of its own."""
    codes = rng.integers(0, 4, (5, 784))
    return openeie.Network(name="other", input_range=(0, 255), provenance={"data": "mine.npz"},
                           layers=(openeie.Linear(
                               name="fc", encoding="codebook", bias=np.zeros(5, int),
                               weights=openeie.SparseWeights.from_codes(codes, np.arange(4)),
                               multiplier=np.ones(5, int), shift=np.full(5, 8)),))


def test_where_the_cycles_went_is_in_every_table(network, tmp_path):
    words = ("sweep", *POINTS, "--network", network, "--layer", "a:300x200:0.1:0.4")
    rows = run_json(*words, "-o", tmp_path / "out")["points"]
    stalls = ("filler", "empty_column", "starved", "blocked", "writeback", "drain")
    for row in rows:
        assert sum(row[name] for name in ("utilisation", *stalls)) == pytest.approx(1)
    assert max(row["blocked"] for row in rows) > 0 < min(row["writeback"] for row in rows)
    written = parquet.read_table(tmp_path / "out" / "points.parquet").to_pylist()
    assert written == rows and set(stalls) < set(rows[0])
    head = (tmp_path / "out" / "points.csv").read_text().splitlines()[0]
    assert all(f'"{name}"' in head for name in stalls)
    said = run(*words).stdout
    assert "shares of the PEs' cycles" in said
    assert f"{rows[0]['blocked']:.1%}" in said and "starved" in said
