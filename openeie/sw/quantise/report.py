# SPDX-License-Identifier: Apache-2.0
"""The quantisation report: each layer's error, and warnings where much was lost."""
import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["LayerError", "QuantiseReport"]

#: Warn of an error above 2**(5 - act_width) of the first layer's largest value: that is eight steps
#: of an activation, of which a layer's largest value has half the range. Of layer k, sqrt(k) times
#: that.
_STEPS_BITS = 5
_LOST = 0.25                # warn of an error above this share of its channel's largest value
_INPUT = 0.05               # warn of an input's rounding above this share of the largest input
#: Warn of fewer steps of a layer's largest weight than this: 5.6 bits.
FEW_STEPS = 48


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """Difference between a layer's integer outputs, times their scale, and the float network's.

    Attributes
    ----------
    name : of the layer.
    largest : largest magnitude of the float network's outputs, after ReLU.
    error, rms : largest and root mean square difference, as shares of ``largest``.
    channel : the channel with the largest difference.
    own_error : largest difference as a share of its channel's own largest magnitude before ReLU.
        Left out are channels that never change, and those below 2**-24 of ``largest``, which
        float32 sums lose.
    own_channel : the channel of ``own_error``.
    saturated : number of outputs at an end of the activations' range.
    outputs : number of outputs compared.
    steps : integer value of the layer's largest weight, in the row with the coarsest scale; None
        for a layer without weights.
    limit : why ``steps`` is low, as a sentence; "" if it is not.
    """
    name: str
    largest: float
    error: float
    rms: float
    channel: int
    own_error: float
    own_channel: int
    saturated: int
    outputs: int
    steps: int | None = None
    limit: str = ""


@dataclass(frozen=True, kw_only=True)
class QuantiseReport:
    """Errors of a network's layers against the float network, both on the same calibration inputs.

    Attributes
    ----------
    act_width : bits of an activation.
    inputs : number of calibration inputs that were run.
    input_error : largest rounding of an input, as a share of the largest input.
    layers : in execution order.
    """
    act_width: int
    inputs: int
    input_error: float
    layers: tuple[LayerError, ...]

    @property
    def warnings(self) -> list[str]:
        """Warnings, as sentences that name layer and channel."""
        messages = []
        if self.input_error > _INPUT:
            messages.append(f"inputs: rounding to integers changes them by up to "
                            f"{self.input_error:.1%} of the largest; make input_scale smaller, and "
                            f"input_range wider")
        messages += [f"layer {layer.name!r}: {layer.limit}" for layer in self.layers if layer.limit]

        bounded = list(zip(self.layers, self._bounds()))
        beyond = [(layer, bound) for layer, bound in bounded if layer.error > sum(bound)]
        if beyond:
            first, bound = beyond[0]
            others = f", and {len(beyond) - 1} later ones" if beyond[1:] else ""
            messages.append(f"layer {first.name!r}{others}: channel {first.channel} is off by up "
                            f"to {first.error:.2%} of the layer's largest value, more than "
                            f"{sum(bound):.2%}; {self._advice(bound)}")

        for layer, bound in bounded:
            quiet = layer.steps is not None and not layer.limit and layer.error <= sum(bound)
            if quiet and layer.own_error > _LOST:
                messages.append(f"layer {layer.name!r}: channel {layer.own_channel} is off by up "
                                f"to {layer.own_error:.0%} of its own largest value; others with "
                                f"the same scale are much larger; {self._advice(bound)}")
        return messages

    def _bounds(self) -> list[tuple[float, float]]:
        """For each layer, errors up to the sum of two parts are no warning: rounded activations,
        whose errors are independent and so grow with the square root of the layer's number; and
        half a step of the coarsest weights so far. The latter counts once: where it adds up over
        many layers, a warning is due."""
        bounds = []
        fewest = math.inf
        for number, layer in enumerate(self.layers, 1):
            fewest = min(fewest, layer.steps or math.inf)
            bounds.append((2.0 ** (_STEPS_BITS - self.act_width) * math.sqrt(number),
                           0.5 / fewest))
        return bounds

    def _advice(self, bound: tuple[float, float]) -> str:
        """What to do about an error above ``bound``, parts of activations and of weights."""
        activations, weights = bound
        parts = ["report=print (openeie compress: its table) shows each layer"]
        if self.act_width < 16:
            parts.append("use act_width 16")
        if weights > activations:
            parts.append("use a larger acc_width, or smaller biases, for more steps of the weights")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, warnings included; :meth:`of` reads them back."""
        return asdict(self) | {"layers": [asdict(layer) for layer in self.layers],
                               "warnings": self.warnings}

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "QuantiseReport":
        """The report from the values that :meth:`to_dict` gave."""
        plain = {name: value for name, value in fields.items() if name != "warnings"}
        return cls(**plain | {"layers": tuple(LayerError(**one) for one in fields["layers"])})

    def rows(self) -> list[tuple[str, ...]]:
        """The table: a row of headings, and one for each layer."""
        rows: list[tuple[str, ...]] = [("layer", "largest", "error", "rms", "channel", "own error",
                                        "channel", "steps", "saturated")]
        for one in self.layers:
            steps = "" if one.steps is None else f"{one.steps:,}"
            rows.append((one.name, f"{one.largest:.4g}", f"{one.error:.3%}", f"{one.rms:.3%}",
                         str(one.channel), f"{one.own_error:.2%}", str(one.own_channel), steps,
                         f"{one.saturated:,}"))
        return rows

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [f"errors on {self.inputs} calibration inputs, in shares of the largest value"]
        for name, *numbers in rows:
            cells = [text.rjust(width) for text, width in zip(numbers, widths[1:])]
            lines.append("  ".join([name.ljust(widths[0]), *cells]))
        return "\n".join(lines)
