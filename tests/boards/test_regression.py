# SPDX-License-Identifier: Apache-2.0
"""The hardware regression itself: on a virtual board, and on one that is broken."""
import xml.etree.ElementTree as xml

import numpy as np
import pytest
from openeie.boards import board
from openeie.boards.driver import Device
from openeie.boards.regression import Regression, junit
from openeie.boards.virtual import Terminal, VirtualBoard
from openeie.core.array.config import preset
from openeie.core.array.load_port import Target
from openeie.sim.random.cases import case

pytestmark = pytest.mark.slow

BOARD = board("icebreaker").replace(baud=6_000_000)
CONFIG = preset("TINY").replace(word_width=32)


@pytest.fixture(scope="module")
def device():
    with VirtualBoard(BOARD, CONFIG) as virtual, Terminal(virtual) as terminal, \
            Device(terminal.url, BOARD.baud) as device:
        yield device


def regression(device, seed):
    drawn = case(3, 0, 0, CONFIG)
    return Regression(device, drawn.program.network, drawn.x, target="here", seed=seed, layers=1)


def test_everything_passes(device, seed, tmp_path):
    journal = tmp_path / "regression.json"
    outcomes = list(regression(device, seed).run(journal))
    assert not journal.exists()
    assert [outcome.result for outcome in outcomes] == ["passed"] * 7
    suite = xml.fromstring(junit("icebreaker", outcomes))
    assert (suite.get("tests"), suite.get("failures")) == ("7", "0")


def test_what_has_passed_here_is_not_run_again(device, seed, tmp_path, monkeypatch):
    journal = tmp_path / "regression.json"
    journal.write_text("[]")                        # of anybody's: begin anew
    begun = regression(device, seed).run(journal)
    first = [next(begun), next(begun)]
    begun.close()                                   # interrupted
    ran = []
    one = Regression._one
    monkeypatch.setattr(Regression, "_one", lambda self, name, check: (
        ran.append(name), one(self, name, check))[1])
    again = regression(device, seed).run(journal)
    assert [next(again), next(again)] == first and not ran
    assert next(again).name == "errors" and ran == ["errors"]
    again.close()
    elsewhere = regression(device, seed)
    elsewhere._target = "another port"
    next(elsewhere.run(journal))
    assert ran == ["errors", "link"]


def test_what_a_damaged_line_said_is_checked_again(device, seed, tmp_path, monkeypatch):
    journal = tmp_path / "regression.json"
    begun = regression(device, seed).run(journal)
    first = [next(begun), next(begun), next(begun)]
    begun.close()
    text = journal.read_text()
    journal.write_text(text.replace('"name": "memory"', '"name": "errors"', 1))
    ran = []
    one = Regression._one
    monkeypatch.setattr(Regression, "_one", lambda self, name, check: (
        ran.append(name), one(self, name, check))[1])
    again = regression(device, seed)
    outcomes = again.run(journal)
    assert [next(outcomes).message for _ in range(3)] == [outcome.message for outcome in first]
    assert ran == ["memory"] and again.dropped == 1
    outcomes.close()


def test_a_wrong_word_and_a_wrong_counter_fail(device, seed, tmp_path, monkeypatch):
    read = device.read

    def broken(target, pe, address, count):
        words = read(target, pe, address, count)
        wrong = {Target.ACT_A: pe == 2, Target.COUNTER: pe == 1}.get(target, False)
        return words + np.eye(1, len(words), dtype=np.int64)[0] if wrong else words
    monkeypatch.setattr(device, "read", broken)
    outcomes = {outcome.name: outcome for outcome in regression(device, seed).run()}
    assert outcomes["link"].result == outcomes["errors"].result == "passed"
    assert outcomes["memory"].result == "failed"
    assert "ACT_A of PE 2, word 0" in outcomes["memory"].message
    assert outcomes["random networks, csr"].result == "failed"
    assert int(xml.fromstring(junit("icebreaker", list(outcomes.values()))).get("failures")) >= 4
