# SPDX-License-Identifier: Apache-2.0
"""A layer of one's own: floats, empty rows at the top, any array, biases, and the page on it."""
import re
from pathlib import Path

import numpy as np
import openeie
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.entries.encoding import encode_entries
from openeie.core.errors import InputError
from openeie.sim.study.arrays import units_of, workload_of
from openeie.sim.study.eie import paper_array
from openeie.sim.study.workload import Workload, occupancy, random_workload
from support.commands import run, run_json

PAGE = Path(__file__).parents[3] / "docs" / "eie-layers.md"


def in_entries(layer, pes, codebook, acts):
    """The arrays of a layer in EIE's form, with other numbers in its codebook."""
    entries = encode_entries(layer.weights, pes, 15)
    pointers = np.concatenate([np.zeros((pes, 1), int), np.cumsum(entries.count, axis=1)], axis=1)
    return {"acts": acts, "pointers": pointers, "runs": entries.run, "codes": entries.code,
            "codebook": codebook, "outputs": np.array(layer.shape[0])}


@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 4), st.floats(0, 1),
       st.sampled_from([np.float16, np.float32, np.float64]), st.integers(0, 99))
def test_floats_in_both_forms_are_the_same_integers(m, n, pes, density, kind, seed):
    layer = random_workload("any", (m, n), weight_density=density, act_density=0.5, seed=seed)
    rng = np.random.default_rng(seed)
    codebook = np.append(0, rng.permutation(np.arange(1, 16)) / 7).astype(kind)
    acts = (layer.acts[0] / 3).astype(kind)
    weights = np.zeros((m, n), kind)
    weights[layer.weights.rows, layer.weights.columns] = codebook[layer.weights.codes]
    entries = workload_of(in_entries(layer, pes, codebook, acts), "any")
    dense = workload_of({"acts": acts, "weights": weights}, "any")
    assert np.array_equal(entries.acts, dense.acts)
    assert np.array_equal(entries.weights.dense() != 0, weights != 0)
    # A codebook is scaled by its largest weight, whether the matrix has it or not.
    unit = units_of({"codebook": codebook})["codebook"]
    error = entries.weights.dense() * unit - weights.astype(float)
    assert np.abs(error).max(initial=0) <= unit / 2 * 1.001
    assert entries.time(paper_array()).cycles == dense.time(paper_array()).cycles


def test_what_is_not_zero_stays_so():
    arrays = {"acts": np.array([1e-9, 1.0]), "pointers": np.array([[0, 1, 2]]),
              "runs": np.array([0, 1]), "codes": np.array([1, 2]),
              "codebook": np.array([0, -1e-12, 0.5])}
    layer = workload_of(arrays, "mine")
    assert layer.acts.tolist() == [[1, 32767]]
    assert layer.weights.dense().tolist() == [[-1, 0], [0, 32767]]
    assert units_of(arrays) == {"acts": 1 / 32767, "codebook": 0.5 / 32767}
    assert units_of({"acts": np.array([1, 2]), "weights": np.eye(2)}) == {"weights": 1 / 32767}


@pytest.mark.parametrize(("changes", "message"), [
    ({"codebook": np.array([0, np.nan])}, r"codebook must be finite; \[1\] is nan"),
    ({"codebook": np.array([0, 40000])}, r"codebook must be in -32768 .. 32767; \[1\] is 40000"),
    ({"codebook": np.array([0.5, 1])}, "slot 0 and no other holding 0"),
    ({"codebook": np.array([0, 1j])}, "codebook must be integers or floats, not complex128"),
    ({"acts": np.array([1, np.inf])}, r"acts must be finite; \[1\] is inf"),
    ({"acts": np.array([1, 40000])}, r"acts must be in -32768 .. 32767; \[1\] is 40000"),
    ({"codes": np.array([1.0, 1.0])}, "codes must be integers, not float64")])
def test_numbers_that_cannot_be(changes, message):
    good = {"acts": np.array([1, 0]), "pointers": np.array([[0, 1, 2]]), "runs": np.array([0, 1]),
            "codes": np.array([1, 1]), "codebook": np.array([0, 0.5])}
    assert workload_of(good, "mine").shape == (2, 2)
    with pytest.raises(InputError, match=message):
        workload_of(good | changes, "mine")


@pytest.mark.parametrize(("pes", "empty", "runs"), [
    (1, 15, [15]), (1, 16, [15, 0]), (1, 20, [15, 4]), (1, 36, [15, 15, 4]),
    (2, 30, [15]), (2, 32, [15, 0]), (2, 36, [15, 2]), (2, 37, [15, 2]), (2, 64, [15, 15, 0])])
