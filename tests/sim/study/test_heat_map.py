# SPDX-License-Identifier: Apache-2.0
"""The heat map of a sweep of two fields shows the cycles of each point once, at its place."""
import re

import pytest
from openeie.sim.study.charts import draw_chart
from openeie.sim.study.grid import RandomLayer, Sweep
from openeie.sim.study.heat_map import draw_heat_map, heat_map_fields
from openeie.sim.study.sweep import run_sweep
from openeie.sim.study.sweep_charts import draw_front, sweep_charts

LAYERS = [RandomLayer(name=name, inputs=300, outputs=200, weight_density=0.1, act_density=density)
          for name, density in (("sparse", 0.2), ("dense", 0.9), ("half", 0.5), ("most", 0.7))]


def sweep_of(**grid):
    return Sweep(grid=grid, layer=LAYERS)


@pytest.mark.parametrize(("grid", "fields"), [
    ({"pes": [1, 2], "queue_depth": [1, 8]}, ("pes", "queue_depth")),
    ({"pes": [1, 2], "acc_banks": [1], "queue_depth": [1, 8]}, ("pes", "queue_depth")),
    ({"pes": [1, 2]}, None),
    ({"pes": [1, 2], "acc_banks": [1, 2], "queue_depth": [1, 8]}, None)])
def test_two_fields_that_have_several_values(grid, fields):
    assert heat_map_fields(sweep_of(**grid)) == fields


def test_every_point_is_drawn_where_it_belongs():
    """2,000 PEs are no array: their row of cells is empty."""
    sweep = sweep_of(pes=[16, 2000, 4], queue_depth=[1, 8])
    rows = run_sweep(sweep, {})
    picture = draw_heat_map(sweep, rows).decode()
    texts = re.findall(r"<text [^>]*rotate\(\S+ ([\d.]+) ([\d.]+)\)[^>]*>([^<]+)</text>", picture)
    cells = {}
    for x, y, text in texts:
        cells.setdefault(text, []).append((float(x), float(y)))
    ran = [row for row in rows if row["status"] == "ok"]
    assert len(ran) == 16 and {row["name"] for row in rows} <= set(cells)
    for row in ran:
        assert f"{row['cycles']:,}" in cells
    for name in ("sparse", "dense"):
        at = {(row["pes"], row["queue_depth"]): cells[f"{row['cycles']:,}"][0]
              for row in ran if row["name"] == name}
        assert at[16, 1][0] < at[16, 8][0] and at[16, 1][1] < at[4, 1][1]   # y is downwards
    assert draw_heat_map(sweep, rows).decode() == picture


def test_a_layer_without_any_array_has_an_empty_panel():
    sweep = Sweep(grid={"pes": [4, 16], "weight_width": [4, 5]}, layer=LAYERS[:1])
    rows = [{"name": "sparse", "status": "refused", "pes": pes, "weight_width": width}
            for pes in (4, 16) for width in (4, 5)]
    assert b"sparse" in draw_heat_map(sweep, rows)
    sweep = Sweep(grid={"pes": [4, 16], "encodings": [["csr"], ["csr", "codebook"]]},
                  layer=LAYERS[:1])
    assert b"csr+codebook" in draw_heat_map(sweep, run_sweep(sweep, {}))


@pytest.mark.filterwarnings("error")
def test_the_name_of_a_long_path_leaves_room_for_every_picture():
    path = "/home/" + 20 * "somebody/" + "network.eie"
    layers = [one.model_copy(update={"name": name}) for one, name in zip(LAYERS, (path, "short"))]
    sweep = Sweep(grid={"pes": [4, 16], "encodings": [["csr"], ["csr", "codebook", "huffman"]]},
                  layer=layers)
    rows = run_sweep(sweep, {})
    pictures = [draw_heat_map(sweep, rows), draw_front(rows),
                *map(draw_chart, sweep_charts(sweep, rows))]
    assert len(pictures) == 3
    for picture in pictures:
        assert b"/home/some...mebody/somebody/network.eie" in picture and b">short<" in picture
