# SPDX-License-Identifier: Apache-2.0
"""Distillation: the formula, its gradient, and a teacher that nothing changes."""
import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.compress.methods.distill import distillation
from openeie.sw.compress.methods.train import (Schedule, cross_entropy, deterministic, error_rate,
                                               fit)
from torch import nn


class Fixed(nn.Module):
    """Answers with a parameter, whatever it is asked."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.as_tensor(logits, dtype=torch.float64))

    def forward(self, images):
        return self.logits


def softmax(x):
    x = np.exp(x - x.max(axis=1, keepdims=True))
    return x / x.sum(axis=1, keepdims=True)


def direct(teacher, student, labels, temperature, soft):
    """The loss in numpy, from its definition."""
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    divergence = (p * np.log(p / q)).sum(axis=1).mean()
    hard = -np.log(softmax(student)[np.arange(len(labels)), labels]).mean()
    return soft * temperature ** 2 * divergence + (1 - soft) * hard


def drawn(seed, batch=6, classes=5):
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 3, (batch, classes)), rng.normal(0, 3, (batch, classes)),
            rng.integers(0, classes, batch))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2 ** 32), st.floats(0.3, 50), st.floats(0, 1), st.integers(1, 9),
       st.integers(2, 12))
def test_loss_and_gradient_are_those_of_the_definition(seed, temperature, soft, batch, classes):
    wanted, got, labels = drawn(seed, batch, classes)
    student = Fixed(got)
    loss = distillation(Fixed(wanted), temperature=temperature, soft=soft)
    value = loss(student, None, torch.from_numpy(labels))
    value.backward()
    assert value.item() == pytest.approx(direct(wanted, got, labels, temperature, soft),
                                         rel=1e-9, abs=1e-9)
    # d/dz: soft * T * (q - p) + (1 - soft) * (softmax - one hot), over the batch.
    hard = softmax(got) - np.eye(classes)[labels]
    expected = (soft * temperature * (softmax(got / temperature) - softmax(wanted / temperature))
                + (1 - soft) * hard) / batch
    assert np.allclose(student.logits.grad.numpy(), expected, rtol=1e-7, atol=1e-10)


def test_gradient_at_high_temperatures_no_longer_depends_on_it():
    """Section 2.1: with logits of mean zero it tends to (student - teacher) / (batch * classes)."""
    wanted, got, labels = drawn(1)
    wanted -= wanted.mean(axis=1, keepdims=True)
    got -= got.mean(axis=1, keepdims=True)
    student = Fixed(got)
    distillation(Fixed(wanted), temperature=1e4, soft=1)(student, None, None).backward()
    assert np.allclose(student.logits.grad.numpy(), (got - wanted) / got.size, rtol=0, atol=1e-3)


def test_limits_are_cross_entropy_and_nothing_to_learn():
    wanted, got, labels = drawn(2)
    labels = torch.from_numpy(labels)
    student = Fixed(got)
    assert (distillation(Fixed(wanted), temperature=3, soft=0)(student, None, labels)
            == cross_entropy(student, None, labels))
    same = distillation(Fixed(got), temperature=3, soft=1)(student, None, None)
    same.backward()
    assert abs(same.item()) < 1e-12 and student.logits.grad.abs().max() < 1e-12


def test_a_student_learns_from_its_teacher_alone_and_leaves_it_as_it_was():
    """Without a single label: soft is 1, and the labels given are wrong."""
    with deterministic(3) as generator:
        x = torch.randn(600, 8, generator=generator)
        teacher = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
        teacher.train()
        before = copy.deepcopy(teacher.state_dict())
        student = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
        nonsense = torch.zeros(600, dtype=torch.long)
        fit(student, x, nonsense, Schedule(epochs=30, rate=1e-2, batch=50), generator=generator,
            loss=distillation(teacher, temperature=2, soft=1))
        assert not teacher.training and not any(part.training for part in teacher)
        answers = teacher(x).argmax(1)
    assert error_rate(student, x, answers) < 0.03 < 0.3 < error_rate(student, x, nonsense)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf"), True, "20", None])
def test_temperatures_that_are_none_are_refused(temperature):
    with pytest.raises(InputError, match="temperature must be a positive number, not "):
        distillation(Fixed([[0.0]]), temperature=temperature, soft=0.5)


@pytest.mark.parametrize("soft", [-0.1, 1.1, float("nan"), False, "1", None])
def test_shares_that_are_none_are_refused(soft):
    with pytest.raises(InputError, match=r"must be a number in 0 \.\. 1, not "):
        distillation(Fixed([[0.0]]), temperature=1, soft=soft)


def test_teachers_that_do_not_fit_are_refused():
    student = Fixed(np.zeros((2, 3)))
    labels = torch.zeros(2, dtype=torch.long)
    with pytest.raises(InputError, match="teacher must be another module than the student"):
        distillation(student, temperature=1, soft=0.5)(student, None, labels)
    with pytest.raises(InputError, match=r"the student's shape \(2, 3\), not \(2, 4\)"):
        distillation(Fixed(np.zeros((2, 4))), temperature=1, soft=0.5)(student, None, labels)
