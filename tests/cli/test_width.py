# SPDX-License-Identifier: Apache-2.0
"""Tables on a terminal of 80 columns: no number is cut off or broken, no line is longer."""
import io
import re

import numpy as np
import openeie
import pytest
from openeie.cli.advise import Asked, Found, advice_tables
from openeie.cli.compile import _drawn, _measured as _measured_forecast
from openeie.cli.layers import layer_tables
from openeie.cli.models import find_model, load_model
from openeie.cli.plan import plan_tables
from openeie.cli.tables import compression_tables, plain_table, run_tables
from openeie.cli.zoo import _measured, _table
from openeie.core.array.config import preset
from openeie.core.artefact.inspect import inspect
from openeie.core.compile.compile import compile_network
from openeie.core.defaults import AskedArray
from openeie.sim.fast import fast
from openeie.sim.study.advise import Advice, Change, Setting
from openeie.sim.views.summary import summarise
from openeie.sw.zoo import shipped_subject
from support.damage import whole_network
from rich.console import Console, Group

NUMBER = re.compile(r"\d[\d,.]*[%x]?")


def rendered(tables, width):
    console = Console(width=width, color_system=None, file=io.StringIO())
    console.print(Group(*tables))
    return console.file.getvalue()


def check(tables):
    """The same numbers, whole, at 80 columns and at 200."""
    for table in tables:
        narrow, wide = rendered([table], 80), rendered([table], 200)
        assert "\u2026" not in narrow and max(map(len, narrow.splitlines())) <= 80
        assert sorted(NUMBER.findall(narrow)) == sorted(NUMBER.findall(wide))


def test_the_check_sees_what_is_cut_and_what_is_broken():
    table = plain_table("t", "layer", *"abcdefgh")
    table.add_row("x" * 20, *["1,234,567.8"] * 8)
    with pytest.raises(AssertionError):
        check([table])
    for column in table.columns:
        column.no_wrap, column.overflow = False, "ellipsis"
    with pytest.raises(AssertionError):
        check([table])


@pytest.mark.parametrize("array", ["NET16", "NET64"])
@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5", "whole"])
def test_compile_sim_and_layers(rng, array, name):
    network = whole_network() if name == "whole" else load_model(name)
    program = compile_network(network, preset(array))
    forecast, _ = _drawn(network, program, None, 12.5, density=0.5, input_density=None, seed=1)
    tables = plan_tables(program, forecast)
    check([table for table in tables if not isinstance(table, str)])
    low, high = network.input_range
    x = rng.integers(low, high + 1, (3, network.inputs))
    run = fast.run(program, x)
    check([*run_tables(run, title="t"), *layer_tables(summarise(program, run, x))])


def test_inspect(tmp_path):
    openeie.save(whole_network(), tmp_path / "whole.eie")
    for path in (tmp_path / "whole.eie", find_model("lenet-300-100"), find_model("lenet-5")):
        check(compression_tables(inspect(path)))


def test_zoo():
    array = AskedArray.of("NET16")
    reports = [_measured(shipped_subject(name, 2), array, find_model(name), 1)
               for name in ("lenet-300-100", "lenet-5")]
    check([_table(reports, {"squeezenet-dc": "too large"}, array)])


def test_advice():
    """Also of changes with long names, and of all of them at once."""
    asked = Asked(model="m.eie", config=None, changes=(), rest=(),
                  setting=Setting(array=AskedArray.of("EIE64")))
    fields = {"operations": ("linear", "conv", "pool"), "act_depth": 1 << 20, "pes": 1024}
    advice = [Advice(change=Change(kind=kind, fields=fields, options={"vectors": 65_000}),
                     before=123_456_789.1, cycles=98_765_432.1, memory=123.45, luts=12.34)
              for kind in ("PEs", "all of these")]
    lines = advice_tables(asked, Found(tuple(advice[:1]), advice[1]))
    check([line for line in lines if not isinstance(line, str)])


def test_an_inputs_mean_is_an_inputs_with_several_in_a_start(rng):
    """The run table and the table by layers agree."""
    network = load_model("lenet-300-100")
    program = compile_network(network, preset("EIE64"), vectors=2)
    x = rng.integers(0, 256, (6, network.inputs))
    run = fast.run(program, x)
    rows = [[line.split() for line in rendered([table], 140).splitlines() if line.strip()]
            for table in (run_tables(run, title="t")[0],
                          layer_tables(summarise(program, run, x))[0])]
    means = [{row[0]: row[column] for row in table if row[0] in ("ip1", "ip2", "ip3", "all")}
             for table, column in zip(rows, (1, 5))]
    assert means[0]["all"] == f"{run.cycles.sum() / 6:,.1f}"
    for name, mean in means[1].items():
        assert float(means[0][name].replace(",", "")) == pytest.approx(
            float(mean.replace(",", "")), abs=0.51)
    assert np.isclose(run.cycles.sum() / 6, run.cycles.mean() / 2)


def test_busy_counts_a_pools_entries_and_mac_utilisation_does_not(rng):
    network = load_model("lenet-5")
    program = compile_network(network, preset("NET16"))
    x = rng.integers(0, 256, (2, network.inputs))
    run = fast.run(program, x)
    summary = summarise(program, run, x)

    def share(table, column):
        heads = [" ".join(str(one.header).split()) for one in table.columns]
        cells = list(table.columns[heads.index(column)].cells)
        return dict(zip(table.columns[0].cells, cells, strict=True))
    plan = plan_tables(program, _measured_forecast(network, program, x, None, None)[0])[1]
    busy = share(run_tables(run, title="t")[0], "busy")
    assert busy == share(plan, "busy")
    mac = share(layer_tables(summary)[1], "MAC util.")
    assert mac["pool1"] == "0.0%" != busy["pool1"] and mac["conv1"] == busy["conv1"]
    assert float(mac["all"].rstrip("%")) < float(busy["all"].rstrip("%"))
