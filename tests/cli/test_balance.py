# SPDX-License-Identifier: Apache-2.0
"""Balance is the default: the answers stay, the cycles change, and every verb that has it says
so."""
import numpy as np
import pytest
from openeie.core import golden
from openeie.core.artefact.artefact import load
from openeie.sw.data.mnist import demo_images
from openeie.sw.networks.shipped import shipped
from support.commands import run_json

LENET = "lenet-300-100"


def test_sim_and_verify():
    plain, other, by_default = (
        run_json("sim", LENET, "-c", "EIE16", "--images", 20, *more)
        for more in (("--no-balance",), ("--balance",), ()))
    assert (plain["balance"], other["balance"]) == (False, True)
    assert by_default == other
    assert other["error_rate"] == plain["error_rate"]
    assert other["cycles"] < plain["cycles"]
    for more, balance in (((), True), (("--no-balance",), False)):
        result = run_json("verify", LENET, *more, "--engines", "golden,fast", "--images", 3)
        assert result["equal"] and result["balance"] is balance


def test_compile_places_the_balanced_network():
    plain, other = (run_json("compile", LENET, "-c", "EIE16", "--images", 20, *more)
                    for more in (("--no-balance",), ()))
    assert (plain["balance"], other["balance"]) == (False, True)
    assert (plain["choices"]["balanced"], other["choices"]["balanced"]) == (False, True)
    # A mean for each layer, added up.
    assert other["predicted"]["cycles"] == pytest.approx(run_json(
        "sim", LENET, "-c", "EIE16", "--images", 20)["cycles"] / 20, rel=1e-12)
    assert other["predicted"]["cycles"] < plain["predicted"]["cycles"]


def test_a_written_run_has_every_layer_in_the_networks_own_order(tmp_path):
    path = tmp_path / "run.npz"
    assert run_json("sim", LENET, "--images", 3, "-o", path)["balance"]
    network = load(shipped(LENET))
    with np.load(path) as written:
        for layer, outputs in zip(network.layers, golden.network(network, demo_images()[0][:3])):
            assert np.array_equal(written[f"{layer.name}.outputs"], outputs)


@pytest.mark.parametrize("option", ["--balance", "--no-balance"])
@pytest.mark.parametrize("what", [("--random", 3), ("--only", "0.0")])
def test_random_layers_have_none(what, option):
    error = run_json("verify", *what, option, code=2)["error"]
    assert error["type"] == "InputError" and error["message"].startswith(f"{option} ")
