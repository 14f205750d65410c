# SPDX-License-Identifier: Apache-2.0
"""Distillation (Hinton, Vinyals, Dean, 2015): a student learns from its teacher's outputs."""
import math
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn import functional

from ....core.errors import InputError
from .train import Loss

__all__ = ["distillation"]


def distillation(teacher: nn.Module, *, temperature: float, soft: float) -> Loss:
    """The loss of a student, for :func:`~openeie.sw.compress.methods.train.fit`.

    It is ``soft * T^2 * KL(softmax(teacher / T) || softmax(student / T)) + (1 - soft) *
    cross-entropy``, averaged over the batch, where ``T`` is the temperature (section 2 of the
    paper). The gradient of the first term falls as ``1 / T^2`` (section 2.1); the factor ``T^2``
    compensates, so that ``soft`` means the same at every temperature.

    Parameters
    ----------
    teacher : gives logits [batch, classes] of the student's batches. It is put into eval mode and
        not trained.
    temperature : positive; 1 compares the probabilities themselves.
    soft : weight of the teacher's term, 0 .. 1; at 1 the labels are not used.

    Raises
    ------
    InputError : a temperature or a weight out of range. The loss itself raises it for a teacher
        that is the student, or whose outputs have another shape than the student's.
    """
    if not _is_number(temperature) or not 0 < temperature < math.inf:
        raise InputError(f"temperature must be a positive number, not {temperature!r}")
    if not _is_number(soft) or not 0 <= soft <= 1:
        raise InputError(f"soft, the weight of the teacher's term, must be a number in 0 .. 1, "
                         f"not {soft!r}")

    def loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        if model is teacher:
            raise InputError("teacher must be another module than the student; copy it first: "
                             "copy.deepcopy(model)")
        teacher.eval()
        with torch.no_grad():
            wanted = teacher(images)
        got = model(images)
        if wanted.shape != got.shape:
            raise InputError(f"teacher must answer with the student's shape {tuple(got.shape)}, "
                             f"not {tuple(wanted.shape)}")
        divergence = functional.kl_div(functional.log_softmax(got / temperature, dim=1),
                                       functional.log_softmax(wanted / temperature, dim=1),
                                       reduction="batchmean", log_target=True)
        value = soft * temperature ** 2 * divergence
        return value if soft == 1 else value + (1 - soft) * functional.cross_entropy(got, labels)
    return loss


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