def test_empty_rows_at_the_top_are_runs_and_fillers(pes, empty, runs):
    """One column, whose only weight is below ``empty`` rows: as the page says."""
    weights = np.zeros((empty + 1, 1), int)
    weights[empty] = 7
    layer = Workload.from_dense(weights, [1])
    entries = encode_entries(layer.weights, pes, 15)
    assert entries.run.tolist() == runs
    counts, fillers = occupancy(layer.weights, pes, 4)
    owner = empty % pes
    assert counts[0, owner] == len(runs) and fillers[0, owner] == len(runs) - 1
    assert counts.sum() == len(runs)

    pointers = np.zeros((pes, 2), int)
    pointers[owner, 1] = len(runs)
    read = workload_of({"acts": np.array([1]), "pointers": pointers, "runs": np.array(runs),
                        "codes": np.array([0] * (len(runs) - 1) + [1]),
                        "codebook": np.array([0, 7])}, "mine")
    assert np.array_equal(read.weights.dense(), weights)        # m is the last row with a weight


@pytest.mark.parametrize("pes", [1, 2])
@pytest.mark.parametrize("empty", [1, 2, 7, 40])
def test_each_empty_row_of_activations_costs_our_array_a_cycle(pes, empty):
    config = openeie.preset("TINY").replace(pes=pes)
    weights = np.ones((4, 6), int)
    acts = np.array([3, 0, 1, 1, 0, 2])
    first = Workload.from_dense(weights, acts).time(config)
    padded = Workload.from_dense(np.hstack([np.ones((4, empty * pes), int), weights]),
                                 np.append(np.zeros(empty * pes, int), acts)).time(config)
    assert padded.cycles == first.cycles + empty
    assert padded.total("busy") == first.total("busy")
    assert padded.total("starved") == first.total("starved") + empty * pes


def block(language):
    return re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)[1]


def test_the_page_runs_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block("python"), PAGE.name, "exec"), {})
    command = re.search(r"^openeie (bench eie --npz dense.npz .*)$", PAGE.read_text(), re.M)[1]
    for changes in ([], ["--set", "pes=3"], ["--timing", "authors"]):
        result = run_json(*command.split(), *changes, cwd=tmp_path)
        dense, entries = result["layers"]
        assert (dense.pop("name"), entries.pop("name")) == ("dense", "entries")
        assert set(dense.pop("units")) == {"acts", "weights"}
        assert set(entries.pop("units")) == {"acts", "codebook"}
        assert dense == entries
        assert (dense["filler_share"] > 0) == (changes != ["--set", "pes=3"])


def test_the_array_is_the_one_that_is_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.integers(-7, 8, (40, 30)) * (rng.random((40, 30)) < 0.2)
    acts = rng.integers(0, 3, 30)
    np.savez(tmp_path / "mine.npz", weights=weights, acts=acts)
    own = Workload.from_dense(weights, acts)
    words = ("bench", "eie", "--npz", tmp_path / "mine.npz")
    for changes, config in (
            ((), paper_array()),
            (("--set", "pes=3", "--set", "queue_depth=5"),
             paper_array().replace(pes=3, queue_depth=5)),
            (("-c", "TINY"), openeie.preset("TINY"))):
        result = run_json(*words, *changes)
        assert result["config"] == config.to_dict()
        assert result["layers"][0]["cycles"] == own.time(config).cycles
        assert result["layers"][0]["units"] == {}
    assert f"{config.pes} PEs, queues of {config.queue_depth}" in run(*words, "-c", "TINY").stdout


def test_a_bias_is_not_counted_twice(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.integers(-7, 8, (40, 31)) * (rng.random((40, 31)) < 0.2)
    weights[:, 30] = 5
    np.savez(tmp_path / "mine.npz", weights=weights, acts=np.ones(31, int))
    words = ("bench", "eie", "--npz", tmp_path / "mine.npz", "--set", "pes=2", "--timing",
             "authors")
    twice = run_json(*words)
    once = run_json(*words, "--no-bias")
    assert twice["bias"] and not once["bias"] and not once["warnings"]
    assert twice["layers"][0]["cycles"] > once["layers"][0]["cycles"]
    warning, = twice["warnings"]
    assert "layer 'mine': its last column has a weight in every row" in warning
    assert f"warning: {warning}" in run(*words).stderr
    assert "--no-bias is for --timing authors" in run(*words[:-2], "--no-bias", code=2).stderr


@pytest.mark.parametrize(("words", "message"), [
    (("-c", "NOWHERE"), "NOWHERE"),
    (("--set", "pes=0"), "pes"),
    (("-c", "NET16", "--set", "clusters=4"), "takes arrays of one cluster"),
    (("--timing", "authors", "--set", "queue_depth=1"), "needs queues of at least 2")])
def test_arrays_that_cannot_be(words, message):
    assert message in run("bench", "eie", "--layer", "NT-We", *words, code=2).stderr
