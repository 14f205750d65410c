# SPDX-License-Identifier: Apache-2.0
"""One function to run a program on any engine."""
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core import golden
from ..core.compile.program import TilePlan, Program
from ..core.errors import InputError, must_be_one_of
from ..core.run import LayerRun, Run

__all__ = ["ENGINES", "simulate"]


def _golden(program: Program, x: ArrayLike) -> Run:
    results = golden.network_saturated(program.network, program.network.check_inputs(x))
    batch = len(results[0][0])
    vectors = program.vectors
    is_tiled = not all(plan.part.is_untiled for plan in program.tiles)
    if is_tiled and batch % vectors:
        raise InputError(f"the program is tiled and takes {vectors} inputs per launch, so the "
                         f"batch must be a multiple of {vectors}, not {batch}")
    return Run(engine="golden", config=program.config, tiles=tuple(
        _golden_tile(plan, vectors, *results[plan.layer]) for plan in program.tiles))


def _golden_tile(plan: TilePlan, vectors: int, outputs: np.ndarray,
                 saturated: np.ndarray) -> LayerRun:
    """A tile's part of its layer's outputs int64 [batch, m], and of those that saturated, bool
    [batch, m], which are counted by launch."""
    launches = -(-len(outputs) // vectors)
    counts = plan.part.cut(saturated).sum(axis=1)
    by_launch = np.zeros(launches * len(plan.part.vectors), np.int64)
    by_launch[:len(counts)] = counts                # the last launch may lack inputs
    by_launch = by_launch.reshape(launches, len(plan.part.vectors)).sum(axis=1, keepdims=True)
    return LayerRun(name=plan.name, part=plan.part, outputs=plan.part.cut(outputs),
                    saturated=by_launch)


# The other engines load when they are used, since not every run needs them.
def _fast(program: Program, x: ArrayLike, **options: Any) -> Run:
    from .fast.fast import run
    return run(program, x, **options)


def _rtl(program: Program, x: np.ndarray, **options: Any) -> Run:
    from .rtl.rtl import run
    return run(program, x, **options)


#: Every engine by name, each ``engine(program, x, **options) -> Run``.
ENGINES: dict[str, Callable[..., Run]] = {"golden": _golden, "fast": _fast, "rtl": _rtl}


def simulate(program: Program, x: ArrayLike, engine: str = "fast", **options: Any) -> Run:
    """Execute ``program`` on inputs x [batch, n] with one engine.

    Parameters
    ----------
    engine : ``"golden"`` (values only), ``"fast"`` or ``"rtl"``.
    options : the engine's own: ``jobs`` for ``fast``; ``trace``, ``seed`` and ``unattended`` for
        ``rtl``.

    Raises
    ------
    InputError : an unknown engine, or inputs that the program cannot take.
    """
    try:
        execute = ENGINES[engine]
    except KeyError:
        raise InputError(f"engine {must_be_one_of(engine, ENGINES)}") from None
    return execute(program, x, **options)
