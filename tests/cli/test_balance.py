# SPDX-License-Identifier: Apache-2.0
"""``--balance``: the answers stay, the cycles change, and every verb that has it says so."""
import pytest
from support.commands import run_json

LENET = "lenet-300-100"


def test_sim_and_verify():
    plain, other = (run_json("sim", LENET, "-c", "EIE16", "--images", 20, *more)
                    for more in ((), ("--balance",)))
    assert (plain["balance"], other["balance"]) == (False, True)
    assert other["error_rate"] == plain["error_rate"]
    assert other["cycles"] < plain["cycles"]
    result = run_json("verify", LENET, "--balance", "--engines", "golden,fast", "--images", 3)
    assert result["equal"] and result["balance"]


def test_compile_places_the_balanced_network():
    plain, other = (run_json("compile", LENET, "-c", "EIE16", "--images", 20, *more)
                    for more in ((), ("--balance",)))
    assert (plain["balance"], other["balance"]) == (False, True)
    # A mean for each layer, added up.
    assert other["predicted"]["cycles"] == pytest.approx(run_json(
        "sim", LENET, "-c", "EIE16", "--images", 20, "--balance")["cycles"] / 20, rel=1e-12)
    assert other["predicted"]["cycles"] < plain["predicted"]["cycles"]


@pytest.mark.parametrize("what", [("--random", 3), ("--only", "0.0")])
def test_random_layers_have_none(what):
    error = run_json("verify", *what, "--balance", code=2)["error"]
    assert error["type"] == "InputError" and "--balance" in error["message"]
