# SPDX-License-Identifier: Apache-2.0
"""Figures: the numbers that are written, and pictures that are the same bytes each time."""
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from openeie.core.errors import ToolError
from openeie.sw.study.draw import check_drawing, draw
from openeie.sw.study.figure import STYLES, StudyFigure, Panel, Series, series


def figure():
    lines = tuple(series(f"as {style}", range(1, 6), np.arange(5) ** 2 / 16, style)
                  for style in STYLES)
    return StudyFigure(name="f", title="All styles", note="a note", panels=(
        Panel(title="one", x_label="x", y_label="y", series=lines, percent="y"),
        Panel(title="two", x_label="a", y_label="b", series=lines[:1], log="xy",
              y_range=(0.01, 2))))


def test_the_same_figure_gives_the_same_bytes_in_any_process():
    code = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
            f"from openeie.sw.study.draw import draw; from test_figure import figure; "
            f"sys.stdout.buffer.write(draw(figure()))")
    other = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True,
                           check=True)
    picture = draw(figure())
    assert other.stdout == picture == draw(figure())
    text = picture.decode()
    for words in ("All styles", "a note", "as stems", ">one<", ">two<"):
        assert words in text
    assert "dc:date" not in text
    assert draw(figure(), "png").startswith(b"\x89PNG")


def test_what_is_drawn_is_what_is_written():
    rows = list(csv.reader(io.StringIO(figure().to_csv())))
    assert rows[0] == ["panel", "series", "x", "y"] and len(rows) == 1 + 5 * len(STYLES) + 5
    assert [(panel, name, float(x), float(y)) for panel, name, x, y in rows[1:]] \
        == figure().rows()
    again = json.loads(json.dumps(figure().to_dict()))
    assert again["panels"][1]["series"][0]["y"] == [0, 1 / 16, 4 / 16, 9 / 16, 1]


def test_a_figure_that_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="style must be one of line, .*, not 'dots'"):
        Series(name="a", x=(1,), y=(1,), style="dots")
    with pytest.raises(ValueError, match="series 'a' must have a y for each of its 2 x, not 1"):
        Series(name="a", x=(1, 2), y=(1,))


def test_without_matplotlib_there_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ToolError, match=r"needs matplotlib, .*\[report\]'"):
        check_drawing()
