# SPDX-License-Identifier: Apache-2.0
"""What a float network lost when it became integers: each layer's error, and what to warn of."""
import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["LayerError", "QuantiseReport"]

#: The most that the first layer's error may be, as a share of its largest value: eight steps of an
#: activation, 2**(5 - act_width), of half of what it can be. Behind k layers, sqrt(k) times that.
_STEPS_BITS = 5
_LOST = 0.25                # an error above this share of its channel's own largest value is told
_INPUT = 0.05               # and an input's rounding above this share of the largest
#: Fewer steps of a layer's largest weight than this are told: 5.6 bits.
FEW_STEPS = 48


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """How far a layer's integer outputs, times what they are worth, are from the float network's.

    Attributes
    ----------
    name : of the layer.
    largest : magnitude of the float network's outputs, after ReLU.
    error, rms : the largest difference and the root of the mean square, as shares of ``largest``.
    channel : the channel of the largest difference.
    own_error, own_channel : the same as a share of its own channel's largest magnitude before
        ReLU, where that is most; channels that never change, or that float32 loses beside
        ``largest``, below 2**-24 of it, are left out.
    saturated, outputs : how many of the outputs are at an end of what activations can be.
    steps : of the layer's largest weight, in the row that has the coarsest; None: no weights.
    limit : what leaves it few of them, or nothing.
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
    """A network's layers on calibration inputs, against the float network on the same inputs.

    Attributes
    ----------
    act_width : bits of an activation.
    inputs : how many of the calibration inputs were run.
    input_error : largest rounding of an input, as a share of the largest.
    layers : in the order they run.
    """
    act_width: int
    inputs: int
    input_error: float
    layers: tuple[LayerError, ...]

    @property
    def warnings(self) -> list[str]:
        """What is worth a warning, in sentences that name layer and channel."""
        told = []
        if self.input_error > _INPUT:
            told.append(f"inputs: rounding to integers changes them by up to "
                        f"{self.input_error:.1%} of the largest; make input_scale smaller, and "
                        f"input_range wider")
        told += [f"layer {layer.name!r}: {layer.limit}" for layer in self.layers if layer.limit]
        bounded = list(zip(self.layers, self._bounds()))
        beyond = [(layer, bound) for layer, bound in bounded if layer.error > sum(bound)]
        if beyond:
            first, bound = beyond[0]
            others = f", and {len(beyond) - 1} later ones" if beyond[1:] else ""
            told.append(f"layer {first.name!r}{others}: channel {first.channel} is off by up to "
                        f"{first.error:.2%} of the layer's largest value, more than "
                        f"{sum(bound):.2%}; {self._advice(bound)}")
        told += [f"layer {layer.name!r}: channel {layer.own_channel} is off by up to "
                 f"{layer.own_error:.0%} of its own largest value; others with the same scale "
                 f"are much larger; {self._advice(bound)}"
                 for layer, bound in bounded
                 if layer.steps is not None and not layer.limit and sum(bound) >= layer.error
                 and layer.own_error > _LOST]
        return told

    def _bounds(self) -> list[tuple[float, float]]:
        """The most that each layer's error may be, in two parts: of activations, whose roundings
        are independent and add up so; and half a step of the coarsest weights so far, which is
        counted once: what it comes to behind many layers is a loss that is told."""
        bounds, fewest = [], math.inf
        for number, layer in enumerate(self.layers, 1):
            fewest = min(fewest, layer.steps or math.inf)
            bounds.append((2.0 ** (_STEPS_BITS - self.act_width) * math.sqrt(number),
                           0.5 / fewest))
        return bounds

    def _advice(self, bound: tuple[float, float]) -> str:
        activations, weights = bound
        return ("report=print (openeie compress: its table) shows each layer"
                + "; use act_width 16" * (self.act_width < 16)
                + "; use a larger acc_width, or smaller biases, for more steps of the weights"
                * (weights > activations))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, warnings included; :meth:`of` reads them back."""
        return asdict(self) | {"layers": [asdict(layer) for layer in self.layers],
                               "warnings": self.warnings}

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "QuantiseReport":
        """The report that :meth:`to_dict` wrote."""
        plain = {name: value for name, value in fields.items() if name != "warnings"}
        return cls(**plain | {"layers": tuple(LayerError(**one) for one in fields["layers"])})

    def rows(self) -> list[tuple[str, ...]]:
        """The table: heads, and a line for each layer."""
        heads = ("layer", "largest", "error", "rms", "channel", "own error", "channel", "steps",
                 "saturated")
        return [heads, *((
            one.name, f"{one.largest:.4g}", f"{one.error:.3%}", f"{one.rms:.3%}", str(one.channel),
            f"{one.own_error:.2%}", str(one.own_channel),
            "" if one.steps is None else f"{one.steps:,}", f"{one.saturated:,}")
            for one in self.layers)]

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [f"errors on {self.inputs} calibration inputs, in shares of the largest value"]
        return "\n".join(lines + ["  ".join([row[0].ljust(widths[0]), *(
            text.rjust(width) for text, width in zip(row[1:], widths[1:]))]) for row in rows])
