# SPDX-License-Identifier: Apache-2.0
"""Rates of compression: every method measured, sizes that fall as they must."""
import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from openeie.sw.compress.methods.prune import kept, prune, weighted_layers
from openeie.sw.study.figure import NAMES
from openeie.sw.study.rates import (METHODS, PAPER_KEPT, RatePoint, fractions_kept, front,
                                    pruned_models, rate_figure, rate_points)
from openeie.sw.study.study import run_study, steps
from support.study_subject import EFFORT, small_subject


@pytest.fixture(scope="module")
def subject():
    return small_subject()


@pytest.fixture(scope="module")
def pruned(subject):
    return pruned_models(subject)


@pytest.fixture(scope="module")
def points(subject, pruned):
    return rate_points(subject, pruned)


def same(one, other):
    """Whether two networks compute with the same weights and biases."""
    x = torch.eye(40)
    return torch.equal(one(x), other(x)) and all(
        torch.equal(a.weight, b.weight) and torch.equal(a.bias, b.bias)
        for a, b in zip(weighted_layers(one).values(), weighted_layers(other).values()))


def of(points, method):
    return [point for point in points if point.method == method]


def test_pruning_keeps_what_its_strength_says(subject, pruned):
    assert [one.strength for one in pruned] == [0.5, 1.0]
    assert pruned[1].kept == PAPER_KEPT == fractions_kept(1)
    sizes = {"ip1": 1200, "ip2": 600, "ip3": 100}
    for one in pruned:
        wanted = {name: round(one.kept[name] * size) for name, size in sizes.items()}
        assert kept(one.cut) == kept(one.model) == wanted
        assert one.error == subject.error(one.model)
    assert kept(subject.model) == sizes


def test_each_pruned_network_starts_from_the_one_before(subject, pruned):
    """The first from the float network."""
    for before, one in zip([subject.copy(), *(other.model for other in pruned)], pruned):
        again = copy.deepcopy(before)
        prune(again, one.kept)
        subject.retrain(again)
        assert same(again, one.model)
    alone = subject.copy()
    prune(alone, pruned[1].kept)
    assert same(alone, pruned[1].cut)
    subject.retrain(alone)
    assert not same(alone, pruned[1].model)


def test_every_method_is_measured_at_every_setting(points):
    counts = {method: len(of(points, method)) for method in METHODS}
    joint = len(EFFORT.strengths) * len(EFFORT.joint_slots)
    assert counts == {"pruned": 2, "shared": 2, "pruned, shared": joint,
                      "pruned, shared, Huffman coded": joint, "low rank (SVD)": 2}
    assert all(0 <= point.error <= 1 and 0 <= point.error_cut <= 1 for point in points)


def test_sizes_fall_with_every_step_that_takes_away(points):
    for method in ("pruned", "low rank (SVD)"):
        rates = [point.rate for point in of(points, method)]
        assert rates == sorted(rates, reverse=True) and rates[-1] < 1
    few, many = (point.rate for point in of(points, "shared"))
    assert few < many
    both = {point.setting: point.rate for point in of(points, "pruned, shared")}
    only = {point.setting: point.rate for point in of(points, "pruned")}
    for setting, rate in both.items():
        assert rate < only[setting.rpartition(", ")[0]]
    assert both["keeps 8.0% 9.0% 26.0%, 4 slots"] < both["keeps 8.0% 9.0% 26.0%, 16 slots"]


def test_low_rank_takes_the_size_that_was_asked_for(points):
    for wanted, point in zip(EFFORT.rates, of(points, "low rank (SVD)")):
        assert wanted - 0.04 <= point.rate <= wanted            # the next vectors do not fit


def test_a_network_s_points_are_the_same_whatever_was_measured_before(subject, pruned, points):
    """Without the first pruned network, and with another state of torch's generator."""
    before = copy.deepcopy(subject.model.state_dict())
    torch.rand(3)
    assert rate_points(subject, pruned[1:]) == [
        point for point in points if "keeps" not in point.setting or "8.0%" in point.setting]
    assert all(torch.equal(value, before[name])
               for name, value in subject.model.state_dict().items())


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_front_falls_and_nothing_beats_it(pairs):
    points = [RatePoint(method="", setting="", rate=rate, error_cut=0, error=error)
              for rate, error in pairs]
    best = front(points)
    for a, b in zip(best, best[1:]):
        assert a.rate < b.rate and a.error > b.error
    for point in points:
        assert any(one.rate <= point.rate and one.error <= point.error for one in best)


def test_the_figure_shows_accuracy_lost_over_size(subject, points):
    figure = rate_figure(subject, points)
    for panel, error in zip(figure.panels, ("error_cut", "error")):
        assert [line.name for line in panel.series[:5]] == list(METHODS)
        assert len(panel.series) == 5 + (error == "error")      # the paper's own
        for line in panel.series:
            assert list(line.x) == sorted(line.x)
        line = panel.series[0]
        wanted = sorted((point.rate, getattr(point, error) - subject.error_float)
                        for point in of(points, "pruned"))
        assert list(zip(line.x, line.y)) == wanted


@pytest.mark.parametrize("names", [NAMES, ("sensitivity",), ("weights",), ("initialisation",)])
def test_a_study_measures_what_it_is_asked_for(subject, names):
    lines = []
    study = run_study(subject, names, lines.append)
    assert {figure.name for figure in study.figures} == set(names)
    assert len(lines) == steps(subject.effort, names)
    plain = study.to_dict()
    assert bool(plain["rates"]) == ("rates" in names)
    assert bool(plain["starts"]) == ("initialisation" in names)
    assert bool(plain["sensitivity"]) == ("sensitivity" in names)
