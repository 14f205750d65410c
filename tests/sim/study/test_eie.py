# SPDX-License-Identifier: Apache-2.0
"""The paper's layers, the shapes of its figures, a user's arrays, and precision."""
import numpy as np
import openeie
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.entries.encoding import encode_entries
from openeie.core.errors import ConfigError, InputError
from openeie.sim.study.arrays import workload_of
from openeie.sim.study.authors import authors_cycles
from openeie.sim.study.charts import draw_chart
from openeie.sim.study.eie import PAPER, measure, paper_array, paper_workloads
from openeie.sim.study.figures import figures, precision_figure
from openeie.sim.study.precision import errors_by_precision
from openeie.sim.study.workload import random_workload
from openeie.sw.data.mnist import demo_images


@pytest.fixture(scope="module")
def layers():
    return paper_workloads(1)


def test_layers_have_the_papers_sizes_and_densities(layers):
    for layer, row in zip(layers, PAPER, strict=True):
        assert layer.name == row.name and layer.shape == (row.outputs, row.inputs)
        places = layer.shape[0] * layer.shape[1]
        # 5 standard deviations of a binomial share: a wrong density fails, another seed does not.
        for share, density, count in ((layer.weights.nnz / places, row.weight_density, places),
                                      ((layer.acts != 0).mean(), row.act_density,
                                       layer.shape[1])):
            assert abs(share - density) <= 5 * (density * (1 - density) / count) ** 0.5


def test_times_are_near_the_papers(layers):
    """The paper measured one image with its own patterns, so random layers may differ by 30 %."""
    for layer in layers:
        paper = next(row for row in PAPER if row.name == layer.name)
        row = measure(layer, layer.time(paper_array()), paper=paper)
        assert row.theoretical_us < row.actual_us
        assert 0.7 < row.actual_us / row.paper.actual_us < 1.3
        assert row.entries == round(row.theoretical_us * 800 * 64)
        assert row.pointer_reads == 64 * np.count_nonzero(layer.acts)


def test_figures_have_the_papers_shapes(layers):
    few = [layer for layer in layers if layer.name in ("Alex-7", "VGG-7", "NT-We")]
    charts = {chart.name: chart for chart in figures(few, paper_array())}
    for name, balance in charts["fig8"].series.items():
        assert list(balance) == sorted(balance), name           # deeper queues hide more
    for reads in charts["fig9-reads"].series.values():
        assert list(reads) == sorted(reads, reverse=True)
    fig11, fig12, fig13 = (charts[name].series for name in ("fig11", "fig12", "fig13"))
    assert fig11["VGG-7"][6] > 64                               # fewer fillers: more than linear
    assert fig11["NT-We"][8] < 80                               # a row or two a PE and column
    product = {name: [a * b for a, b in zip(fig12[name], fig13[name])] for name in fig12}
    assert max(product["Alex-7"]) - min(product["Alex-7"]) < 0.1    # as docs/eie.md says
    assert product["NT-We"][8] < 0.3 < 0.8 < product["NT-We"][0]
    for name in fig12:
        assert list(fig12[name]) == sorted(fig12[name])
        assert list(fig13[name]) == sorted(fig13[name], reverse=True)


def test_pictures_are_the_same_bytes_again(layers):
    chart = figures(layers[6:7], paper_array())[0]
    bars = precision_figure({"float32": 0.1, "8-bit fixed": 0.2}, "net")
    for one in (chart, bars):
        drawn = draw_chart(one)
        assert drawn == draw_chart(one) and drawn.startswith(b"<?xml") and b"</svg>" in drawn
    assert b"20.00%" in draw_chart(bars) and b"NT-We" not in draw_chart(bars)


@given(st.integers(1, 30), st.integers(1, 20), st.integers(1, 5), st.integers(1, 4),
       st.floats(0, 1), st.integers(0, 99))
def test_entries_and_pointers_are_the_same_matrix(m, n, pes, run_width, density, seed):
    layer = random_workload("any", (m, n), weight_density=density, act_density=0.5, seed=seed)
    longest = (1 << run_width) - 1
    entries = encode_entries(layer.weights, pes, longest)
    pointers = np.concatenate([np.zeros((pes, 1), int), np.cumsum(entries.count, axis=1)], axis=1)
    read = workload_of({"acts": layer.acts, "pointers": pointers, "runs": entries.run,
                        "codes": entries.code, "codebook": layer.weights.codebook,
                        "outputs": np.array(m)}, "any")
    assert np.array_equal(read.weights.dense(), layer.weights.dense())
    dense = workload_of({"acts": layer.acts, "weights": layer.weights.dense()}, "any")
    assert np.array_equal(dense.weights.dense(), layer.weights.dense())


