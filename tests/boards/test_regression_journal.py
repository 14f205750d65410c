# SPDX-License-Identifier: Apache-2.0
"""The hardware regression's journal: what it says has passed has passed, or is checked again."""
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openeie.boards import board
from openeie.boards.identity import identity
from openeie.boards.regression import Regression
from openeie.boards.regression_journal import Outcome, RegressionJournal
from openeie.core.array.config import preset
from openeie.core.errors import InputError
from openeie.core.host.journal import dump_lines
from openeie.sim.random.cases import case

OUTCOMES = {name: Outcome(name=name, result="passed", message=f"{count} words", seconds=count / 8)
            for count, name in enumerate(("link", "memory", "errors"))}


def written(path):
    """A journal of three checks; its bytes."""
    path.unlink(missing_ok=True)
    journal = RegressionJournal(path, "me")
    for outcome in OUTCOMES.values():
        journal.add(outcome)
    return path.read_bytes()


def test_a_journal_is_of_one_network_and_its_images():
    """A changed weight or another image of a network of the same name begins anew."""
    device = SimpleNamespace(identity=identity(board("icebreaker"), preset("TINY")))
    networks = [case(1, 0, index, preset("TINY")).program.network for index in (0, 0, 1)]
    owners = [Regression(device, network, np.zeros((1, network.inputs), int))._owner()
              for network in networks]
    assert owners[0] == owners[1] != owners[2]
    images = np.ones((1, networks[0].inputs), int)
    assert Regression(device, networks[0], images)._owner() != owners[0]


def test_what_has_passed_comes_back(tmp_path):
    path = tmp_path / "new" / "regression.json"
    path.parent.mkdir()
    written(path)
    again = RegressionJournal(path, "me")
    assert again.passed == OUTCOMES and again.dropped == 0
    assert RegressionJournal(path, "you").passed == {}
    assert RegressionJournal(None, "me").passed == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 9))
def test_damage_never_passes_a_check(tmp_path, place, byte, cut):
    """A byte is changed or bytes are cut out: what is believed is what was written."""
    path = tmp_path / "regression.json"
    data = written(path)
    place %= len(data)
    path.write_bytes(data[:place] + bytes([byte] * (cut == 0)) + data[place + max(cut, 1):])
    journal = RegressionJournal(path, "me")
    assert journal.passed.items() <= OUTCOMES.items()
    torn = not path.read_bytes().endswith(b"\n")
    assert len(journal.passed) >= 1 and (journal.dropped or torn or journal.passed == OUTCOMES)


FIELDS = {"name": "link", "result": "passed", "message": "m", "seconds": 1.0}


@pytest.mark.parametrize("line", [
    {"nam": "link"}, {"name": "link"}, FIELDS | {"more": 1}, FIELDS | {"result": "failed"},
    FIELDS | {"seconds": "1"}, FIELDS | {"name": []}, FIELDS | {"message": None}, [], [1], "link",
    7, None])
def test_lines_that_check_and_are_no_outcomes_are_dropped(tmp_path, line):
    path = tmp_path / "regression.json"
    path.write_text(dump_lines("me", [line, FIELDS]))
    journal = RegressionJournal(path, "me")
    assert journal.passed == {"link": Outcome(**FIELDS)} and journal.dropped == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"key": ["here"]}', "\0",
                                  json.dumps({"key": ["me"], "passed": {"link": FIELDS}})])
def test_others_journals_are_begun_anew(tmp_path, text):
    """That of an earlier version, too, whose lines have no checks."""
    path = tmp_path / "regression.json"
    path.write_text(text)
    journal = RegressionJournal(path, "me")
    assert journal.passed == {} and journal.dropped == 0
    journal.add(OUTCOMES["link"])
    assert RegressionJournal(path, "me").passed == {"link": OUTCOMES["link"]}


def test_a_journal_that_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(InputError, match="cannot read the journal .* must be a regular file"):
            RegressionJournal(tmp_path / name, "me")
