# SPDX-License-Identifier: Apache-2.0
"""Random networks that reach for the corners: escapes, empty columns, saturation, full memories.

Uniform numbers would hardly ever meet a corner, so every property is drawn from a short list of
extremes and a middle. All draws come from one generator, in a fixed order.
"""
import numpy as np

from ...core.array.config import ArrayConfig
from ...core.network.graph import INPUT, Add, Conv, Depthwise, Layer, Linear, Network, Pool
from ...core.network.window import Window
from ...core.numbers.fixed import BIAS_BITS, MAX_SHIFT, MULTIPLIER_BITS, int_range, quantise_scale
from ...core.numbers.sparse import SparseWeights
from .windows import CONV, draw_bulge, draw_windows

__all__ = ["draw_network", "draw_inputs"]

_CELLS = 60_000         # weights of one layer, zeros included: bounds a case's cost
_LONGEST = 2048         # of all vectors


def _sizes(rng, config: ArrayConfig, layers: int, scale: float) -> list[int]:
    """Lengths of the vectors between layers, around the numbers where rows and lanes wrap."""
    pes = config.pes
    escaping = pes * (config.max_run + 2)               # columns this long can need fillers
    sizes: list[int] = []
    for _ in range(layers + 1):
        size = rng.choice([1, pes - 1, pes, pes + 1, 2 * pes, rng.integers(1, 4 * pes + 24),
                           rng.integers(1, 200), rng.integers(1, 60),
                           rng.integers(escaping, 4 * escaping), escaping + 1])
        limit = _CELLS // sizes[-1] if sizes else 200
        sizes.append(int(np.clip(size * scale, 1, max(1, min(limit, _LONGEST)))))
    return sizes


def _mask(rng, config: ArrayConfig, m: int, n: int) -> np.ndarray:
    """Which weights exist, bool [m, n]: any density, with empty or crowded rows and columns."""
    density = rng.choice([0.0, 0.02, 0.05, 0.1, 0.3, 0.6, 1.0, rng.random()],
                         p=[.04, .1, .16, .2, .15, .1, .1, .15])
    mask = rng.random((m, n)) < density
    if rng.random() < 0.3:
        mask[:, rng.random(n) < 0.3] = False            # empty columns
    if rng.random() < 0.3:
        mask[rng.random(m) < 0.3] = False               # empty rows
    if rng.random() < 0.3:
        mask[rng.integers(config.pes)::config.pes] = True       # one PE holds the others up
    if rng.random() < 0.3:
        mask[-1, rng.integers(n)] = mask[0, rng.integers(n)] = True     # first and last row
    if rng.random() < 0.2:                              # long runs: escapes and their neighbours
        mask &= (np.arange(m) // config.pes % rng.choice(
            [config.max_run, config.max_run + 1, config.max_run + 2]) == 0)[:, np.newaxis]
    return mask


def _values(rng, config: ArrayConfig, count: int) -> np.ndarray:
    """Weights, none of them 0."""
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


def _codes(rng, slots: int, count: int) -> np.ndarray:
    """Codebook slots 1 .. slots - 1: even, skewed, steeply skewed, or just one of them."""
    kind = rng.integers(4)
    rank = np.arange(1, slots)
    weight = (np.ones(slots - 1), 1 / rank, 0.5 ** np.minimum(rank, 60.0),
              (rank == rng.integers(1, slots)).astype(float))[kind]
    return 1 + rng.choice(slots - 1, count, p=weight / weight.sum())


def _scaled(config: ArrayConfig, rows: np.ndarray, values: np.ndarray,
            table: np.ndarray) -> np.ndarray:
    """``table`` scaled down so that no sum of a row's products leaves half the accumulator.

    ``values`` are the weights in ``rows``; what a small factor turns into 0 is no weight.
    """
    reach = (1 << (config.acc_width - 2)) * 255 // 256      # the rest is for the bias
    largest = np.bincount(rows, np.abs(values), minlength=1).max() * (1 << (config.act_width - 1))
    return np.trunc(table * min(1.0, reach / max(largest, 1))).astype(np.int64)


