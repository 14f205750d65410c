# SPDX-License-Identifier: Apache-2.0
"""Damaged reports, of a build and of the tools, are refused with what is wrong."""
import hashlib
import json

import pytest
from openeie.boards import board
from openeie.boards.program import check_bitstream
from openeie.boards.report import synthesised_cells, timing
from openeie.core.errors import InputError, ToolError

BOARD = board("ulx3s-85f")


@pytest.fixture
def bitstream(tmp_path):
    """Path of a bitstream with a report beside it."""
    path = tmp_path / BOARD.family.bitstream_name
    path.write_bytes(b"bits")
    (tmp_path / "report.json").write_text(json.dumps(
        {"board": BOARD.name, "sha256": hashlib.sha256(b"bits").hexdigest(), "met": True,
         "fmax_mhz": 40.0, "target_mhz": 38.0}))
    return path


@pytest.mark.parametrize("damage, message", [
    (lambda text: "[" * 100_000, "lists and tables may be 64 deep"),
    (lambda text: "[1, 2]", "it must be a table"),
    (lambda text: text.replace('"met"', '"mat"'), "'met' must be of the type bool, not None"),
    (lambda text: text.replace("40.0", "[]"), r"'fmax_mhz' must be of the type int or float, not"),
    (lambda text: text.replace("true", "1"), "'met' must be of the type bool, not 1"),
    (lambda text: text.replace("40.0", "1e400"), "a number must be finite, not 1e400"),
    (lambda text: text.replace('"met"', '"board"'), "key 'board' occurs twice")])
def test_a_damaged_report_is_refused(bitstream, tmp_path, damage, message):
    report = tmp_path / "report.json"
    check_bitstream(BOARD, bitstream)
    report.write_text(damage(report.read_text()))
    with pytest.raises(InputError, match=f"cannot read .*report.json: {message}.* build again: op"):
        check_bitstream(BOARD, bitstream)


def test_what_the_tools_wrote_is_read_with_care(tmp_path):
    for text in ("[" * 100_000, "{}", '{"design": 1}', '{"design": {"num_cells_by_type": []}}'):
        (tmp_path / "stat.json").write_text(text)
        with pytest.raises(ToolError, match="synthesis wrote no statistics that can be read"):
            synthesised_cells(tmp_path)
    with pytest.raises(ToolError, match="place and route's report: lists and tables may be 64"):
        timing(None, "[" * 100_000)
