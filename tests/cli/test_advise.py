# SPDX-License-Identifier: Apache-2.0
"""``compile --advise``: every command it prints can be typed, and gives the cycles it says."""
import dataclasses
import shlex

import numpy as np
import openeie
import pytest
from openeie.cli.advise import Asked, change_text
from openeie.cli.invocation import invocation
from openeie.core.defaults import AskedArray
from openeie.sim.study.advise import Change, Setting
from openeie.sim.study.workload import random_workload
from support.commands import run, run_json

LENET = "lenet-300-100"


def words_of(command):
    """The arguments of a printed command."""
    start = shlex.split(invocation())
    words = shlex.split(command)
    assert words[:len(start)] == start
    return words[len(start):]


@pytest.mark.parametrize("words", [
    (LENET, "-c", "EIE16"), (LENET, "-c", "EIE16", "--images", 16, "--vectors", 2,
                             "--set", "act_depth=512", "--set", "queue_depth=1"),
    (LENET, "--no-balance", "--density", 0.3, "--seed", 7, "--encoding", "csr")],
    ids=["drawn", "images", "options"])
def test_the_commands_do_what_they_say(words):
    result = run_json("compile", *words, "--advise")
    advice = result["advice"]
    assert 2 <= len(advice) <= 4
    for one in advice:
        assert one["cycles"] < one["cycles_before"]
        predicted = run_json(*words_of(one["command"]))["predicted"]
        assert predicted["cycles_an_input"] == pytest.approx(one["cycles"], rel=1e-12), one
    if "--images" in words:                     # all on the same images, this one's among them
        for one in advice:
            assert one["cycles_before"] == pytest.approx(
                result["predicted"]["cycles_an_input"], rel=1e-12)


def test_tables_and_commands_are_printed():
    words = ("compile", LENET, "-c", "EIE16", "--advise")
    printed = run(*words).stdout
    for one in run_json(*words)["advice"]:
        assert f"  {one['command']}\n" in printed
        assert f"{one['cycles']:,.1f}" in printed and f"{one['saved_share']:.1%}" in printed


def test_without_it_there_is_no_advice():
    assert "advice" not in run_json("compile", LENET)


def test_a_command_keeps_what_a_change_does_not_touch():
    asked = Asked(model="a b.eie", config="NET16", changes=("queue_depth=4", "acc_banks=1"),
                  setting=Setting(array=AskedArray.of("NET16"), vectors=2, balance=True),
                  rest=("--seed", "3"))
    change = Change(kind="queue", fields={"queue_depth": 32, "operations": ("linear", "conv")},
                    options={"vectors": 1, "encoding": "csr"})
    assert words_of(asked.command(change)) == [
        "compile", "a b.eie", "-c", "NET16", "--set", "acc_banks=1", "--set", "queue_depth=32",
        "--set", "operations=linear,conv", "--encoding", "csr", "--balance", "--seed", "3"]
    assert change_text(change) == "queue_depth=32, operations=linear+conv, vectors 1, encoding csr"
    together = dataclasses.replace(change, kind="all of these", options={"balance": False})
    assert change_text(together) == \
        "all: queue_depth=32, operations=linear+conv, no balance"


def test_the_plan_says_which_run_width_was_chosen_and_what_it_saves(tmp_path):
    path = tmp_path / "layer.eie"
    openeie.save(random_workload("layer", (4096, 256), weight_density=0.04, act_density=0.5,
                                 seed=3).network(), path)
    chosen = run_json("compile", path)["choices"]["run_width"]
    assert chosen["chosen"] > chosen["own"] == 4 and chosen["saved_share"] > 0.01
    assert set(chosen["estimated_cycles"]) == {"4", "5", "6", "7", "8"}
    lines = run("compile", path).stdout
    assert f"run width {chosen['chosen']} instead of 4, chosen from 4 to 8: about " \
           f"{chosen['saved_share']:.1%} fewer cycles in the same memories" in lines
    kept = run_json("compile", path, "--set", "run_width=4")
    assert kept["choices"]["run_width"] is None and kept["config"]["run_width"] == 4
    assert "instead of" not in run("compile", path, "--set", "run_width=4").stdout
    assert kept["predicted"]["cycles"] > run_json("compile", path)["predicted"]["cycles"]


def test_a_file_of_a_configuration_is_taken_as_it_is(tmp_path):
    path = tmp_path / "array.toml"
    path.write_text("\n".join(f"{name} = {value}" for name, value in
                              openeie.preset("EIE16").to_dict().items()))
    assert run_json("compile", LENET, "-c", path)["choices"]["run_width"] is None
    assert run_json("compile", LENET, "-c", "EIE16")["choices"]["run_width"]["chosen"] == 4


def test_latency_is_told_from_throughput():
    alone = run_json("sim", LENET, "-c", "EIE64", "--images", 20)
    many = run_json("sim", LENET, "-c", "EIE64", "--images", 20, "--vectors", 10)
    assert alone["speed"] == {"vectors": 1, "latency_cycles": alone["cycles"] / 20,
                              "cycles_an_input": alone["cycles"] / 20}
    assert many["speed"]["latency_cycles"] == pytest.approx(alone["cycles"] / 20, rel=1e-12)
    assert many["speed"]["cycles_an_input"] == many["cycles"] / 20 < alone["cycles"] / 20
    speed = many["speed"]
    said = f"latency {speed['latency_cycles']:,.1f} cycles, one input a start; throughput " \
           f"{speed['cycles_an_input']:,.1f} cycles an input, 10 a start of " \
           f"{10 * speed['cycles_an_input']:,.1f}"
    for verb in ("sim", "compile"):
        printed = run(verb, LENET, "-c", "EIE64", "--images", 20, "--vectors", 10).stdout
        assert said in printed, verb
    planned = run_json("compile", LENET, "-c", "EIE64", "--vectors", 10)["predicted"]
    alone = run_json("compile", LENET, "-c", "EIE64")["predicted"]
    assert planned["latency_cycles"] > planned["cycles_an_input"]
    assert alone["latency_cycles"] == alone["cycles_an_input"] == alone["cycles"]


def test_the_latency_of_random_activations_is_that_of_the_same_ones():
    """A start of one with the first of ten random inputs, which the plan of one draws, too."""
    ten = run_json("compile", LENET, "--vectors", 10)["predicted"]["latency_cycles"]
    one = run_json("compile", LENET)["predicted"]["latency_cycles"]
    assert ten == pytest.approx(one, rel=0.1) and ten != one
    assert np.isfinite(ten)
