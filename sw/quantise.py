# SPDX-License-Identifier: Apache-2.0
"""From a float network with shared weights to the integer graph that the array executes."""
import numpy as np
import torch
from torch import nn

from ..core.errors import InputError
from ..core.fixed import BIAS_BITS, int_range
from ..core.graph import Linear, Network
from ..core.weights import SparseWeights
from .scales import activation_scale, rescaling
from .compress.share import shared

__all__ = ["linear_stack", "accumulator_bound", "quantise"]

#: Largest magnitude a codebook value starts from; halved until the accumulator holds any sum.
_CODEBOOK_BITS = 14


def linear_stack(model: nn.Sequential) -> list[tuple[str, nn.Linear, bool]]:
    """``(name, layer, relu)`` of a chain of Linear layers, each followed by a ReLU or nothing.

    Raises
    ------
    InputError : ``model`` holds anything else; every such module is named.
    """
    modules = list(model.named_children())
    wrong = [f"{name} ({type(module).__name__})" for position, (name, module) in
             enumerate(modules) if not isinstance(module, nn.Linear) and not (
                 isinstance(module, nn.ReLU) and position
                 and isinstance(modules[position - 1][1], nn.Linear))]
    if wrong or not modules:
        raise InputError("a network to quantise must be Linear layers, each followed by a ReLU "
                         f"or nothing, not {', '.join(wrong) or 'empty'}")
    following = [module for _, module in modules[1:]] + [None]
    return [(name, module, isinstance(after, nn.ReLU))
            for (name, module), after in zip(modules, following) if isinstance(module, nn.Linear)]


def accumulator_bound(layer: Linear, largest: int) -> int:
    """What ``|bias + any partial sum|`` cannot exceed for inputs of magnitude ``<= largest``."""
    magnitudes = np.bincount(layer.weights.rows, minlength=layer.outputs,
                             weights=np.abs(layer.weights.values.astype(np.float64)))
    return int(np.max(magnitudes.astype(np.int64) * largest
                      + np.abs(layer.bias.astype(np.int64))))


def _integer_layer(name: str, layer: nn.Linear, relu: bool, *, input_scale: float,
                   output_scale: float, codebook_bits: int, encoding: str) -> Linear:
    """One layer with a codebook whose largest magnitude is ``2**codebook_bits - 1``."""
    codes, codebook = shared(layer)
    outputs = codes.shape[0]
    weight_scale = float(np.abs(codebook).max()) / ((1 << codebook_bits) - 1)
    acc_scale = weight_scale * input_scale
    bias = np.zeros(outputs) if layer.bias is None else layer.bias.detach().numpy()
    multiplier, shift = rescaling(acc_scale / output_scale, f"layer {name!r}")
    integer_bias = np.rint(bias.astype(np.float64) / acc_scale)
    if np.abs(integer_bias).max() > int_range(BIAS_BITS)[1]:
        raise InputError(f"layer {name!r}: bias must fit {BIAS_BITS} bits in units of "
                         f"{acc_scale:g}, not {np.abs(bias).max():g}")
    return Linear(name=name, relu=relu, encoding=encoding, bias=integer_bias.astype(np.int64),
                  weights=SparseWeights.from_codes(
                      codes, np.rint(codebook / weight_scale).astype(np.int64)),
                  multiplier=np.full(outputs, multiplier), shift=np.full(outputs, shift),
                  weight_scale=weight_scale, output_scale=output_scale)


def quantise(model: nn.Sequential, *, name: str, layer_names: tuple[str, ...] | None = None,
             calibration: np.ndarray, input_range: tuple[int, int], input_scale: float,
             act_width: int = 16, acc_width: int = 32, encoding: str = "huffman",
             provenance: dict | None = None) -> Network:
    """The integer network that computes what ``model`` computes.

    Weights take the largest scale at which no input in range can overflow an accumulator of
    ``acc_width`` bits; outputs take the power of two that leaves at least a factor of two above
    the largest magnitude seen on the calibration inputs.

    Parameters
    ----------
    model : Linear layers with shared weights and ReLUs, see :func:`linear_stack`.
    layer_names : names in the graph, by default the module's own.
    calibration : integer inputs [batch, n] like those the network will see.
    input_range : smallest and largest integer input.
    input_scale : what one unit of an input is worth to ``model``.
    provenance : stored in the network as it is.

    Raises
    ------
    InputError : an unsupported module, calibration outside ``input_range``, or a layer whose
        sums cannot be kept inside the accumulator.
    """
    stack = linear_stack(model)
    names = layer_names or tuple(entry[0] for entry in stack)
    if len(names) != len(stack):
        raise InputError(f"layer_names must name {len(stack)} layers, not {names!r}")
    low, high = input_range
    acts = np.asarray(calibration)
    if acts.ndim != 2 or not acts.size or acts.min() < low or acts.max() > high:
        raise InputError(f"calibration must be inputs [batch, n] in {low} .. {high}")
    values = torch.from_numpy(acts.astype(np.float64)) * input_scale
    largest, scale, layers = max(abs(low), abs(high)), input_scale, []
    for layer_name, (_, layer, relu) in zip(names, stack):
        values = nn.functional.linear(values, layer.weight.detach().double(),
                                      None if layer.bias is None else layer.bias.detach().double())
        values = values.relu() if relu else values
        output_scale = activation_scale(float(values.abs().max()), act_width,
                                        f"layer {layer_name!r}")
        layers.append(_fit_accumulator(layer_name, layer, relu, largest=largest,
                                       acc_width=acc_width, input_scale=scale,
                                       output_scale=output_scale, encoding=encoding))
        scale = output_scale
        largest = int_range(act_width)[1] if relu else -int_range(act_width)[0]
    return Network(name=name, layers=tuple(layers), act_width=act_width,
                   input_range=input_range, input_scale=input_scale,
                   provenance=dict(provenance or {}))


def _fit_accumulator(name: str, layer: nn.Linear, relu: bool, *, largest: int, acc_width: int,
                     **scales) -> Linear:
    for codebook_bits in range(_CODEBOOK_BITS, 1, -1):
        result = _integer_layer(name, layer, relu, codebook_bits=codebook_bits, **scales)
        if accumulator_bound(result, largest) <= int_range(acc_width)[1]:
            return result
    raise InputError(f"layer {name!r}: sums must fit an accumulator of {acc_width} bits; give it "
                     "more bits, or the layer fewer inputs")
