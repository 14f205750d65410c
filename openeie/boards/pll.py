# SPDX-License-Identifier: Apache-2.0
"""Phase-locked loops: the dividers for a wanted clock, within each family's limits."""
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ..core.errors import ConfigError

__all__ = ["Pll", "PllLimits", "best_pll", "clocks_below", "ICE40_PLL", "ECP5_PLL", "GOWIN_PLL"]

#: Largest relative error of a core clock.
_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Pll:
    """A PLL setting: the dividers and the frequencies that they give.

    Attributes
    ----------
    input_hz, pfd_hz, vco_hz, output_hz : frequency of the clock pin, the phase detector, the
        oscillator (VCO) and the output.
    reference, feedback, output : divisors: ``pfd_hz = input_hz / reference``, ``output_hz = vco_hz
        / output``. ``feedback`` divides the VCO or the output, see :class:`PllLimits`.
    """
    input_hz: float
    pfd_hz: float
    vco_hz: float
    output_hz: float
    reference: int
    feedback: int
    output: int


@dataclass(frozen=True, kw_only=True)
class PllLimits:
    """Limits of a family's PLL.

    Attributes
    ----------
    pfd, vco, output : lowest and highest frequency allowed, Hz.
    references, feedbacks, outputs : possible divisors.
    vco_feedback : True if the feedback divider divides the VCO (iCE40), False if it divides the
        output (ECP5, Gowin).
    """
    pfd: tuple[float, float]
    vco: tuple[float, float]
    output: tuple[float, float]
    references: Iterable[int]
    feedbacks: range
    outputs: Iterable[int]
    vco_feedback: bool

    def check(self, pll: Pll) -> None:
        """Check a setting against the limits.

        Raises
        ------
        ConfigError : a frequency is out of range; the message names it and the range.
        """
        for name, value, (low, high) in (("phase detector", pll.pfd_hz, self.pfd),
                                         ("oscillator", pll.vco_hz, self.vco),
                                         ("output", pll.output_hz, self.output)):
            if not low <= value <= high:
                raise ConfigError(f"the PLL's {name} must run at {low / 1e6:g} .. "
                                  f"{high / 1e6:g} MHz, not {value / 1e6:g}")

    def settings(self, input_hz: float) -> Iterable[Pll]:
        """All settings within the limits for a clock pin of ``input_hz``."""
        for reference in self.references:
            pfd = input_hz / reference
            if not self.pfd[0] <= pfd <= self.pfd[1]:
                continue
            for output in self.outputs:
                factor = 1 if self.vco_feedback else output
                for feedback in self._near(pfd * factor):
                    vco = pfd * feedback * factor
                    result = vco / output
                    if self.vco[0] <= vco <= self.vco[1] \
                            and self.output[0] <= result <= self.output[1]:
                        yield Pll(input_hz=input_hz, pfd_hz=pfd, vco_hz=vco, output_hz=result,
                                  reference=reference, feedback=feedback, output=output)

    def _near(self, step: float) -> range:
        """The feedback dividers that may reach the oscillator's range, if each adds ``step`` to its
        frequency. Most of the others would be tried in vain."""
        lowest = max(math.floor(self.vco[0] / step), self.feedbacks.start)
        highest = min(math.ceil(self.vco[1] / step), self.feedbacks.stop - 1)
        return range(lowest, highest + 1)


@cache                                  # a board asks several times, with the same answer
def best_pll(limits: PllLimits, input_hz: float, wanted_hz: float) -> Pll:
    """The setting nearest to ``wanted_hz``.

    Among equals, the one with the fastest phase detector (least jitter), then with the fastest
    VCO.

    Raises
    ------
    ConfigError : no setting comes within 1 %.
    """
    def rank(pll: Pll) -> tuple[float, float, float]:
        return abs(pll.output_hz - wanted_hz), -pll.pfd_hz, -pll.vco_hz

    best = min(limits.settings(input_hz), key=rank, default=None)
    if best is None or abs(best.output_hz / wanted_hz - 1) > _TOLERANCE:
        near = f"; the nearest is {best.output_hz / 1e6:g} MHz" if best else ""
        raise ConfigError(f"no PLL setting makes {wanted_hz / 1e6:g} MHz from "
                          f"{input_hz / 1e6:g} MHz{near}")
    return best


def clocks_below(limits: PllLimits, input_hz: float, most_hz: float) -> list[float]:
    """All clocks up to ``most_hz`` that the PLL can make, in Hz, fastest first."""
    return sorted({pll.output_hz for pll in limits.settings(input_hz)
                   if pll.output_hz <= most_hz}, reverse=True)


#: iCE40 (FPGA-TN-02052): SIMPLE feedback; DIVR + 1, DIVF + 1, 2 ** DIVQ.
ICE40_PLL = PllLimits(pfd=(10e6, 133e6), vco=(533e6, 1066e6), output=(16e6, 275e6),
                      references=range(1, 17), feedbacks=range(1, 129),
                      outputs=tuple(1 << q for q in range(1, 7)), vco_feedback=True)

#: ECP5 (FPGA-DS-02012): feedback from CLKOP.
ECP5_PLL = PllLimits(pfd=(10e6, 400e6), vco=(400e6, 800e6), output=(3.125e6, 400e6),
                     references=range(1, 129), feedbacks=range(1, 81), outputs=range(1, 129),
                     vco_feedback=False)

#: GW1NR-9 C6/I5 (DS117): rPLL; IDIV_SEL + 1, FBDIV_SEL + 1, ODIV_SEL.
GOWIN_PLL = PllLimits(pfd=(3e6, 400e6), vco=(400e6, 1200e6), output=(3.125e6, 600e6),
                      references=range(1, 65), feedbacks=range(1, 65),
                      outputs=(2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128), vco_feedback=False)
