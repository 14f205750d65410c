# SPDX-License-Identifier: Apache-2.0
"""Integer networks from trained binary networks; see ``docs/binary.md``, "From floats to
integers"."""
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import InputError
from ...core.network.graph import Layer, Network
from ..float.plain_weights import check_real, copied, make_plain
from ..quantise.options import QuantiseOptions
from .integer_layers import Options, integer_layer
from .sign_threshold import thresholds_of
from .stages import Stage, stages_of

__all__ = ["export"]


def export(model: nn.Module, calibration: Tensor, *, name: str, input_range: tuple[int, int],
           input_scale: float = 1.0, act_width: int = 16, acc_width: int = 48,
           provenance: dict[str, Any] | None = None) -> Network:
    """The integer network of a trained Sequential in ``eval`` mode; the model is not changed.

    Parameters
    ----------
    model : of ``Conv2d``, ``Linear``, ``BinaryConv2d``, ``BinaryLinear``, batch norms, ReLUs,
        pools, ``Dropout``, ``Flatten``, and an ``Unflatten`` at the beginning.
    calibration : float inputs like those that the network will see, as the model takes them:
        [batch, n] or [batch, channels, height, width]. The largest magnitudes on these set the
        scales of activations.
    name : of the network.
    input_range : smallest and largest integer input.
    input_scale : value of one unit of an integer input to the model.
    act_width, acc_width : bits of activations, and of the accumulators of real layers.
    provenance : how it was made.

    Returns
    -------
    A network that takes integers [batch, n], maps in (row, column, channel) order.

    Raises
    ------
    InputError : modules that cannot be exported, listed at once; inputs that the model does not
        take; a range, scale or width out of range; a layer whose numbers do not fit.
    """
    checked = QuantiseOptions(input_range=input_range, input_scale=input_scale,
                              act_width=act_width, acc_width=acc_width)
    values = torch.as_tensor(calibration).detach().double()
    if values.ndim not in (2, 4) or not values.numel():
        raise InputError(f"calibration must be [batch, n] or [batch, channels, height, width], "
                         f"not {list(values.shape)}")
    check_real(model)
    plain = copied(model)
    make_plain(plain)
    stages = stages_of(plain.double().eval(), maps=values.ndim == 4)
    layers = _layers(stages, values, checked.input_scale,
                     Options(act_width=checked.act_width, acc_width=checked.acc_width))
    return Network(name=name, layers=layers, act_width=checked.act_width,
                   input_range=checked.input_range, input_scale=checked.input_scale,
                   provenance=dict(provenance or {}))


def _layers(stages: list[Stage], values: Tensor, scale: float, options: Options
            ) -> tuple[Layer, ...]:
    """The stages as integer layers.

    Parameters
    ----------
    values : calibration inputs, float64; the outputs on them set the scales.
    scale : value of one unit of an integer input.
    """
    ran = []
    with torch.no_grad():
        for stage in stages:            # run all first: a wrong shape is the first error to report
            shape, values = _run(stage, values)
            ran.append((stage, shape, float(values.abs().max())))
    layers: list[Layer] = []
    for (stage, shape, largest), threshold in zip(ran, thresholds_of(stages)):
        layers.append(integer_layer(stage, shape, source_scale=scale, largest=largest,
                                    threshold=threshold, options=options))
        scale = layers[-1].output_scale
    return tuple(layers)


def _run(stage: Stage, values: Tensor) -> tuple[tuple[int, int, int], Tensor]:
    """The shape (channels, height, width) of what a stage's layer reads, a vector being a map of
    one pixel, and the stage's outputs. Maps are flattened only where a layer needs vectors."""
    shape = (0, 0, 0)
    for module in stage.modules:
        if not isinstance(module, nn.Unflatten) and not shape[0]:
            channels, height, width = (*values.shape[1:], 1, 1)[:3]
            shape = (channels, height, width)
        if isinstance(module, (nn.Linear, nn.BatchNorm1d)):
            values = values.flatten(1)
        try:
            values = module(values)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{stage.name} cannot take values of shape {list(values.shape)}: "
                             f"{error}") from error
    return shape, values