GOOD = {"acts": np.array([1, 0]), "pointers": np.array([[0, 1, 2]]), "runs": np.array([0, 1]),
        "codes": np.array([1, 1]), "codebook": np.array([0, 5])}


@pytest.mark.parametrize("changes, message", [
    ({"acts": None}, "has no array 'acts'"),
    ({"weights": np.eye(2, dtype=int)}, "both 'weights' and 'pointers'"),
    (dict.fromkeys(("pointers", "runs", "codes", "codebook"))
     | {"weights": np.eye(2, dtype=int), "outputs": np.array(7)}, "both 'weights' and 'outputs'"),
    ({"runs": None}, "lacks 'runs'"),
    ({"codes": np.array([1.0, 1.0])}, "codes must be integers, not float64"),
    ({"pointers": np.array([0, 1, 2])}, r"pointers must be \[PEs, n \+ 1\], not \[3\]"),
    ({"pointers": np.array([[0, 2, 1]])}, "never fall"),
    ({"pointers": np.array([[1, 1, 2]])}, "begin at 0"),
    ({"runs": np.array([0])}, r"end after 2 entries in all PEs, but runs has \[1\]"),
    ({"runs": np.array([0, 256])}, "runs must be in 0 .. 255, not 0 .. 256"),
    ({"codes": np.array([1, 2])}, "codes must be in 0 .. 1, not 1 .. 2"),
    ({"codebook": np.array([1, 5])}, "slot 0 and no other holding 0"),
    ({"codebook": np.array([0, 0])}, "slot 0 and no other holding 0"),
    ({"codebook": np.array(0)}, "codebook must be"),
    ({"codebook": np.array([], int)}, "codebook must be"),
    ({"pointers": np.array([[0, 1 << 62, 1 << 62]] * 4)}, "end after 18446744073709551616"),
    ({"outputs": np.array(2.0)}, "outputs must be integers, not float64"),
    ({"outputs": np.array(10**12)}, "outputs must be in 1 .. 16777216, not 1000000000000"),
    ({"codes": np.array([0, 1])}, "a filler, and must have the longest run 1, not 0"),
    ({"outputs": np.array(1)}, "outputs 1: an entry points to row 1 of 1"),
    ({"outputs": np.array([1, 2])}, "outputs must be one number"),
    ({"acts": np.array([1, 0, 0])}, r"not \[3\]")])
def test_arrays_that_contradict_each_other_are_refused(changes, message):
    assert workload_of(GOOD, "mine").shape == (2, 2)
    arrays = {name: array for name, array in (GOOD | changes).items() if array is not None}
    with pytest.raises(InputError, match=message):
        workload_of(arrays, "mine")


def test_half_precision_is_scaled_like_the_others():
    weights, acts = np.eye(3) / 3, np.array([1, 2, 4]) / 7
    one, two = (workload_of({"weights": weights.astype(kind), "acts": acts.astype(kind)}, "any")
                for kind in (np.float16, np.float32))
    assert np.array_equal(one.weights.dense(), two.weights.dense())
    assert one.acts.max() == two.acts.max() == 32767


def test_several_vectors_have_no_time_on_clusters_or_by_the_authors():
    layer = random_workload("any", (40, 30), weight_density=0.2, act_density=0.5, seed=1, vectors=2)
    clustered = openeie.preset("EIE16").replace(operations=("linear", "conv"), clusters=4)
    with pytest.raises(ConfigError, match="clusters must be 1 to time more than one"):
        layer.time(clustered)
    with pytest.raises(InputError, match="the authors' timing is of one vector, not of 2"):
        authors_cycles(layer, 4)


def test_precision_costs_errors():
    network = openeie.load(openeie.shipped("lenet-300-100"))
    x, labels = (array[:1000] for array in demo_images())
    errors = errors_by_precision(network, x, labels)
    exact = openeie.simulate(network, x, engine="golden").outputs.argmax(axis=1)
    assert abs(errors["16-bit fixed"] - np.mean(exact != labels)) <= 0.002
    assert errors["16-bit fixed"] <= errors["8-bit fixed"] < errors["4-bit fixed"]
    with pytest.raises(InputError, match="which 'conv1' is not"):
        errors_by_precision(openeie.load(openeie.shipped("lenet-5")), x, labels)
