# SPDX-License-Identifier: Apache-2.0
"""What quantisation reports and warns of."""
import json
import warnings
from dataclasses import replace

import numpy as np
import openeie
import pytest
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.float.run import run_float
from openeie.sw.quantise.integer_run import run_integer
from openeie.sw.quantise.report import FEW_STEPS, LayerError, QuantiseReport
from support.float_nodes import of_ratios

RATIOS = [1, 1e-1, 1e-2, 1e-3, 1e-4]
RNG = np.random.default_rng         # where thresholds are near, one draw is enough
OPTIONS = {"input_range": (-127, 127), "input_scale": 1 / 128}


def quantised(graph, x, **options):
    """Network, report, and what was warned of."""
    reports = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        network = openeie.quantise(graph, x, report=reports.append, **OPTIONS | options)
    assert all(one.category is openeie.NumericWarning and one.filename == __file__
               for one in told)
    assert [str(one.message) for one in told] == reports[0].warnings
    return network, reports[0], reports[0].warnings


def images(rng, shape=(40, 3, 10, 10)):
    return rng.integers(-127, 128, shape).astype(np.float32) / 128


@pytest.mark.parametrize("act_width", [8, 16])
def test_an_ordinary_network_is_reported_without_a_warning(act_width):
    rng = RNG(1)
    graph, x = of_ratios(rng, RATIOS), images(rng)
    network, report, told = quantised(graph, x, act_width=act_width)
    assert told == [] and report.inputs == 40 and report.input_error == 0
    assert [layer.name for layer in report.layers] == ["a", "p", "d", "e"]
    last, wanted = report.layers[-1], openeie.to_array_order(run_float(graph, x))
    inputs = openeie.to_array_order(np.rint(x * 128).astype(int))
    away = np.abs(run_integer(network, inputs) * network.layers[-1].output_scale - wanted)
    assert last.largest == np.abs(wanted).max()
    assert last.error == pytest.approx(away.max() / last.largest)
    assert last.rms == pytest.approx(np.sqrt(np.mean(away ** 2)) / last.largest)
    assert last.channel == away.reshape(-1, 6).max(axis=0).argmax()
    assert (last.outputs, last.saturated, last.steps, last.limit) == (away.size, 0, 32767, "")
    assert report.layers[1].steps is None


def shared(graph, name):
    """The graph with one layer's weights shared, as they are, so that they cannot be scaled."""
    def one(node):
        table, codes = np.unique(np.append(0, node.weight), return_inverse=True)
        order = np.argsort(table != 0, kind="stable")           # slot 0 is zero
        return replace(node, codebook=table[order].astype(np.float32),
                       codes=np.argsort(order)[codes[1:]].reshape(node.weight.shape)
                       .astype(np.uint8))
    return replace(graph, nodes=tuple(one(node) if node.name == name else node
                                      for node in graph.nodes))


@pytest.mark.parametrize("act_width, least", [(16, 1e-4), (8, 1e-2)])
def test_a_channel_that_its_layer_s_scale_loses_is_named(act_width, least):
    rng = RNG(1)
    graph, x = shared(of_ratios(rng, [1, 0.5, least], undone=False), "a"), images(rng)
    _, report, told = quantised(graph, x, act_width=act_width)
    assert any(text.startswith("layer 'a': channel 2 is off by up to ") for text in told)
    assert ("act_width 16" in told[0]) == (act_width == 8)
    _, _, told = quantised(shared(of_ratios(rng, [1, 0.5], undone=False), "a"), x,
                           act_width=act_width)
    assert told == []


def test_an_error_above_its_layer_s_bound_is_told_where_it_begins():
    """The small channels of a shared layer, brought back by the last one."""
    rng = RNG(1)
    graph, x = shared(of_ratios(rng, RATIOS), "a"), images(rng)
    _, report, told = quantised(graph, x)
    last = report.layers[-1]
    assert last.error > 0.05
    assert f"layer 'e': channel {last.channel} is off by up to {last.error:.2%} of the layer's " \
           f"largest value, more than 0.10%" in told[0]


@pytest.mark.parametrize("acc_width, few", [(22, True), (40, False)])
def test_an_accumulator_that_leaves_few_steps_is_told(acc_width, few, rng):
    graph = FloatGraph(name="g", nodes=(
        Node(name="data", op="input", shape=(50,)),
        Node(name="a", op="linear", inputs=("data",), bias=rng.normal(size=9).astype(np.float32),
             weight=rng.normal(size=(9, 50)).astype(np.float32)),
        Node(name="b", op="linear", inputs=("a",),
             weight=rng.normal(size=(4, 9)).astype(np.float32))))
    _, report, told = quantised(graph, images(rng, (70, 50)), acc_width=acc_width)
    assert report.inputs == 35                      # every second one
    steps = report.layers[1].steps
    assert (steps < FEW_STEPS) == few and any(
        f"layer 'b': acc_width 22 leaves its weights {steps} steps each way" in text
        for text in told) == few
    if few:
        advised = int(told[0].rpartition(" ")[2])
        _, report, told = quantised(graph, images(rng, (70, 50)), acc_width=advised)
        assert report.layers[1].steps >= FEW_STEPS and not any("steps each way" in text
                                                           for text in told)


