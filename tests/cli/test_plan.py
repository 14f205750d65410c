# SPDX-License-Identifier: Apache-2.0
"""What ``compile`` says of a network of convolutions, pools and branches."""
import io

import pytest
from openeie.cli.compile import _drawn, _measured
from openeie.cli.plan import plan_dict, plan_tables
from openeie.core.array.config import half_rows
from openeie.core.compile.activation_plan import place_maps
from openeie.core.compile.compile import compile_network
from openeie.sim.engines import simulate
from support.networks import CONFIG, branched
from rich.console import Console, Group


def forecast(network, program, *, density=0.5, input_density=None, seed=1, clock=None):
    """The time of a launch on random activations."""
    return _drawn(network, program, None, clock, density=density, input_density=input_density,
                  seed=seed)[0]


def test_rows_are_those_of_the_placements_and_of_the_walk(rng):
    network, vectors = branched(rng), 2
    program = compile_network(network, CONFIG, vectors=vectors)
    placements, _ = place_maps(network, CONFIG, vectors)

    def span(names):
        """First and last row of maps that lie side by side."""
        maps = [placements[name] for name in names]
        pixels = vectors * network.layout(names[0]).pixels
        return (maps[0].origin, maps[0].origin + (pixels - 1) * maps[0].stride
                + sum(placed.rows for placed in maps) - 1)
    layers = plan_dict(program, forecast(network, program))["layers"]
    for number, (layer, plan) in enumerate(zip(layers, program.tiles, strict=True)):
        assert layer["source_rows"] == span(network.sources(number))
        assert layer["destination_rows"] == span((plan.name,))
        address, inside = plan.walk.addresses(vectors * plan.walk.positions,
                                              2 * half_rows(CONFIG))
        read = address[inside]
        assert layer["source_rows"][0] <= read.min() <= read.max() <= layer["source_rows"][1]
    assert program.tiles[2].walk.origin != layers[2]["source_rows"][0]     # padding's doing


def test_shapes_windows_and_totals_as_text(rng):
    network = branched(rng)
    program = compile_network(network, CONFIG)
    drawn = forecast(network, program, input_density=1.0, clock=100.0)
    console = Console(width=140, color_system=None, file=io.StringIO())
    console.print(Group(*plan_tables(program, drawn)))
    rows = {line.split()[0]: line.split() for line in console.file.getvalue().splitlines()[::-1]
            if line.split()}
    assert rows["right"][1:6] == ["conv", "7x6x4", "3x3", "+1", "7x6x6"]
    assert rows["largest"][1:6] == ["max", "pool", "7x6x13", "3x2/2", "3x3x13"]
    assert rows["mean"][1:6] == ["sum", "pool", "3x3x13", "2x2", "2x2x13"]
    assert rows["last"][1:5] == ["linear", "52", "-", "11"]
    total = drawn.to_dict()
    assert rows["all"][1] == f"{total['cycles']:,}"
    assert rows["all"][2] == f"{total['cycles'] / 100:,.1f}"
    assert total["seconds"] == pytest.approx(total["cycles"] / 100e6)


def test_totals_of_a_measurement_are_those_of_the_simulation(rng):
    network = branched(rng)
    program = compile_network(network, CONFIG, vectors=2)
    x = rng.integers(-3, 4, (4, network.inputs))
    total = _measured(network, program, x, None, None)[0].to_dict()
    run = simulate(program, x, "fast")
    assert total["cycles"] == run.cycles.mean()
    assert total["utilisation"] == pytest.approx(
        sum(layer.total("busy") for layer in run.tiles) / (CONFIG.pes * run.cycles.sum()),
        rel=1e-12)
