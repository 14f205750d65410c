# SPDX-License-Identifier: Apache-2.0
"""What a float network is quantised with: checked once, before anything is computed."""
import math
from dataclasses import dataclass
from numbers import Real

import numpy as np

from ...core.array.limits import ENCODINGS
from ...core.errors import InputError
from ...core.numbers.fixed import int_range
from ..seed import is_integer

__all__ = ["QuantiseOptions"]

_ACC_WIDTHS = 16, 48                # of every array that can be configured


@dataclass(frozen=True, kw_only=True)
class QuantiseOptions:
    """Options of :func:`~openeie.sw.quantise.quantise.quantise_graph`, as plain Python numbers.

    Raises
    ------
    InputError : naming option, rule and value.
    """
    input_range: tuple[int, int]
    input_scale: float = 1.0
    act_width: int = 16
    acc_width: int = 48
    encoding: str | None = "codebook"

    def __post_init__(self) -> None:
        def keep(name: str, value) -> None:
            object.__setattr__(self, name, value)
        if not is_integer(self.act_width) or self.act_width not in (8, 16):
            raise InputError(f"act_width must be 8 or 16, not {self.act_width!r}")
        low, high = _ACC_WIDTHS
        if not is_integer(self.acc_width) or not low <= self.acc_width <= high:
            raise InputError(f"acc_width must be an integer in {low} .. {high}, "
                             f"not {self.acc_width!r}")
        if not isinstance(self.input_scale, Real) or isinstance(self.input_scale, bool) \
                or not (math.isfinite(self.input_scale) and self.input_scale > 0):
            raise InputError(f"input_scale must be a positive finite number, what one unit of an "
                             f"integer input is worth, not {self.input_scale!r}")
        if self.encoding is not None and self.encoding not in ENCODINGS:
            raise InputError(f"encoding must be one of {', '.join(ENCODINGS)} or None, "
                             f"not {self.encoding!r}")
        keep("act_width", int(self.act_width))
        keep("acc_width", int(self.acc_width))
        keep("input_scale", float(self.input_scale))
        keep("input_range", self._range())

    def _range(self) -> tuple[int, int]:
        least, most = int_range(self.act_width)
        given = self.input_range
        if isinstance(given, (tuple, list, np.ndarray)) and len(given) == 2 \
                and all(is_integer(one) for one in given) and least <= given[0] <= given[1] <= most:
            return int(given[0]), int(given[1])
        raise InputError(f"input_range must be two integers, low <= high, in {least} .. {most} "
                         f"because act_width is {self.act_width}, not {given!r}")

    def calibration(self, given) -> np.ndarray:
        """Calibration inputs as float32 [batch, ...], a copy only if they are anything else.

        Raises
        ------
        InputError : none at all, of another rank than a network takes, not finite real numbers,
            or outside what the integer inputs can be.
        """
        if hasattr(given, "detach"):                # a torch tensor, maybe with a gradient
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
        """Up to one step beyond is rounding."""
        least, most = float(inputs.min()), float(inputs.max())
        low, high = self.input_range
        begin, end = ((bound + step) * self.input_scale
                      for bound, step in ((low, -1), (high, 1)))
        if begin <= least and most <= end:
            return
        advice = "choose them so that they hold every input"
        if low <= least and most <= high and (inputs == np.rint(inputs)).all():
            advice = "calibration inputs are what the float network takes: if these are the " \
                     "integers, multiply them by input_scale"
        raise InputError(f"calibration inputs must lie in input_range times input_scale, "
                         f"{low * self.input_scale:g} .. {high * self.input_scale:g}, not in "
                         f"{least:g} .. {most:g}; {advice}")
