# SPDX-License-Identifier: Apache-2.0
"""Verification: run all engines and compare every word, every cycle and every counter."""
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.compile.program import Program
from ..core.errors import InputError, OpenEIEError, did_you_mean
from ..core.network.graph import kind_of
from ..core.run import Run
from .dask_map import spread
from .engines import ENGINES as _RUNNERS, simulate
from .random.cases import Case, case, cases, parse_case
from .random.coverage import BINS, bins_of

__all__ = ["ENGINES", "Verdict", "RandomVerdict", "verify", "verify_random"]

#: Engines that are compared by default.
ENGINES = tuple(_RUNNERS)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Engines that agree.

    Attributes
    ----------
    engines : names of the engines.
    words, cycles, counters : how many were compared, summed over all pairs of engines.
    """
    engines: tuple[str, ...]
    words: int
    cycles: int
    counters: int


@dataclass(frozen=True, kw_only=True)
class RandomVerdict:
    """What a random verification has covered; a difference would have raised Mismatch.

    Attributes
    ----------
    engines : names of the engines.
    seed : of the random cases.
    configurations, networks, layers : how many were verified.
    words, cycles, counters : how many were compared, summed over all pairs of engines.
    kinds : number of layers of each kind, as ``conv``.
    bins : number of networks that hit each corner bin.
    seconds : wall-clock time.
    """
    engines: tuple[str, ...]
    seed: int
    configurations: int = 0
    networks: int = 0
    layers: int = 0
    words: int = 0
    cycles: int = 0
    counters: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    bins: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def missed(self) -> tuple[str, ...]:
        """Bins that no network hit."""
        return tuple(name for name in BINS if not self.bins.get(name))


def _compare(runs: Sequence[Run]) -> Verdict:
    """Compare every pair of runs; raises Mismatch at the first difference."""
    words = cycles = counters = 0
    for a, b in itertools.combinations(runs, 2):
        a.compare(b)
        for ours, theirs in zip(a.tiles, b.tiles):
            words += ours.outputs.size
            if ours.cycles is not None and theirs.cycles is not None:
                cycles += ours.cycles.size
            if ours.counters is not None and theirs.counters is not None:
                counters += ours.counters.size
            if ours.saturated is not None and theirs.saturated is not None:
                counters += min(ours.saturated.size, theirs.saturated.size)
    return Verdict(engines=tuple(run.engine for run in runs), words=words, cycles=cycles,
                   counters=counters)


def _check_engines(engines: Sequence[str]) -> None:
    unknown = [name for name in engines if name not in ENGINES]
    if len(engines) < 2 or len(set(engines)) != len(engines) or unknown:
        wrong = unknown[0] if unknown else ""
        raise InputError(f"engines must be two or more of {', '.join(ENGINES)}, each once, not "
                         f"{', '.join(engines) or 'none'}{did_you_mean(wrong, ENGINES, '; {}')}")


def verify(program: Program, x: np.ndarray, *, engines: Sequence[str] = ENGINES) -> Verdict:
    """Run ``program`` on inputs x [batch, n] on all ``engines`` and compare each pair.

    Raises
    ------
    Mismatch : at the first word, cycle or counter that differs.
    InputError : fewer than two engines, an unknown one, or inputs that the program cannot take.
    """
    _check_engines(engines)
    return _compare([simulate(program, x, engine) for engine in engines])


def _verify_case(drawn: Case, engines: Sequence[str]) -> dict[str, Any]:
    """Numbers and bins of one case; an error names the command that replays it."""
    replay = drawn.command
    if tuple(engines) != ENGINES:
        replay += f" --engines {','.join(engines)}"
    try:
        runs = [_run_case(drawn, engine) for engine in engines]
        verdict = _compare(runs)
    except OpenEIEError as error:
        raise type(error)(f"{error}; replay with: {replay}") from error
    except Exception as error:
        error.add_note(f"replay with: {replay}")
        raise
    timed = next((run for run in runs if run.tiles[0].cycles is not None), runs[0])
    layers = drawn.program.network.layers
    return {"networks": 1, "layers": len(layers), "words": verdict.words,
            "cycles": verdict.cycles, "counters": verdict.counters,
            "kinds": Counter(map(kind_of, layers)),
            "bins": Counter(bins_of(drawn.program, drawn.x, timed))}


def _run_case(drawn: Case, engine: str) -> Run:
    """The gateware's power-up state differs from case to case."""
    options = {"seed": drawn.index + 1} if engine == "rtl" else {}
    return simulate(drawn.program, drawn.x, engine, **options)


def _verify_configuration(number: int, seed: int, layers: int, engines: Sequence[str]
                          ) -> dict[str, Any]:
    """All cases of one configuration, added up."""
    total: dict[str, Any] = {"configurations": 1}
    for drawn in cases(seed, number, layers):
        _add(total, _verify_case(drawn, engines))
    return total


def _add(total: dict[str, Any], part: dict[str, Any]) -> None:
    """Add numbers and counters to those of the same name."""
    for name, value in part.items():
        total[name] = total[name] + value if name in total else value


def verify_random(layers: int, seed: int = 0, configurations: int | None = None, *,
                  engines: Sequence[str] = ENGINES, only: str | None = None, jobs: int = 1,
                  scheduler: str | None = None,
                  progress: Callable[[int, int], None] | None = None) -> RandomVerdict:
    """Verify random layers on random configurations.

    Parameters
    ----------
    layers : minimum number of layers, spread evenly over the configurations.
    seed : of the random cases.
    configurations : how many; one per 100 layers by default.
    engines : two or more.
    only : a single case ``"c.k"`` to replay; ``layers`` then does not count.
    jobs : worker processes on this machine.
    scheduler : address of a running Dask scheduler to use instead.
    progress : called with (layers verified, layers to verify).

    Raises
    ------
    Mismatch : at the first difference; its message ends with the command that replays it.
    InputError : numbers or engines that are not valid.
    ToolError : a tool or a worker failed.
    """
    _check_engines(engines)
    if layers < 1 or seed < 0 or (configurations is not None and configurations < 1):
        raise InputError(f"layers and configurations must be positive and seed not negative, "
                         f"not {layers}, {configurations} and {seed}")
    began = time.perf_counter()
    if only is not None:
        total = {"configurations": 1} | _verify_case(case(seed, *parse_case(only)), engines)
    else:
        count = min(layers, configurations or max(1, layers // 100))
        task = _Task(seed, -(-layers // count), tuple(engines))
        total = {}
        for _, part in spread(task, range(count), jobs, scheduler):
            _add(total, part)
            if progress:
                progress(total["layers"], layers)
    total["kinds"] = dict(sorted(total["kinds"].items()))
    total["bins"] = {name: total["bins"][name] for name in BINS if total["bins"][name]}
    return RandomVerdict(engines=tuple(engines), seed=seed,
                         seconds=time.perf_counter() - began, **total)


@dataclass(frozen=True)
class _Task:
    """A function of a configuration's number that verifies it; it can be pickled."""
    seed: int
    layers: int
    engines: tuple[str, ...]

    def __call__(self, number: int) -> dict[str, Any]:
        return _verify_configuration(number, self.seed, self.layers, self.engines)
