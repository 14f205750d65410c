# SPDX-License-Identifier: Apache-2.0
"""Random cases for ``openeie verify --random``: a configuration, networks that fit it, inputs.

A configuration costs a build of the gateware, a network does not; so there are few configurations
and many networks of each. Case ``c.k`` is network k of configuration c. It depends on
``(seed, c, k)`` alone, so that a single case can be replayed.
"""
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.array.config import CLUSTERS, ENCODINGS, OPERATIONS, ArrayConfig
from ...core.compile.capacity import words_used
from ...core.compile.compile import compile_network, try_compile
from ...core.compile.program import Program
from ...core.compile.tile_search import TileSearch
from ...core.errors import InputError
from ...core.network.graph import Network
from .networks import draw_inputs, draw_network

__all__ = ["Case", "configuration", "configurations", "case", "cases", "parse_case"]

#: The first networks of a configuration, which decide the depths of its memories.
_FITTED = 5
#: The same for configurations whose networks must be tiled.
_TILED = 12
#: Descriptors of those configurations, at least; other configurations have fewer.
_TILES = 96
#: Draws until a network fits; each is smaller than the one before by the factor _SHRINK.
_ATTEMPTS = 40
_SHRINK = 0.8
#: The first of these draws, which may be of networks that need tiling.
_BULGES = 16
#: Memories that hold any network.
_ROOMY = {"entry_depth": 1 << 20, "pointer_depth": 1 << 20, "act_depth": 1 << 20,
          "acc_depth": 1 << 14, "channel_depth": 1 << 16, "max_layers": 1024}


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One network on one configuration, with inputs int64 [batch, n]."""
    seed: int
    configuration: int
    index: int
    program: Program
    x: np.ndarray

    @property
    def name(self) -> str:
        """``c.k``, as the option ``--only`` takes it."""
        return f"{self.configuration}.{self.index}"

    @property
    def command(self) -> str:
        """The command that replays this case alone, on all engines."""
        return f"openeie verify --random 1 --seed {self.seed} --only {self.name}"


def parse_case(text: str) -> tuple[int, int]:
    """Numbers of configuration and network in ``"c.k"``.

    Raises
    ------
    InputError : the text is not of this form.
    """
    parts = text.split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise InputError(f"a case is written C.K, two numbers as in 3.17, not {text!r}")
    return int(parts[0]), int(parts[1])


def _skeleton(rng: np.random.Generator) -> ArrayConfig:
    """A configuration with memories that hold any network."""
    sizes = [1, int(rng.integers(2, 9)), int(rng.integers(9, 17)), int(rng.integers(17, 65))]
    pes = int(rng.choice(sizes, p=[.1, .45, .25, .2]))
    code_width = int(rng.choice([4, 8]))
    run_width = int(rng.choice([4, 5, 6, 7, 8], p=[.5, .2, .1, .1, .1]))
    widest = max(code_width, run_width)
    act_width = int(rng.choice([8, 16]))
    weight_width = int(rng.choice([16, 16, 16, 8, 4]))
    acc_width = int(rng.integers(act_width + weight_width, 49))
    chosen = _encodings(rng)
    longest = int(rng.choice([widest, widest + 2, int(rng.integers(widest, 16))]))
    longest_entry = {"csr": run_width + weight_width, "codebook": run_width + code_width,
                     "huffman": 32}
    needed = max(longest_entry[name] for name in chosen)
    config = ArrayConfig(
        pes=pes, queue_depth=int(rng.choice([1, 2, 3, 4, 8, int(rng.integers(1, 17))])),
        act_width=act_width, weight_width=weight_width, acc_width=max(16, acc_width),
        code_width=code_width, run_width=run_width,
        word_width=int(rng.choice([width for width in (16, 32, 64) if width >= needed])),
        max_code_length=longest, encodings=chosen, acc_banks=int(rng.choice([1, 2, 2])),
        counter_width=int(rng.choice([24, 32])),
        operations=OPERATIONS[:int(rng.choice([1, 2, 3], p=[.2, .2, .6]))],
        **_ROOMY)
    clusters = int(rng.choice(CLUSTERS))
    if config.conv and rng.random() < 2 / 3:
        return config.replace(clusters=clusters, pes=-(-pes // clusters) * clusters)
    return config


def _encodings(rng: np.random.Generator) -> tuple[str, ...]:
    """Mostly all encodings, otherwise at least one."""
    if rng.random() >= 0.4:
        return ENCODINGS
    chosen = tuple(name for name in ENCODINGS if rng.random() < 0.5)
    return chosen or (str(rng.choice(ENCODINGS)),)


def _draw(seed: int, number: int, index: int, attempt: int, config: ArrayConfig, *,
          tiling: bool = False) -> tuple[Network, dict[str, Any], np.ndarray]:
    """Network, options of :func:`compile_network`, and inputs, of one attempt at a case."""
    rng = np.random.default_rng([seed, number, index, attempt])
    # In many attempts, since networks that need no tiling fit more easily.
    bulge = tiling and attempt < _BULGES \
        and np.random.default_rng([seed, number, index]).random() < 0.6
    network = draw_network(rng, config, scale=_SHRINK ** attempt, bulge=bulge)
    vectors = int(rng.choice([1, 1, 2, 3, 4]))
    clustered = (None, True, False)[int(rng.choice(3, p=[.3, .5, .2]))]
    x = draw_inputs(rng, network, vectors * int(rng.integers(1, 4)))
    return network, {"vectors": vectors, "clustered": clustered}, x


def configuration(seed: int, number: int) -> ArrayConfig:
    """Configuration ``number`` of a seed.

    In half of the configurations, the largest of the first networks fills each memory to the last
    word. The others have memories of two or four times that size, so that larger networks fit.
    """
    rng = np.random.default_rng([seed, number])
    config = _skeleton(rng)
    needs = {"entry_depth": 4, "pointer_depth": 4, "act_depth": 2, "acc_depth": 2,
             "channel_depth": 2, "max_layers": 1}
    for index in range(_FITTED):
        network, options, _ = _draw(seed, number, index, 0, config)
        _raise(needs, words_used(compile_network(network, config, **options)))
    factor = int(rng.choice([1, 1, 2, 4]))
    if config.conv and rng.random() < 0.4:
        drawn = [_draw(seed, number, index, 0, config, tiling=True) for index in range(_TILED)]
        return _tiling(rng, config, needs, [(network, options) for network, options, _ in drawn])
    return _filled(config, {name: need * factor for name, need in needs.items()})


def _raise(needs: dict[str, int], more: dict[str, int]) -> None:
    """Raise each need to at least that in ``more``."""
    for name, need in more.items():
        needs[name] = max(needs[name], need)


def _filled(config: ArrayConfig, needs: dict[str, int]) -> ArrayConfig:
    """The configuration with memories of these depths, rounded up where it has rules for them."""
    for name in ("entry_depth", "pointer_depth"):
        needs[name] += needs[name] % 2
    if config.conv:
        needs["act_depth"] = 1 << (needs["act_depth"] - 1).bit_length()
    return config.replace(**needs)


def _tiling(rng: np.random.Generator, config: ArrayConfig, needs: dict[str, int],
            networks: list[tuple[Network, dict[str, Any]]]) -> ArrayConfig:
    """The configuration with activation memories and accumulators that are too small for some of
    ``networks`` without tiling. Everything else is large enough for their tiles."""
    whole = 1 << (needs["act_depth"] - 1).bit_length()
    depths: list[int] = []
    rows: list[int] = []                    # of maps; vectors are longer
    for network, options in networks:
        rows += [network.layout(layer.name).rows(config.pes)
                 for layer in network.layers if layer.operation != "linear"]
        search = TileSearch(network, config, options["vectors"])
        least = search.least_depth(2)
        if search.maps(2 * least).chains:
            depths.append(least)
    deepest = max(rows, default=2)
    acc_depth = int(rng.choice([needs["acc_depth"], needs["acc_depth"], deepest, deepest // 2]))
    act_depth = int(rng.choice(sorted(depths)[:2] or [whole]))
    small = {"acc_depth": max(2, acc_depth), "act_depth": act_depth}
    for network, options in networks:
        program, _ = try_compile(network, config.replace(**small), **options)
        if program is not None:
            _raise(needs, words_used(program))
    needs = {name: min(4 * need, _ROOMY[name]) for name, need in needs.items()}
    # Each band needs a descriptor for each layer.
    return _filled(config, needs | small | {"max_layers": max(needs["max_layers"], _TILES)})


def configurations(seed: int, count: int) -> list[ArrayConfig]:
    """The first ``count`` configurations of a seed."""
    return [configuration(seed, number) for number in range(count)]


def case(seed: int, number: int, index: int, config: ArrayConfig | None = None) -> Case:
    """Network ``index`` of configuration ``number``; giving ``config`` saves drawing it again."""
    config = configuration(seed, number) if config is None else config
    for attempt in range(_ATTEMPTS):
        network, options, x = _draw(seed, number, index, attempt, config,
                                    tiling=config.max_layers >= _TILES)
        program, _ = try_compile(network, config, **options)
        if program is not None:
            break
    else:           # none fits: raise the error that says why
        program = compile_network(network, config, **options)
    return Case(seed=seed, configuration=number, index=index, program=program, x=x)


def cases(seed: int, number: int, layers: int,
          config: ArrayConfig | None = None) -> Iterator[Case]:
    """Cases of one configuration until they have at least ``layers`` layers together."""
    config = configuration(seed, number) if config is None else config
    index = 0
    while layers > 0:
        drawn = case(seed, number, index, config)
        yield drawn
        layers -= len(drawn.program.network.layers)
        index += 1
