# SPDX-License-Identifier: Apache-2.0
"""The array of a network that is given none is the library's and the command line's alike."""
import numpy as np
import openeie
import pytest
from openeie.core.artefact import artefact
from support.commands import run_json
from support.damage import small_artefact, whole_network


@pytest.fixture
def networks(tmp_path):
    """A linear network and one with every kind of layer, as files, with their inputs."""
    rng = np.random.default_rng(1)
    made = {}
    for name, network in (("linear", artefact.loads(small_artefact())), ("whole", whole_network())):
        path = tmp_path / f"{name}.eie"
        openeie.save(network, path)
        low, high = network.input_range
        np.save(tmp_path / f"{name}.npy", rng.integers(low, high + 1, (2, network.inputs)))
        made[name] = path
    return made


# Their weights and inputs are random, and many outputs saturate.
@pytest.mark.filterwarnings("ignore::openeie.NumericWarning")
@pytest.mark.parametrize(("name", "preset"), [("linear", "EIE64"), ("whole", "NET16")])
def test_simulate_runs_on_the_array_of_the_command_line(networks, name, preset):
    path = networks[name]
    x = np.load(path.with_suffix(".npy"))
    run = openeie.simulate(path, x)
    assert run.config == openeie.preset(preset)
    said = run_json("sim", path, "--input", path.with_suffix(".npy"))
    assert said["config"] == run.config.to_dict() and said["cycles"] == run.cycles.sum()


@pytest.mark.parametrize(("name", "preset"), [("linear", "EIE16"), ("whole", "NET16")])
def test_verify_runs_on_the_array_of_the_command_line(networks, name, preset, monkeypatch):
    path = networks[name]
    x = np.load(path.with_suffix(".npy"))
    engines = ("golden", "fast")
    seen = []
    from openeie.sim import verify
    monkeypatch.setattr(verify, "simulate", lambda program, *rest, real=verify.simulate: (
        seen.append(program.config), real(program, *rest))[1])
    ours = openeie.verify(path, x, engines=engines)
    assert seen == 2 * [openeie.preset(preset)]
    said = run_json("verify", path, "--input", path.with_suffix(".npy"), "--engines",
                    ",".join(engines))
    assert said["config"] == seen[0].to_dict() and said["words"] == ours.words