def _in_groups(rng, m: int, n: int, channels: int) -> np.ndarray:
    """Which weights of a convolution exist, bool [m, n], if outputs and input ``channels`` form
    groups; all of them, where it has only one."""
    both = np.gcd(m, channels)
    groups = int(rng.choice([1, 1, *(size for size in range(2, both + 1) if both % size == 0)]))
    return (np.arange(m) * groups // m)[:, np.newaxis] \
        == np.arange(n) % channels * groups // channels


def _weights(rng, config: ArrayConfig, encoding: str, m: int, n: int, channels: int | None
             ) -> SparseWeights:
    mask = _mask(rng, config, m, n)
    if channels is not None:
        mask &= _in_groups(rng, m, n, channels)
    columns, rows = np.nonzero(mask.T)
    if encoding == "csr" and rng.random() < 0.8:
        codes, codebook = None, None
        values = _values(rng, config, len(rows))
        values = _scaled(config, rows, values, values)
    else:
        slots = int(rng.choice([2, 3, 1 << config.code_width,
                                rng.integers(2, (1 << config.code_width) + 1)]))
        codebook = np.concatenate([[0], _values(rng, config, slots - 1)])
        codes = _codes(rng, slots, len(rows))
        codebook = _scaled(config, rows, codebook[codes], codebook)
        values = codebook[codes]
    kept = values != 0
    indptr = np.concatenate([[0], np.cumsum(np.bincount(columns[kept], minlength=n))])
    return SparseWeights(shape=(m, n), indptr=indptr, rows=rows[kept], values=values[kept],
                         codes=None if codes is None else codes[kept], codebook=codebook)


def _channels(rng, config: ArrayConfig, weights: SparseWeights) -> tuple:
    """Bias, multiplier and shift of each row."""
    m = weights.shape[0]
    low, high = int_range(min(BIAS_BITS, config.acc_width - 1))
    bias = rng.choice([low, high, 0, 1, -1, *rng.integers(low, high, 4)], m)
    if rng.random() < 0.7:
        bias = bias >> rng.integers(4, 28)
    typical = np.abs(weights.values.astype(float)).sum() / m * (1 << (config.act_width - 3))
    kind = rng.integers(4)
    if kind == 0:                                       # anything, saturating and vanishing too
        multiplier = rng.choice([1, (1 << MULTIPLIER_BITS) - 1, 12345], m)
        shift = rng.choice([0, 1, 15, 31, MAX_SHIFT, *rng.integers(0, MAX_SHIFT + 1, 3)], m)
    else:                                               # a useful scale, or one just too large
        scale = (1 << (config.act_width - 2)) / max(typical, 1.0) * (1.0, 4.0, 64.0)[kind - 1]
        pairs = [quantise_scale(min(scale * spread, 30000.0)) for spread in
                 rng.uniform(0.5, 2.0, m)]
        multiplier, shift = np.array(pairs).T
    return bias, multiplier, shift


def draw_network(rng: np.random.Generator, config: ArrayConfig, *, scale: float = 1.0,
                 bulge: bool = False) -> Network:
    """A network of 1 to 4 layers in the encodings of ``config``; ``scale`` shrinks its sizes.

    In an array with convolutions nine of ten networks begin with 1 to 4 layers on maps, and
    branches, and with ``bulge`` all, with maps that are larger in between. No accumulator of
    ``config`` can overflow in it. It need not fit the memories.
    """
    count = int(rng.choice([1, 2, 3, 4], p=[.5, .3, .12, .08]))
    layers: list[Layer] = []
    if config.conv and (bulge or rng.random() < 0.9):
        layers = _on_maps(rng, config, draw_bulge(rng, config, scale), branches=0.5) if bulge \
            else _on_maps(rng, config, draw_windows(rng, config, int(rng.integers(1, 5)), scale))
        count = int(rng.integers(0, 2))
    sizes = _sizes(rng, config, count, scale)
    if layers:
        sizes[0] = layers[-1].outputs
        sizes[1:] = [max(1, min(size, _CELLS // sizes[0])) for size in sizes[1:]]
    for n, m in zip(sizes, sizes[1:]):
        layers.append(Linear(**_fields(rng, config, f"layer{len(layers)}", m, n)))
    return Network(name="random", layers=tuple(layers), act_width=config.act_width)


def _on_maps(rng, config: ArrayConfig, drawn: list[tuple[Window, int, str]], *,
             branches: float = 1.0) -> list[Layer]:
    """The layers on maps; some are two branches, which are added or read side by side, or only
    the part ``branches`` of those."""
    layers: list[Layer] = []
    sources: tuple[str, ...] = ()       # what the next layer reads, if not just the one before
    split = False                       # the map in hand consists of several parts
    for number, (window, m, kind) in enumerate(drawn):
        reads = sources or (layers[-1].name if layers else INPUT,)
        # 0 .. 0.3: an addition, 0.6 .. 1: side by side, each perhaps.
        sources, branch = (), rng.random() if rng.random() < branches else 0.5
        split |= len(reads) > 1
        parts = [m]
        if config.pool and branch < 0.3:
            # To be added to what it reads, if that has its layout, or to another branch.
            shape, before = ((window.out_height, window.out_width, m),
                             (window.height, window.width, window.channels))
            parts = [m] if shape == before and not split and branch < 0.2 else [m, m]
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


def _on_map(rng, config: ArrayConfig, name: str, window: Window, m: int, kind: str,
            sources: tuple[str, ...]) -> Layer:
    """A layer that follows a window."""
    if kind == CONV:
        return Conv(window=window, sources=sources, **_fields(
            rng, config, name, m, window.columns, window.channels))
    if kind == "depthwise":
        return Depthwise(window=window, sources=sources, **_fields(
            rng, config, name, m, window.kernel[0] * window.kernel[1]))
    return _pool(rng, config, name, window, kind, sources)


def _fields(rng, config: ArrayConfig, name: str, m: int, n: int, channels: int | None = None
            ) -> dict:
    """A layer with a matrix; a convolution's has ``channels`` in each of a kernel's pixels."""
    encoding = str(rng.choice(config.encodings))
    weights = _weights(rng, config, encoding, m, n, channels)
    bias, multiplier, shift = _channels(rng, config, weights)
    return {"name": name, "weights": weights, "encoding": encoding, "relu": bool(rng.random() < .5),
            "bias": bias, "multiplier": multiplier, "shift": shift}


def _pool(rng, config: ArrayConfig, name: str, window: Window, reduce: str,
          sources: tuple[str, ...]) -> Pool:
    """A pool whose sums fit; its ones need two bits at least, which all weights have."""
    relu = bool(rng.random() < 0.3)
    seen = window.kernel[0] * window.kernel[1]
    if reduce == "max" or seen << config.act_width > 1 << config.acc_width:
        return Pool(name=name, window=window, reduce="max", relu=relu, sources=sources)
    multiplier, shift = quantise_scale(float(rng.choice([1 / seen, 1.0, 4 / seen])))
    return Pool(name=name, window=window, reduce="sum", relu=relu, multiplier=multiplier,
                shift=shift, sources=sources)


def _add(rng, config: ArrayConfig, name: str, pixels: int, channels: int,
         sources: tuple[str, ...]) -> Add:
    """An addition whose sums fit: the smallest weight is left out."""
    high = int_range(config.weight_width)[1]
    factors = rng.choice([-high, high, 1, -1, 0, *rng.integers(-high, high + 1, 9)], 2).tolist()
    if rng.random() < 0.2:
        factors = factors[:1] * 2
    total = max(1, sum(map(abs, factors)))
    multiplier, shift = quantise_scale(float(rng.choice([1 / total, 2 / total, 16 / total])))
    return Add(name=name, pixels=pixels, channels=channels, factors=(factors[0], factors[1]),
               multiplier=multiplier, shift=shift, relu=bool(rng.random() < 0.5), sources=sources)


def draw_inputs(rng: np.random.Generator, network: Network, batch: int) -> np.ndarray:
    """Activations int64 [batch, n]: any density and sign, single ones, extremes, none at all."""
    low, high = int_range(network.act_width)
    shape = (batch, network.inputs)
    kind = rng.integers(5)
    if kind == 0:
        values = rng.choice([low, high], shape)
    elif kind == 1:
        values = rng.integers(low, 1, shape)            # negative ones only
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
        elif special < 0.16:                            # a single one, often first or last
            place = rng.choice([0, len(vector) - 1, int(rng.integers(len(vector)))])
            kept = vector[place] or high
            vector[:] = 0
            vector[place] = kept
    return values
