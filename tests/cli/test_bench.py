# SPDX-License-Identifier: Apache-2.0
"""``openeie bench eie``."""
import json

import numpy as np
import pytest
from support.commands import run, run_json


def test_own_layer_with_figures(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.integers(-7, 8, (40, 30)) * (rng.random((40, 30)) < 0.2)
    np.savez(tmp_path / "mine.npz", weights=weights, acts=rng.integers(0, 3, 30))
    out = tmp_path / "out"
    result = run_json("bench", "eie", "--npz", tmp_path / "mine.npz", "-o", out)
    assert [row["name"] for row in result["layers"]] == ["mine"]
    assert result["layers"][0]["paper"] is None
    names = {"fig8", "fig9-reads", "fig9-energy", "fig10", "fig11", "fig12", "fig13"}
    assert {path.name for path in out.iterdir()} == {f"{name}.svg" for name in names} | {
        "eie.json"}
    assert json.loads((out / "eie.json").read_text())["figures"] == result["figures"]


def test_authors_timing_is_another():
    both = [run_json("bench", "eie", "--layer", "NT-We", "--timing", timing)
            for timing in ("array", "authors")]
    assert "figures" in both[0] and "figures" not in both[1]        # they are our array's
    ours, theirs = (result["layers"][0] for result in both)
    assert theirs["cycles"] != ours["cycles"] and theirs["entries"] == ours["entries"]
    assert theirs["actual_us"] == theirs["cycles"] / 800


@pytest.mark.parametrize("words, message", [
    (("alexnet",), "No such command 'alexnet'"),
    (("eie", "--engine", "golden"), "--engine must be fast or rtl, not 'golden'"),
    (("eie", "--timing", "x"), "--timing must be array or authors"),
    (("eie", "--timing", "authors", "--engine", "rtl"), "leave out --engine rtl"),
    (("eie", "--layer", "Alex-9"), "no layer 'Alex-9' in EIE's Table III; did you mean Alex-8"),
    (("eie", "--seed", "-1"), "--seed must not be negative"),
    (("eie", "--npz", "/nowhere.npz"), "cannot read a layer from /nowhere.npz"),
    (("eie", "--npz", "a.npz", "--layer", "Alex-6"), "give one of the two"),
    (("eie", "--npz", "a/m.npz", "--npz", "b/m.npz"), "two files are called 'm'"),
    (("eie", "-o", "/dev/null/x"), "cannot make the folder /dev/null/x")])
def test_bad_requests_end_in_one_error(words, message):
    assert message in run("bench", *words, code=2).stderr
