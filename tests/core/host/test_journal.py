# SPDX-License-Identifier: Apache-2.0
"""A journal's lines are believed whole or not at all."""
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.errors import InputError, UntrustedError
from openeie.core.host.journal import damage_text, dump_line, dump_lines, read_journal, read_lines
from openeie.sim.study.grid import RandomLayer, Sweep
from openeie.sim.study.sweep import run_sweep

LAYER = RandomLayer(name="a", inputs=20, outputs=15, weight_density=0.2, act_density=0.5)
SWEEP = Sweep(grid={"pes": [1, 2], "queue_depth": [1, 8, 4]}, layer=[LAYER])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished sweep: where its journal may lie, the journal's bytes, and the table."""
    path = tmp_path_factory.mktemp("sweep") / "points.jsonl"
    rows = run_sweep(SWEEP, {}, journal=path)
    run_sweep(SWEEP, {}, journal=path)                  # now a line for each point
    return path, path.read_bytes(), rows


def damage(draw, data):
    """One byte changed, a piece cut out or doubled, lines swapped, or the end lost."""
    at, to = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
    kind = draw(st.sampled_from(("byte", "cut", "double", "swap", "end", "digit")))
    if kind == "byte" and at < len(data):
        return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1:]
    if kind == "cut":
        return data[:at] + data[to:]
    if kind == "double":
        return data[:to] + data[at:]
    if kind == "swap":
        lines = data.splitlines(keepends=True)
        return b"".join(draw(st.permutations(lines)))
    if kind == "digit":
        places = [place for place, byte in enumerate(data) if byte in b"0123456789"]
        place = draw(st.sampled_from(places))
        return data[:place] + draw(st.sampled_from(b"0123456789")).to_bytes() + data[place + 1:]
    return data[:at]


@given(st.data())
def test_whatever_is_damaged_the_table_is_the_same_or_refused(finished, data):
    path, journal, rows = finished
    path.write_bytes(damage(data.draw, journal))
    try:
        assert run_sweep(SWEEP, {}, journal=path) == rows
    except InputError as error:
        assert "has the points of another sweep" in str(error)


def test_every_digit_of_a_journal_counts(finished):
    """The smallest damage that stays a number: none is believed, and each is told."""
    path, journal, rows = finished
    start = journal.index(b"\n") + 1
    places = [place for place in range(start, len(journal)) if journal[place] in b"0123456789"]
    for place in places[::7]:
        changed = b"%d" % (9 - int(journal[place:place + 1]))
        path.write_bytes(journal[:place] + changed + journal[place + 1:])
        notes = []
        assert run_sweep(SWEEP, {}, journal=path, note=notes.append) == rows
        assert notes == [damage_text(1, "worked out")]


def test_lines_of_another_owner_are_not_believed(tmp_path):
    path = tmp_path / "j"
    path.write_text(dump_lines("me", [1, 2]) + dump_line("you", 3) + dump_line("me", 4))
    lines = read_lines(path, "me")
    assert (lines.ours, lines.values, lines.dropped) == (True, [1, 2, 4], 1)
    path.write_text(dump_lines("you", [1]))
    assert not read_lines(path, "me").ours


def test_a_damaged_first_line_costs_nothing_else(tmp_path):
    path = tmp_path / "j"
    text = dump_lines("me", [1, 2])
    path.write_text("x" + text[1:])
    lines = read_lines(path, "me")
    assert (lines.ours, lines.values, lines.dropped) == (True, [1, 2], 1)


def test_a_torn_last_line_is_no_damage(tmp_path):
    path = tmp_path / "j"
    text = dump_lines("me", [1, {"a": 2}])
    for length in range(len(text)):
        path.write_text(text[:length])
        lines = read_lines(path, "me")
        assert lines.ours and not lines.dropped
        assert lines.values == [1, {"a": 2}][:len(lines.values)]


def test_a_number_that_is_not_finite_drops_its_line(tmp_path):
    path = tmp_path / "j"
    path.write_text(dump_lines("me", [1, float("inf")]))
    assert read_lines(path, "me").dropped == 1


def test_a_line_is_json_that_others_can_read():
    assert json.loads(dump_line("me", [1]))["line"] == [1]


def test_a_pipe_is_no_journal(tmp_path):
    os.mkfifo(tmp_path / "j")
    with pytest.raises(UntrustedError, match="must be a regular file, not a pipe"):
        read_lines(tmp_path / "j", "me")


def test_a_journal_that_a_command_continues(tmp_path):
    """The same lines; one that cannot be read is told in one way, whatever the command."""
    path = tmp_path / "j"
    path.write_text(dump_lines("me", [1, 2]))
    assert read_journal(path, "me") == read_lines(path, "me")
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="cannot read the journal .*, not a folder; move it away"):
        read_journal(path, "me")