@pytest.mark.parametrize("acc_width, lost", [(28, True), (48, False)])
def test_what_a_narrow_accumulator_loses_in_many_layers_is_told(acc_width, lost):
    rng = RNG(1)
    nodes = [Node(name="0", op="input", shape=(64,))]
    for number in range(1, 10):
        weight = rng.normal(size=(64, 64)) * np.sqrt(2 / 64)
        nodes.append(Node(name=f"{number}", op="linear", inputs=(nodes[-1].name,),
                          weight=weight.astype(np.float32)))
        nodes.append(Node(name=f"r{number}", op="relu", inputs=(f"{number}",)))
    x = rng.integers(0, 128, (60, 64)).astype(np.float32) / 128
    _, report, told = quantised(FloatGraph(name="g", nodes=tuple(nodes[:-1])), x,
                                acc_width=acc_width)
    assert all(layer.steps >= FEW_STEPS for layer in report.layers)
    assert [text.partition(", and")[0][:7] for text in told] == ["layer '"] * lost
    assert all("layer's largest value, more than" in text and "use a larger acc_width" in text
               for text in told)


@pytest.mark.parametrize("act_width", [8, 16])
def test_a_channel_of_almost_nothing_is_not_told(act_width):
    """float32 loses it, as of a batch norm that has switched a channel off."""
    rng = RNG(1)
    graph, x = of_ratios(rng, [1, 0.5, 1e-20], undone=False), images(rng)
    for one in (graph, shared(graph, "a")):
        assert quantised(one, x, act_width=act_width)[2] == []


def test_a_layer_of_few_steps_is_not_told_for_its_channel_too():
    layer = LayerError(name="a", largest=1.0, error=0.001, rms=0.001, channel=0, own_error=0.9,
                       own_channel=1, saturated=0, outputs=10, steps=12, limit="few steps")
    report = QuantiseReport(act_width=16, inputs=4, input_error=0.0, layers=(layer,))
    assert report.warnings == ["layer 'a': few steps"]
    [told] = replace(report, layers=(replace(layer, limit=""),)).warnings
    assert "channel 1 is off by up to 90%" in told


@pytest.mark.parametrize("bias, few", [(1e5, True), (1.0, False)])
def test_a_bias_that_leaves_few_steps_is_told(bias, few, rng):
    graph = FloatGraph(name="g", nodes=(
        Node(name="data", op="input", shape=(5,)),
        Node(name="a", op="linear", inputs=("data",), bias=np.full(2, bias, np.float32),
             weight=rng.normal(size=(2, 5)).astype(np.float32))))
    _, _, told = quantised(graph, images(rng, (20, 5)), acc_width=28)
    assert any("layer 'a': a bias that is large beside its weights leaves them" in text
               for text in told) == few


@pytest.mark.parametrize("input_scale, few", [(1 / 4, True), (1 / 128, False), (1 / 100, False)])
def test_inputs_that_rounding_changes_are_told(input_scale, few, rng):
    graph, x = of_ratios(rng, [1, 1]), images(rng)
    _, report, told = quantised(graph, x, input_scale=input_scale)
    assert (report.input_error > 0) == (input_scale != 1 / 128)
    assert bool(told) == few and all(text.startswith("inputs: rounding") for text in told)


def test_a_report_is_a_table_and_plain_values():
    layer = LayerError(name="conv1", largest=2.0, error=0.5, rms=0.01, channel=3, own_error=0.9,
                       own_channel=1, saturated=7, outputs=100, steps=12, limit="too few")
    report = QuantiseReport(act_width=8, inputs=4, input_error=0.2, layers=(layer, layer))
    assert QuantiseReport.of(json.loads(json.dumps(report.to_dict()))) == report
    head, names, first, *_ = str(report).splitlines()
    assert "4 calibration inputs" in head and names.split()[:3] == ["layer", "largest", "error"]
    assert first.split() == ["conv1", "2", "50.000%", "1.000%", "3", "90.00%", "1", "12", "7"]
    assert [text.partition(":")[0] for text in report.warnings] == [
        "inputs", "layer 'conv1'", "layer 'conv1'", "layer 'conv1', and 1 later ones"]
    assert len(str(report).splitlines()) == 4           # a warning is told by itself, and once


def test_saturated_outputs_are_counted(rng):
    """Where the float network is beyond what its own calibration showed, here by its error."""
    graph, x = of_ratios(rng, [1, 1]), images(rng)
    network, _, _ = quantised(graph, x)
    from openeie.sw.quantise.measure import measure
    small = replace(network, layers=tuple(
        replace(layer, multiplier=np.full_like(layer.multiplier, 32767),
                shift=layer.shift - 6) if layer.name == "a" else layer
        for layer in network.layers))
    zeros = {layer.name: np.zeros(layer.channels, int) for layer in network.layers}
    report = measure(graph, small, zeros, {"a": 1.0}, x, 48)
    inputs = openeie.to_array_order(np.rint(x * 128).astype(int))
    from openeie.core import golden
    words = golden.network(small, inputs)[0]
    assert report.layers[0].saturated == np.count_nonzero(words == 32767) > 0
