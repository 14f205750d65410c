# SPDX-License-Identifier: Apache-2.0
"""Random networks with many corner cases: fillers, empty columns, saturation, full memories.

Uniform random numbers would hardly ever hit a corner case, so each property is drawn from a short
list of extremes and some middle values. All draws come from one generator, in a fixed order.
"""
from typing import Any

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.network.graph import INPUT, Add, Conv, Depthwise, Layer, Linear, Network, Pool
from ...core.network.window import Window
from ...core.numbers.fixed import BIAS_BITS, MAX_SHIFT, MULTIPLIER_BITS, int_range, quantise_scale
from ...core.numbers.sparse import SparseWeights
from .windows import CONV, draw_bulge, draw_windows

__all__ = ["draw_network", "draw_inputs"]

# Limits that bound the cost of a case.
_CELLS = 60_000         # weights of a layer, including zeros
_LONGEST = 2048         # length of a vector


def _sizes(rng: np.random.Generator, config: ArrayConfig, layers: int, scale: float) -> list[int]:
    """Lengths of the vectors between layers, near the numbers at which rows and lanes wrap."""
    pes = config.pes
    escaping = pes * (config.max_run + 2)               # columns this long can need fillers
    sizes: list[int] = []
    for _ in range(layers + 1):
        some = [int(rng.integers(1, 4 * pes + 24)), int(rng.integers(1, 200)),
                int(rng.integers(1, 60)), int(rng.integers(escaping, 4 * escaping))]
        size = rng.choice([1, pes - 1, pes, pes + 1, 2 * pes, *some, escaping + 1])
        limit = _CELLS // sizes[-1] if sizes else 200
        sizes.append(int(np.clip(size * scale, 1, max(1, min(limit, _LONGEST)))))
    return sizes


