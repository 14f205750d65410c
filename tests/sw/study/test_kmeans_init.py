# SPDX-License-Identifier: Apache-2.0
"""Initialisations compared, and what no k-means can beat; histograms that lose no weight."""
import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.sw.compress.methods.kmeans import INITS
from openeie.sw.compress.methods.prune import prune, weighted_layers
from openeie.sw.compress.methods.share import share
from openeie.sw.study.histograms import codebook_stems, histogram, weight_figure
from openeie.sw.study.kmeans_init import best_inertia, inertia, init_figure, init_points
from support.study_subject import EFFORT, small_subject


@pytest.fixture(scope="module")
def subject():
    return small_subject()


@pytest.fixture(scope="module")
def pruned(subject):
    model = subject.copy()
    prune(model, {"ip1": 0.2, "ip2": 0.2, "ip3": 0.5})
    return model


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=30),
       st.lists(st.floats(-9, 9), min_size=1, max_size=6))
def test_inertia_is_the_sum_of_squares_to_the_nearest(values, centroids):
    centroids = sorted(centroids)
    wanted = sum(min((value - one) ** 2 for one in centroids) for value in values)
    assert inertia(np.array(values), np.array(centroids)) == pytest.approx(wanted, abs=1e-9)


def test_every_initialisation_is_measured_and_none_beats_the_optimum(subject, pruned):
    points = init_points(subject, pruned)
    assert [(point.bits, point.init) for point in points] == [
        (bits, init) for bits in EFFORT.bits for init in INITS]
    for point in points:
        assert point.best == pytest.approx(best_inertia(pruned, point.bits))
        assert point.inertia >= point.best * (1 - 1e-9)
    assert points[-1].best < points[0].best
    assert init_points(subject, pruned) == points
    figure = init_figure(points)
    assert [len(panel.series) for panel in figure.panels] == [3, 3, 3]
    assert min(y for line in figure.panels[2].series for y in line.y) >= 1 - 1e-9


def test_histograms_count_every_weight_once(subject, pruned):
    values = np.array([-3, -0.9, -0.1, 0.1, 0.2, 5])
    line = histogram(values, 4, 1.0, "n")
    assert line.x == (-0.75, -0.25, 0.25, 0.75) and line.y == (2, 1, 2, 1)
    shared, trained = copy.deepcopy(pruned), copy.deepcopy(pruned)
    share(shared, slots=8)
    share(trained, slots=8)
    subject.retrain(trained)
    stems = codebook_stems(weighted_layers(shared)["ip1"], "n")
    assert sum(stems.y) == 240 and len(stems.x) <= 7 and list(stems.x) == sorted(stems.x)
    assert all(stems.y)
    figure = weight_figure(subject.model, pruned, shared, trained, "ip1")
    assert [sum(panel.series[0].y) for panel in figure.panels] == [1200, 240, 240]
    assert figure.panels[2].series[0].x != figure.panels[2].series[1].x
