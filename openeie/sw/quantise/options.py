# SPDX-License-Identifier: Apache-2.0
"""Options of the quantiser, checked once and before anything is computed."""
import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ...core.array.limits import ENCODINGS
from ...core.errors import InputError
from ...core.numbers.fixed import int_range
from ..seed import is_integer

__all__ = ["QuantiseOptions"]

_ACC_WIDTHS = (16, 48)              # the range of all arrays that can be configured


@dataclass(frozen=True, kw_only=True)
class QuantiseOptions:
    """Options of :func:`~openeie.sw.quantise.quantise.quantise_graph`, as plain Python numbers.

    Attributes
    ----------
    input_range : smallest and largest integer input.
    input_scale : value of one unit of an integer input to the float network, positive.
    act_width : bits of an activation, 8 or 16.
    acc_width : bits of an accumulator, 16 .. 48.
    encoding : of layers with shared weights; None is ``codebook``.

    Raises
    ------
    InputError : names option, rule and value.
    """
    input_range: tuple[int, int]
    input_scale: float = 1.0
    act_width: int = 16
    acc_width: int = 48
    encoding: str | None = "codebook"

    def __post_init__(self) -> None:
        if not is_integer(self.act_width) or self.act_width not in (8, 16):
            raise InputError(f"act_width must be 8 or 16, not {self.act_width!r}")
        low, high = _ACC_WIDTHS
        if not is_integer(self.acc_width) or not low <= self.acc_width <= high:
            raise InputError(f"acc_width must be an integer in {low} .. {high}, "
                             f"not {self.acc_width!r}")
        number = isinstance(self.input_scale, Real) and not isinstance(self.input_scale, bool)
        if not number or not math.isfinite(self.input_scale) or self.input_scale <= 0:
            raise InputError(f"input_scale must be a positive finite number, the value of one unit "
                             f"of an integer input, not {self.input_scale!r}")
        if self.encoding is not None and self.encoding not in ENCODINGS:
            raise InputError(f"encoding must be one of {', '.join(ENCODINGS)} or None, "
                             f"not {self.encoding!r}")
        checked = {"act_width": int(self.act_width), "acc_width": int(self.acc_width),
                   "input_scale": float(self.input_scale), "input_range": self._range()}
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _range(self) -> tuple[int, int]:
        """``input_range`` as two Python integers."""
        least, most = int_range(self.act_width)
        given = self.input_range
        if isinstance(given, (tuple, list, np.ndarray)) and len(given) == 2 \
                and all(is_integer(one) for one in given) and least <= given[0] <= given[1] <= most:
            return int(given[0]), int(given[1])
        raise InputError(f"input_range must be two integers, low <= high, in {least} .. {most} "
                         f"because act_width is {self.act_width}, not {given!r}")

    def calibration(self, given: Any) -> np.ndarray:
        """Calibration inputs as float32 [batch, ...]; copied only if they are of another type.

        Parameters
        ----------
        given : an array, a torch tensor, or nested lists of numbers.

        Raises
        ------
        InputError : no inputs, inputs of another rank than a network takes, not finite real
            numbers, or outside the range of the integer inputs.
        """
        if hasattr(given, "detach"):                # a torch tensor, perhaps with a gradient
            given = given.detach().cpu()
        try:
            inputs = np.asarray(given)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"calibration inputs must be an array of numbers: {error}") from error
        if inputs.dtype.kind not in "fiu":
            raise InputError(f"calibration inputs must be an array of numbers, floats or "
                             f"integers, not {inputs.dtype}")
        if inputs.ndim not in (2, 4) or not inputs.size:
            raise InputError(f"calibration inputs must have the shape [batch, channels, height, "
                             f"width] or [batch, length], not {list(inputs.shape)}")
        if not np.isfinite(inputs).all():
            raise InputError("calibration inputs must be finite numbers")
        self._check_bounds(inputs)
        return inputs.astype(np.float32, copy=False)

    def _check_bounds(self, inputs: np.ndarray) -> None:
        """Refuse inputs beyond the integer inputs' range; one step beyond it is rounding."""
        least = float(inputs.min())
        most = float(inputs.max())
        low, high = self.input_range
        begin = (low - 1) * self.input_scale
        end = (high + 1) * self.input_scale
        if begin <= least and most <= end:
            return
        advice = "choose both so that every input lies inside"
        if low <= least and most <= high and (inputs == np.rint(inputs)).all():
            advice = "calibration inputs are those of the float network: if these are the " \
                     "integer inputs, multiply them by input_scale"
        raise InputError(f"calibration inputs must lie in input_range times input_scale, "
                         f"{low * self.input_scale:g} .. {high * self.input_scale:g}, not in "
                         f"{least:g} .. {most:g}; {advice}")
