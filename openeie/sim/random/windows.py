# SPDX-License-Identifier: Apache-2.0
"""Random windows: odd sizes, kernels of 1 to 7 pixels, strides of 1 to 4, padding."""
import numpy as np

from ...core.array.config import ArrayConfig
from ...core.network.pool import REDUCTIONS
from ...core.network.window import Window

__all__ = ["CONV", "LOCAL", "draw_windows", "draw_bulge"]

# Kinds of layers with windows: convolutions, and those that work on each channel independently.
CONV = "conv"
LOCAL = (*REDUCTIONS, "depthwise")

# Limits that bound the cost of a case.
_LONGEST = 600          # activations of a map
_COLUMNS = 800          # elements of a kernel
_BULGE = 3000           # activations of a map inside a bulge
_MATRIX = 30_000        # weights of a layer in a bulge


def draw_windows(rng: np.random.Generator, config: ArrayConfig, count: int,
                 scale: float) -> list[tuple[Window, int, str]]:
    """``count`` windows, each on the map that the one before writes: (window, output channels,
    kind of layer).

    The kind is :data:`CONV` or, in an array with pools, one of :data:`LOCAL`. ``scale`` multiplies
    the sizes of the maps.
    """
    drawn: list[tuple[Window, int, str]] = []
    largest = int(rng.choice([2, 13], p=[.15, .85]))    # small maps have many channels
    height, width = (int(rng.integers(1, largest + 1)) for _ in range(2))
    channels = _channels(rng, config.pes, max(1, int(scale * _LONGEST / (height * width))))
    for _ in range(count):
        same = rng.random() < 0.3               # the output has the map's shape
        draw = _same_window if same else _window
        window = draw(rng, height, width, channels)
        out = channels
        kind = CONV
        deep = channels > 16 * config.pes           # has fillers
        if config.pool and rng.random() < (0.9 if deep else 0.5):
            kind = str(rng.choice(LOCAL))
        elif not same:
            out = _channels(rng, config.pes, max(1, int(scale * _LONGEST / window.positions)))
        drawn.append((window, out, kind))
        height, width, channels = window.out_height, window.out_width, out
    return drawn


def _channels(rng: np.random.Generator, pes: int, limit: int) -> int:
    """Numbers of channels near those at which rows and lanes wrap."""
    sizes = [1, pes - 1, pes, pes + 1, 2 * pes, int(rng.integers(1, 40)), 18 * pes, 18 * pes]
    return int(np.clip(rng.choice(sizes), 1, limit))


def _window(rng: np.random.Generator, height: int, width: int, channels: int) -> Window:
    """Any window on a map, with at least one position."""
    kernel, stride, before, after = [], [], [], []
    for size in (height, width):
        pad = [int(rng.choice([0, 0, 1, 2, int(rng.integers(0, 5))])) for _ in range(2)]
        largest = max(1, min(7, size + sum(pad), int((_COLUMNS / channels) ** 0.5)))
        kernel.append(int(rng.choice([1, largest, int(rng.integers(1, largest + 1))])))
        stride.append(int(rng.choice([1, 1, 2, int(rng.integers(1, 5))])))
        before.append(pad[0])
        after.append(pad[1])
    return Window(height=height, width=width, channels=channels, kernel=(kernel[0], kernel[1]),
                  stride=(stride[0], stride[1]), pad=(before[0], before[1], after[0], after[1]))


def _same_window(rng: np.random.Generator, height: int, width: int, channels: int) -> Window:
    """A window whose output has the map's height and width."""
    widest = min(3, int((_COLUMNS / channels) ** 0.5 - 1) // 2)     # pixels beside the centre
    kernel = [1 + 2 * int(rng.integers(0, 1 + widest)) for _ in range(2)]
    pad = (kernel[0] // 2, kernel[1] // 2)
    return Window(height=height, width=width, channels=channels, kernel=(kernel[0], kernel[1]),
                  pad=(*pad, *pad))


def draw_bulge(rng: np.random.Generator, config: ArrayConfig, scale: float
               ) -> list[tuple[Window, int, str]]:
    """Two to four windows, as :func:`draw_windows` draws them, for networks that need bands.

    Their maps are tall, and those between the layers are larger than the first and the last one.
    """
    count = int(rng.choice([2, 3, 4]))
    height = max(2, int(scale * rng.integers(6, 40)))
    width = int(rng.integers(1, 6))
    channels = int(rng.integers(1, config.pes + 1))
    drawn: list[tuple[Window, int, str]] = []
    for number in range(count):
        window = _tall_window(rng, height, width, channels)
        out = channels
        kind = CONV
        if config.pool and number and rng.random() < 0.4:
            kind = str(rng.choice(LOCAL))
        else:
            most = max(1, min(_BULGE // window.positions, _MATRIX // window.columns))
            wanted = config.pes * int(rng.choice([1, 2, 3, 4, 6, 18])) + int(rng.integers(0, 3))
            if number == count - 1:
                wanted = int(rng.integers(1, config.pes + 1))
            out = min(most, wanted)
        drawn.append((window, out, kind))
        height, width, channels = window.out_height, window.out_width, out
    return drawn


def _tall_window(rng: np.random.Generator, height: int, width: int, channels: int) -> Window:
    """A window with a small kernel and at least one position."""
    top, bottom, left, right = (int(rng.choice([0, 0, 1, 2])) for _ in range(4))
    tall = int(rng.integers(1, min(4, height + top + bottom) + 1))
    wide = int(rng.integers(1, min(3, width + left + right) + 1))
    down, along = (int(rng.choice([1, 1, 2, 3])) for _ in range(2))
    return Window(height=height, width=width, channels=channels, kernel=(tall, wide),
                  stride=(down, along), pad=(top, left, bottom, right))
