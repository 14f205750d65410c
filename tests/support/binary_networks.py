# SPDX-License-Identifier: Apache-2.0
"""Random binary layers and networks, and their sums in plain Python."""
import numpy as np
from openeie.core.network.binary import SignConv, SignLinear
from openeie.core.network.graph import Depthwise, Network, Pool
from openeie.core.network.window import Window
from openeie.core.numbers.signs import SignMatrix
from openeie.core.numbers.sparse import SparseWeights


def signs(rng, m, n):
    """A random matrix."""
    return SignMatrix.from_signs(rng.choice([-1, 1], (m, n)))


def writeback(rng, m):
    """Random bias, multiplier and shift."""
    return {"bias": rng.integers(-2000, 2000, m), "multiplier": rng.integers(1, 1 << 15, m),
            "shift": rng.integers(12, 30, m)}


def draw_window(rng, channels):
    """A window of any kernel, stride and padding over a small map."""
    height, width = (int(size) for size in rng.integers(1, 8, 2))
    pad = tuple(int(size) for size in rng.integers(0, 3, 4))
    kernel = (int(rng.integers(1, min(4, height + pad[0] + pad[2]) + 1)),
              int(rng.integers(1, min(4, width + pad[1] + pad[3]) + 1)))
    stride = tuple(int(size) for size in rng.integers(1, 4, 2))
    return Window(height=height, width=width, channels=channels, kernel=kernel, stride=stride,
                  pad=pad)


def draw_binary(seed):
    """A network of a binary convolution, perhaps a norm and a pool, and a binary linear layer; its
    modes, sizes and numbers are random."""
    rng = np.random.default_rng(seed)
    channels, filters, outputs = (int(size) for size in rng.integers(1, 12, 3))
    window = draw_window(rng, channels)
    layers = [SignConv(name="conv", mode=str(rng.choice(["bwn", "xnor"])), window=window,
                       signs=signs(rng, filters, window.columns), relu=bool(rng.integers(2)),
                       **writeback(rng, filters))]
    after = Window(height=window.out_height, width=window.out_width, channels=filters)
    if rng.integers(2):
        layers.append(Depthwise(name="norm", window=after, relu=False, **writeback(rng, filters),
                                weights=SparseWeights.from_codes(
                                    rng.integers(0, 3, (filters, 1)), np.array([0, 128, -128]))))
    if rng.integers(2):
        layers.append(Pool(name="pool", reduce="max", window=Window(
            height=after.height, width=after.width, channels=filters,
            kernel=(min(2, after.height), min(2, after.width)))))
    n = layers[-1].outputs
    layers.append(SignLinear(name="fc", mode=str(rng.choice(["bwn", "xnor"])),
                             signs=signs(rng, outputs, n), relu=False,
                             output_scale=0.25, **writeback(rng, outputs)))
    return Network(name="binary", layers=tuple(layers), act_width=int(rng.choice([8, 16])),
                   input_range=(-100, 120), input_scale=0.5, provenance={"seed": seed})


def plain_sums(layer, x):
    """A binary layer's sums for one input, element after element: int [positions][m]."""
    matrix, window = layer.signs.dense().tolist(), getattr(layer, "window", None)
    result = []
    for seen in _seen(window, x):
        signs_seen = [(j, 1 if value >= 0 else -1) for j, value in seen]
        scale = sum(abs(value) for _, value in seen)
        result.append([sum(row[j] * sign for j, sign in signs_seen) * scale if layer.is_xnor
                       else sum(row[j] * value for j, value in seen) for row in matrix])
    return result


def _seen(window, x):
    """(column, activation) of what lies inside the map, at every position."""
    if window is None:
        yield list(enumerate(x))
        return
    top, left, _, _ = window.pad
    for line in range(window.out_height):
        for column in range(window.out_width):
            seen = []
            for j in range(window.columns):
                place, channel = divmod(j, window.channels)
                r = line * window.stride[0] - top + place // window.kernel[1]
                s = column * window.stride[1] - left + place % window.kernel[1]
                if 0 <= r < window.height and 0 <= s < window.width:
                    seen.append((j, x[(r * window.width + s) * window.channels + channel]))
            yield seen
