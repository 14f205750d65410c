# SPDX-License-Identifier: Apache-2.0
"""The integer network compared with the float network, layer by layer, on calibration inputs."""
import math
from collections.abc import Mapping

import numpy as np

from ...core.network.array_order import to_array_order
from ...core.network.graph import INPUT, Layer, Network
from ...core.network.layers import Weighted
from ...core.numbers.fixed import BIAS_BITS, int_range
from ..float.graph import FloatGraph
from ..float.run import outputs_of
from .integer_run import layer_outputs
from .report import FEW_STEPS, LayerError, QuantiseReport

__all__ = ["measure"]

_INPUTS = 64                # more would take as long as the quantisation itself
_LOST_BELOW = 2.0 ** -24    # share of a layer's largest value: float32 sums lose smaller channels


def measure(graph: FloatGraph, network: Network, exponents: Mapping[str, np.ndarray],
            heaviest: Mapping[str, float], calibration: np.ndarray, acc_width: int
            ) -> QuantiseReport:
    """Errors of every layer on at most 64 calibration inputs, evenly spaced, rounded to integers.

    Parameters
    ----------
    exponents : of each layer's channels, see :func:`~.equalise.equalised`.
    heaviest : largest magnitude of each layer's float weights, after equalisation.
    calibration : float inputs [batch, ...].
    acc_width : bits of the accumulator.
    """
    chosen = calibration[:: -(-len(calibration) // _INPUTS)].astype(np.float64)
    integers = np.clip(np.rint(chosen / network.input_scale), *network.input_range)
    rounded = (integers * network.input_scale).astype(np.float32)
    relus = {node.inputs[0]: node.name for node in graph.nodes if node.op == "relu"}
    sums = {}
    for layer in network.layers:
        scales = layer.output_scale * np.exp2(-exponents[layer.name].astype(np.float64))
        sums[layer.name] = _Sums(network.act_width, scales, layer.relu)
    layer_of = {relus.get(name, name): name for name in sums}   # by the node that ends the layer

    at = 0
    for values in layer_outputs(network, to_array_order(integers).astype(np.int64)):
        part = rounded[at:at + len(values[INPUT])]
        at += len(part)
        for node, value in outputs_of(graph, part):
            if node.name in sums:
                sums[node.name].see(to_array_order(value))
            if node.name in layer_of:
                name = layer_of[node.name]
                sums[name].compare(values[name], to_array_order(value))

    errors = []
    for layer in network.layers:
        steps, limit = _steps(layer, heaviest.get(layer.name, 0.0), acc_width)
        errors.append(sums[layer.name].result(layer.name, steps, limit))
    largest = float(np.abs(chosen).max()) or 1.0
    return QuantiseReport(act_width=network.act_width, inputs=len(chosen),
                          input_error=float(np.abs(chosen - rounded).max()) / largest,
                          layers=tuple(errors))


class _Sums:
    """A layer's errors, accumulated over parts of a batch.

    Parameters
    ----------
    scales : value of one unit of each channel's output, float64 [channels].
    """

    def __init__(self, act_width: int, scales: np.ndarray, relu: bool) -> None:
        self._scales = scales
        low, self._high = int_range(act_width)
        self._low = -self._high - 2 if relu else low        # a ReLU hides the lower end
        channels = len(scales)
        self._least = np.full(channels, np.inf)
        self._most = np.full(channels, -np.inf)
        self._error = np.zeros(channels)
        self._largest = 0.0
        self._squares = 0.0
        self._saturated = 0
        self._outputs = 0

    def see(self, value: np.ndarray) -> None:
        """Take float outputs [batch, n] before the ReLU."""
        by_channel = value.reshape(-1, len(self._scales))
        self._least = np.minimum(self._least, by_channel.min(axis=0))
        self._most = np.maximum(self._most, by_channel.max(axis=0))

    def compare(self, integers: np.ndarray, value: np.ndarray) -> None:
        """Take outputs [batch, n] of both networks, after the ReLU."""
        by_channel = value.reshape(-1, len(self._scales)).astype(np.float64)
        away = np.abs(integers.reshape(by_channel.shape) * self._scales - by_channel)
        self._error = np.maximum(self._error, away.max(axis=0))
        self._largest = max(self._largest, float(np.abs(by_channel).max()))
        self._squares += float(np.square(away).sum())
        saturated = (integers == self._high) | (integers == self._low)
        self._saturated += int(np.count_nonzero(saturated))
        self._outputs += integers.size

    def result(self, name: str, steps: int | None, limit: str) -> LayerError:
        """The errors of all parts; ``steps`` and ``limit`` as :class:`LayerError` has them."""
        largest = self._largest or 1.0
        reach = np.maximum(self._most, -self._least)
        seen = (self._most > self._least) & (reach > largest * _LOST_BELOW)
        own = self._error / np.where(seen, reach, np.inf)
        return LayerError(
            name=name, largest=self._largest, error=float(self._error.max()) / largest,
            rms=math.sqrt(self._squares / self._outputs) / largest,
            channel=int(self._error.argmax()), own_error=float(own.max()),
            own_channel=int(own.argmax()), saturated=self._saturated, outputs=self._outputs,
            steps=steps, limit=limit)


def _steps(layer: Layer, heaviest: float, acc_width: int) -> tuple[int | None, str]:
    """``steps`` and ``limit`` of :class:`LayerError`: the largest weight's integer value, and why
    it is low, if it is."""
    if not isinstance(layer, Weighted) or not layer.weights.nnz:
        return None, ""
    exact = heaviest / layer.weight_scale
    steps = round(exact)
    if steps >= FEW_STEPS:
        return steps, ""
    bits = acc_width + math.ceil(math.log2(FEW_STEPS / max(exact, 1.0)))
    room = int_range(acc_width)[1] // 2
    largest = int(np.abs(layer.bias.astype(np.int64)).max())
    if largest <= min(room, int_range(BIAS_BITS)[1]) // 2:
        return steps, (f"acc_width {acc_width} leaves its weights {steps} steps each way; "
                       f"{FEW_STEPS} need an acc_width of {bits}")
    limit = (f"a bias that is large beside its weights leaves them {steps} steps each way; "
             f"give it larger weights or a smaller bias")
    if room * FEW_STEPS <= int_range(BIAS_BITS)[1] * exact:     # the bias has 32 bits only
        limit += f", or an acc_width of {bits}"
    return steps, limit
