# SPDX-License-Identifier: Apache-2.0
"""Options of quantisation: each checked with its rule, before anything is computed."""
import numpy as np
import openeie
import pytest
from openeie.core.errors import InputError
from openeie.sw.float.graph import FloatGraph, Node
from openeie.sw.quantise.quantise import quantise_graph
from support.float_nodes import conv

OPTIONS = {
    "input_scale": ([0, -1.0, np.inf, np.nan, "1", True, None], "a positive finite number"),
    "input_range": ([(0.0, 1.0), (1, 0), (0, 1 << 15), (-(1 << 15) - 1, 0), (0,), (0, 1, 2), 7,
                     None, "01", (False, True)],
                    r"two integers, low <= high, in -32768 \.\. 32767 because act_width is 16"),
    "act_width": ([0, 7, 12, 32, 16.0, "16", None], "8 or 16"),
    "acc_width": ([15, 49, 32.0, "48", None], r"an integer in 16 \.\. 48"),
    "encoding": (["zip", 3, "CSR"], "one of csr, codebook, huffman or None"),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_options_that_are_refused(option, rng):
    values, rule = OPTIONS[option]
    graph = FloatGraph(name="g", nodes=(Node(name="data", op="input", shape=(2, 3, 3)),
                                        conv("a", "data", rng)))
    x = np.zeros((1, 2, 3, 3))
    for value in values:
        fields = {"input_range": (0, 1), option: value}
        with pytest.raises(InputError, match=f"^{option} must be {rule}.*, not ") as raised:
            quantise_graph(graph, x, **fields)
        assert str(raised.value).endswith(f"not {value!r}")
        if option != "encoding":
            with pytest.raises(InputError, match=f"^{option} must be {rule}"):
                openeie.quantise(graph, x, **fields)


def test_options_of_numpy_are_plain_numbers(rng):
    graph = FloatGraph(name="g", nodes=(Node(name="data", op="input", shape=(2, 3, 3)),
                                        conv("a", "data", rng)))
    net = quantise_graph(graph, np.zeros((1, 2, 3, 3), int), input_range=np.array([-4, 5]),
                         input_scale=np.float32(0.5), act_width=np.int64(8),
                         acc_width=np.uint8(32), encoding=None)
    assert (net.input_range, net.input_scale, net.act_width) == ((-4, 5), 0.5, 8)
    assert type(net.input_scale) is float and type(net.act_width) is int


PIXELS = np.full((1, 2, 3, 3), 200)


@pytest.fixture
def run(rng):
    """Quantises a small network with some calibration inputs, which must be in 0 .. 1."""
    graph = FloatGraph(name="g", nodes=(Node(name="data", op="input", shape=(2, 3, 3)),
                                        conv("a", "data", rng)))

    def quantised(calibration):
        return quantise_graph(graph, calibration, input_range=(0, 255), input_scale=1 / 255)
    return quantised


def test_calibration_inputs_that_are_integers(run):
    with pytest.raises(InputError, match=r"must lie in input_range times input_scale, 0 \.\. 1, "
                                         r"not in 200 \.\. 200; .* multiply them by input_scale"):
        run(PIXELS)


@pytest.mark.parametrize("bound, step", [(0, -1), (1, 1)])
def test_calibration_inputs_may_be_a_step_beyond(run, bound, step):
    x = np.full((1, 2, 3, 3), bound, np.float64)
    x[0, 0, 0] = 0.6                                # compared with it, rounding is small
    run(x + step * 0.99 / 255)
    with pytest.raises(InputError, match="times input_scale.*; choose both so that every in"):
        run(x + step * 1.01 / 255)


@pytest.mark.parametrize("wrong", [PIXELS > 1, PIXELS * 1j, PIXELS.astype(str),
                                   PIXELS.astype(object), "images"])
def test_calibration_inputs_that_are_no_numbers(run, wrong):
    with pytest.raises(InputError, match="must be an array of numbers, floats or integers"):
        run(wrong)


@pytest.mark.parametrize("shape", [(2, 3, 3), (3,), (), (0, 2, 3, 3), (1, 1, 2, 3, 3)])
def test_calibration_inputs_of_another_rank(run, shape):
    with pytest.raises(InputError, match=rf"must have the shape .*, not \{list(shape)}"):
        run(np.zeros(shape))