def _mask(rng: np.random.Generator, config: ArrayConfig, m: int, n: int) -> np.ndarray:
    """Which weights are not zero, bool [m, n]: any density, with empty and full lines."""
    density = rng.choice([0.0, 0.02, 0.05, 0.1, 0.3, 0.6, 1.0, rng.random()],
                         p=[.04, .1, .16, .2, .15, .1, .1, .15])
    mask = rng.random((m, n)) < density
    if rng.random() < 0.3:
        mask[:, rng.random(n) < 0.3] = False            # empty columns
    if rng.random() < 0.3:
        mask[rng.random(m) < 0.3] = False               # empty rows
    if rng.random() < 0.3:
        mask[rng.integers(config.pes)::config.pes] = True       # one PE has the most work
    if rng.random() < 0.3:
        mask[-1, rng.integers(n)] = mask[0, rng.integers(n)] = True     # first and last row
    if rng.random() < 0.2:                              # runs that nearly need fillers, or do
        distance = rng.choice([config.max_run, config.max_run + 1, config.max_run + 2])
        mask &= (np.arange(m) // config.pes % distance == 0)[:, np.newaxis]
    return mask


def _values(rng: np.random.Generator, config: ArrayConfig, count: int) -> np.ndarray:
    """Weights other than 0, int64 [count]."""
    low, high = int_range(config.weight_width)
    kind = rng.integers(5)
    if kind == 0:
        values = rng.choice([low, high], count)
    elif kind == 1:
        values = rng.choice([-1, 1], count)
    elif kind == 2:
        values = np.full(count, rng.choice([low, high, 1]))
    else:
        values = rng.normal(0, high / (4 if kind == 3 else 400), count).round().clip(low, high)
    return np.where(values == 0, 1, values).astype(np.int64)


def _codes(rng: np.random.Generator, slots: int, count: int) -> np.ndarray:
    """Codebook slots 1 .. slots - 1, int64 [count]: uniform, skewed, steeply skewed, or all the
    same."""
    kind = rng.integers(4)
    rank = np.arange(1, slots)
    single = (rank == rng.integers(1, slots)).astype(float)
    weight = (np.ones(slots - 1), 1 / rank, 0.5 ** np.minimum(rank, 60.0), single)[kind]
    return 1 + rng.choice(slots - 1, count, p=weight / weight.sum())


def _scaled(config: ArrayConfig, rows: np.ndarray, values: np.ndarray,
            table: np.ndarray) -> np.ndarray:
    """``table`` scaled down so that the sums of all rows stay in half the accumulator's range.

    values : the weights [weights] in ``rows``. Entries of the table may become 0; such weights
        must be removed.
    """
    reach = (1 << (config.acc_width - 2)) * 255 // 256      # the rest is for the bias
    largest = np.bincount(rows, np.abs(values), minlength=1).max() * (1 << (config.act_width - 1))
    return np.trunc(table * min(1.0, reach / max(largest, 1))).astype(np.int64)


def _in_groups(rng: np.random.Generator, m: int, n: int, channels: int) -> np.ndarray:
    """Which weights of a convolution a random number of groups leaves, bool [m, n].

    ``channels`` are the input's; with one group all weights are left.
    """
    both = np.gcd(m, channels)
    divisors = [size for size in range(2, both + 1) if both % size == 0]
    groups = int(rng.choice([1, 1, *divisors]))
    group_of_row = np.arange(m) * groups // m
    group_of_column = np.arange(n) % channels * groups // channels
    return group_of_row[:, np.newaxis] == group_of_column


def _weights(rng: np.random.Generator, config: ArrayConfig, encoding: str, m: int, n: int,
             channels: int | None) -> SparseWeights:
    """A random matrix [m, n]; a convolution's has ``channels`` in each pixel of a kernel."""
    mask = _mask(rng, config, m, n)
    if channels is not None:
        mask &= _in_groups(rng, m, n, channels)
    columns, rows = np.nonzero(mask.T)
    if encoding == "csr" and rng.random() < 0.8:
        codes = codebook = None
        values = _values(rng, config, len(rows))
        values = _scaled(config, rows, values, values)
    else:
        most = 1 << config.code_width
        slots = int(rng.choice([2, 3, most, int(rng.integers(2, most + 1))]))
        codebook = np.concatenate([[0], _values(rng, config, slots - 1)])
        codes = _codes(rng, slots, len(rows))
        codebook = _scaled(config, rows, codebook[codes], codebook)
        values = codebook[codes]
    kept = values != 0
    indptr = np.concatenate([[0], np.cumsum(np.bincount(columns[kept], minlength=n))])
    return SparseWeights(shape=(m, n), indptr=indptr, rows=rows[kept], values=values[kept],
                         codes=None if codes is None else codes[kept], codebook=codebook)


def _channels(rng: np.random.Generator, config: ArrayConfig, weights: SparseWeights
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bias, multiplier and shift of each row, int64 [m]."""
    m = weights.shape[0]
    low, high = int_range(min(BIAS_BITS, config.acc_width - 1))
    bias = rng.choice([low, high, 0, 1, -1, *rng.integers(low, high, 4)], m)
    if rng.random() < 0.7:
        bias = bias >> rng.integers(4, 28)
    typical = np.abs(weights.values.astype(float)).sum() / m * (1 << (config.act_width - 3))
    kind = rng.integers(4)
    if kind == 0:                                       # any, so that outputs saturate or vanish
        multiplier = rng.choice([1, (1 << MULTIPLIER_BITS) - 1, 12345], m)
        shift = rng.choice([0, 1, 15, 31, MAX_SHIFT, *rng.integers(0, MAX_SHIFT + 1, 3)], m)
    else:                                               # a useful scale, or one just too large
        scale = (1 << (config.act_width - 2)) / max(typical, 1.0) * (1.0, 4.0, 64.0)[kind - 1]
        pairs = [quantise_scale(min(scale * spread, 30000.0))
                 for spread in rng.uniform(0.5, 2.0, m)]
        multiplier, shift = np.array(pairs).T
    return bias, multiplier, shift


def draw_network(rng: np.random.Generator, config: ArrayConfig, *, scale: float = 1.0,
                 bulge: bool = False) -> Network:
    """A network in the encodings of ``config``, in which no accumulator of ``config`` can overflow.

    It has 1 to 4 layers. If the array has convolutions, nine networks of ten have 1 to 4 layers on
    maps, perhaps with branches, and then at most one linear layer. The network need not fit the
    memories.

    scale : factor for all sizes.
    bulge : begin with layers on maps that are larger in the middle than at both ends.
    """
    count = int(rng.choice([1, 2, 3, 4], p=[.5, .3, .12, .08]))
    layers: list[Layer] = []
    if config.conv and bulge:
        layers = _on_maps(rng, config, draw_bulge(rng, config, scale), branches=0.5)
        count = int(rng.integers(0, 2))
    elif config.conv and rng.random() < 0.9:
        windows = draw_windows(rng, config, int(rng.integers(1, 5)), scale)
        layers = _on_maps(rng, config, windows)
        count = int(rng.integers(0, 2))
    sizes = _sizes(rng, config, count, scale)
    if layers:
        sizes[0] = layers[-1].outputs
        sizes[1:] = [max(1, min(size, _CELLS // sizes[0])) for size in sizes[1:]]
    for n, m in zip(sizes, sizes[1:]):
        layers.append(Linear(**_fields(rng, config, f"layer{len(layers)}", m, n)))
    return Network(name="random", layers=tuple(layers), act_width=config.act_width)


def _on_maps(rng: np.random.Generator, config: ArrayConfig, drawn: list[tuple[Window, int, str]],
             *, branches: float = 1.0) -> list[Layer]:
    """Layers on maps, by (window, output channels, kind).

    At some places there are two branches, which are added or concatenated; ``branches`` scales how
    often.
    """
    layers: list[Layer] = []
    sources: tuple[str, ...] = ()       # what the next layer reads, if not just the one before
    split = False                       # the current map is a concatenation
    for number, (window, m, kind) in enumerate(drawn):
        reads = sources or (layers[-1].name if layers else INPUT,)
        sources = ()
        # Below 0.3 there may be an addition, above 0.6 a concatenation.
        branch = rng.random() if rng.random() < branches else 0.5
        split |= len(reads) > 1
        parts = [m]
        if config.pool and branch < 0.3:
            # It is added to what it reads, if that has the same layout, or to another branch.
            shape = (window.out_height, window.out_width, m)
            same = shape == (window.height, window.width, window.channels) and not split
            parts = [m] if same and branch < 0.2 else [m, m]
        elif kind == CONV and m > 1 and number < len(drawn) - 1 and branch > 0.6:
            parts = [int(rng.integers(1, m))]
            parts.append(m - parts[0])
            sources = tuple(f"layer{len(layers) + part}" for part in range(2))
        split &= kind != CONV
        for part in parts:
            layers.append(_on_map(rng, config, f"layer{len(layers)}", window, part, kind, reads))
        if config.pool and branch < 0.3:
            pair = (*reads, *(layer.name for layer in layers[-len(parts):]))[-2:]
            layers.append(_add(rng, config, f"layer{len(layers)}", window.positions, m, pair))
    return layers


def _on_map(rng: np.random.Generator, config: ArrayConfig, name: str, window: Window, m: int,
            kind: str, sources: tuple[str, ...]) -> Layer:
    """A layer with a window: a convolution, a depthwise layer or a pool."""
    if kind == CONV:
        fields = _fields(rng, config, name, m, window.columns, window.channels)
        return Conv(window=window, sources=sources, **fields)
    if kind == "depthwise":
        fields = _fields(rng, config, name, m, window.kernel[0] * window.kernel[1])
        return Depthwise(window=window, sources=sources, **fields)
    return _pool(rng, config, name, window, kind, sources)


def _fields(rng: np.random.Generator, config: ArrayConfig, name: str, m: int, n: int,
            channels: int | None = None) -> dict[str, Any]:
    """Fields of a layer with a matrix [m, n]; ``channels``: see :func:`_weights`."""
    encoding = str(rng.choice(config.encodings))
    weights = _weights(rng, config, encoding, m, n, channels)
    bias, multiplier, shift = _channels(rng, config, weights)
    return {"name": name, "weights": weights, "encoding": encoding, "relu": bool(rng.random() < .5),
            "bias": bias, "multiplier": multiplier, "shift": shift}


def _pool(rng: np.random.Generator, config: ArrayConfig, name: str, window: Window, reduce: str,
          sources: tuple[str, ...]) -> Pool:
    """A pool whose sums fit the accumulator. (Its weights are 1, which any weight width holds.)"""
    relu = bool(rng.random() < 0.3)
    seen = window.kernel[0] * window.kernel[1]
    if reduce == "max" or seen << config.act_width > 1 << config.acc_width:
        return Pool(name=name, window=window, reduce="max", relu=relu, sources=sources)
    multiplier, shift = quantise_scale(float(rng.choice([1 / seen, 1.0, 4 / seen])))
    return Pool(name=name, window=window, reduce="sum", relu=relu, multiplier=multiplier,
                shift=shift, sources=sources)


def _add(rng: np.random.Generator, config: ArrayConfig, name: str, pixels: int, channels: int,
         sources: tuple[str, ...]) -> Add:
    """An addition whose sums fit the accumulator, since the lowest weight does not occur."""
    high = int_range(config.weight_width)[1]
    some = rng.integers(-high, high + 1, 9).tolist()
    factors = rng.choice([-high, high, 1, -1, 0, *some], 2).tolist()
    if rng.random() < 0.2:
        factors = factors[:1] * 2
    total = max(1, sum(map(abs, factors)))
    multiplier, shift = quantise_scale(float(rng.choice([1 / total, 2 / total, 16 / total])))
    return Add(name=name, pixels=pixels, channels=channels, factors=(factors[0], factors[1]),
               multiplier=multiplier, shift=shift, relu=bool(rng.random() < 0.5), sources=sources)


def draw_inputs(rng: np.random.Generator, network: Network, batch: int) -> np.ndarray:
    """Activations int64 [batch, n] of any density and sign; some vectors are zero, some have a
    single non-zero element."""
    low, high = int_range(network.act_width)
    shape = (batch, network.inputs)
    kind = rng.integers(5)
    if kind == 0:
        values = rng.choice([low, high], shape)
    elif kind == 1:
        values = rng.integers(low, 1, shape)            # no positive ones
    elif kind == 2:
        values = rng.integers(max(low, -3), min(high, 3) + 1, shape)
    else:
        values = rng.integers(low, high + 1, shape)
    density = rng.choice([0.05, 0.2, 0.35, 0.7, 1.0])
    values = np.where(rng.random(shape) < density, values, 0)
    for vector in values:
        special = rng.random()
        if special < 0.08:
            vector[:] = 0
        elif special < 0.16:                            # a single one, often the first or last
            place = rng.choice([0, len(vector) - 1, int(rng.integers(len(vector)))])
            kept = vector[place] or high
            vector[:] = 0
            vector[place] = kept
    return values
