# SPDX-License-Identifier: Apache-2.0
"""A difference between engines ends the command with exit code 1, naming the place."""
import dataclasses
import json
import sys

import pytest
from openeie import cli
from openeie.sim import engines
from openeie.sim.fast import fast


def wrong_rtl(name, index):
    """``fast`` posing as ``rtl``, with one number of layer ip2 one too high."""
    def run(program, x, **options):
        good = fast.run(program, x)
        array = getattr(good.tiles[1], name).copy()
        array[index] += 1
        layers = (good.tiles[0], dataclasses.replace(good.tiles[1], **{name: array}),
                  good.tiles[2])
        return dataclasses.replace(good, tiles=layers, engine="rtl")
    return run


@pytest.mark.parametrize(("name", "index", "place"), [
    ("outputs", (1, 37), "layer ip2, input 1, output 37 = PE 5 word 2, cycle "),
    ("cycles", (0,), "layer ip2, launch 0, cycles of the layer: "),
    ("counters", (1, 3, 0), "layer ip2, launch 1, PE 3, counter busy, cycle "),
])
@pytest.mark.parametrize("command", [
    ["demo", "--images", "4", "--rtl-images", "2"], ["verify", "lenet-300-100", "--images", "2"]])
def test_a_mismatch_exits_1_and_names_the_place(monkeypatch, capsys, command, name, index, place):
    monkeypatch.setitem(engines.ENGINES, "rtl", wrong_rtl(name, index))
    monkeypatch.setattr(sys, "argv", ["openeie", *command, "--json"])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    out, err = capsys.readouterr()
    assert exit_.value.code == 1
    assert place in err and "equal" not in out
    assert json.loads(out)["error"]["type"] == "Mismatch"
