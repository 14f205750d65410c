# SPDX-License-Identifier: Apache-2.0
"""Random windows: odd sizes, kernels of 1 to 7, strides of 1 to 4, padding."""
import numpy as np

from ...core.array.config import ArrayConfig
from ...core.network.pool import REDUCTIONS
from ...core.network.window import Window

__all__ = ["CONV", "LOCAL", "draw_windows", "draw_bulge"]

#: Layers on windows: convolutions, and those that work on every channel by itself.
CONV = "conv"
LOCAL = (*REDUCTIONS, "depthwise")

_LONGEST = 600          # activations of a map: bounds a case's cost
_COLUMNS = 800          # elements of a kernel
_BULGE = 3000           # activations of a map between other ones, and of a matrix, weights
_MATRIX = 30_000


def draw_windows(rng: np.random.Generator, config: ArrayConfig, count: int,
                 scale: float) -> list[tuple[Window, int, str]]:
    """``count`` windows that follow one another, each with its output channels and the kind of
    layer: ``CONV`` or, in an array with pools, one of ``LOCAL``."""
    drawn: list[tuple[Window, int, str]] = []
    largest = int(rng.choice([2, 13], p=[.15, .85]))            # small maps have deep pixels
    height, width = (int(rng.integers(1, largest + 1)) for _ in range(2))
    channels = _channels(rng, config.pes, max(1, int(scale * _LONGEST / (height * width))))
    for _ in range(count):
        same = rng.random() < 0.3               # the output has the map's shape
        window = _same_window(rng, height, width, channels) if same \
            else _window(rng, height, width, channels)
        out, kind = channels, CONV
        deep = channels > 16 * config.pes           # those have fillers
        if config.pool and rng.random() < (0.9 if deep else 0.5):
            kind = str(rng.choice(LOCAL))
        elif not same:
            out = _channels(rng, config.pes, max(1, int(scale * _LONGEST / window.positions)))
        drawn.append((window, out, kind))
        height, width, channels = window.out_height, window.out_width, out
    return drawn


def _channels(rng, pes: int, limit: int) -> int:
    """Channels around the numbers where rows and lanes wrap."""
    size = rng.choice([1, pes - 1, pes, pes + 1, 2 * pes, rng.integers(1, 40), 18 * pes, 18 * pes])
    return int(np.clip(size, 1, limit))


def _window(rng, height: int, width: int, channels: int) -> Window:
    """A window on a given map, with at least one position."""
    kernel, stride, before, after = [], [], [], []
    for size in (height, width):
        pad = [int(rng.choice([0, 0, 1, 2, rng.integers(0, 5)])) for _ in range(2)]
        largest = max(1, min(7, size + sum(pad), int((_COLUMNS / channels) ** 0.5)))
        kernel.append(int(rng.choice([1, largest, rng.integers(1, largest + 1)])))
        stride.append(int(rng.choice([1, 1, 2, rng.integers(1, 5)])))
        before.append(pad[0])
        after.append(pad[1])
    return Window(height=height, width=width, channels=channels, kernel=(kernel[0], kernel[1]),
                  stride=(stride[0], stride[1]), pad=(before[0], before[1], after[0], after[1]))


def _same_window(rng, height: int, width: int, channels: int) -> Window:
    """A window whose output has the map's height and width."""
    kernel = [1 + 2 * int(rng.integers(0, 1 + min(3, int((_COLUMNS / channels) ** 0.5 - 1) // 2)))
              for _ in range(2)]
    pad = (kernel[0] // 2, kernel[1] // 2)
    return Window(height=height, width=width, channels=channels, kernel=(kernel[0], kernel[1]),
                  pad=(*pad, *pad))


def draw_bulge(rng: np.random.Generator, config: ArrayConfig, scale: float
               ) -> list[tuple[Window, int, str]]:
    """Two to four windows, as :func:`draw_windows` draws them, whose maps are tall, and larger
    between the layers than before and behind: what bands are for."""
    count = int(rng.choice([2, 3, 4]))
    height, width = max(2, int(scale * rng.integers(6, 40))), int(rng.integers(1, 6))
    channels = int(rng.integers(1, config.pes + 1))
    drawn: list[tuple[Window, int, str]] = []
    for number in range(count):
        window = _tall_window(rng, height, width, channels)
        out, kind = channels, CONV
        if config.pool and number and rng.random() < 0.4:
            kind = str(rng.choice(LOCAL))
        else:
            most = max(1, min(_BULGE // window.positions, _MATRIX // window.columns))
            wide = config.pes * int(rng.choice([1, 2, 3, 4, 6, 18])) + int(rng.integers(0, 3))
            out = int(min(most, wide if number < count - 1 else rng.integers(1, config.pes + 1)))
        drawn.append((window, out, kind))
        height, width, channels = window.out_height, window.out_width, out
    return drawn


def _tall_window(rng, height: int, width: int, channels: int) -> Window:
    """A small kernel, with at least one position."""
    top, bottom, left, right = (int(rng.choice([0, 0, 1, 2])) for _ in range(4))
    tall = int(rng.integers(1, min(4, height + top + bottom) + 1))
    wide = int(rng.integers(1, min(3, width + left + right) + 1))
    down, along = (int(rng.choice([1, 1, 2, 3])) for _ in range(2))
    return Window(height=height, width=width, channels=channels, kernel=(tall, wide),
                  stride=(down, along), pad=(top, left, bottom, right))
