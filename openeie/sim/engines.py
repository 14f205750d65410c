# SPDX-License-Identifier: Apache-2.0
"""One door to all engines."""
import numpy as np

from ..core import golden
from ..core.compile.program import TilePlan, Program
from ..core.errors import InputError, must_be_one_of
from ..core.run import LayerRun, Run

__all__ = ["ENGINES", "simulate"]


def _golden(program: Program, x) -> Run:
    results = golden.network_saturated(program.network, x)
    batch, vectors = len(results[0][0]), program.vectors
    if batch % vectors and any(not plan.part.is_untiled for plan in program.tiles):
        raise InputError(f"the program is tiled and takes {vectors} inputs a start, so the "
                         f"batch must be a multiple of {vectors}, not {batch}")
    return Run(engine="golden", config=program.config, tiles=tuple(
        _golden_tile(plan, vectors, *results[plan.layer]) for plan in program.tiles))


def _golden_tile(plan: TilePlan, vectors: int, outputs: np.ndarray,
                 saturated: np.ndarray) -> LayerRun:
    """A tile's part of its layer's outputs; saturated ones are counted by start."""
    starts = -(-len(outputs) // vectors)
    counts = plan.part.cut(saturated).sum(axis=1)
    by_start = np.zeros(starts * len(plan.part.vectors), np.int64)
    by_start[:len(counts)] = counts                 # the last start may lack inputs
    return LayerRun(name=plan.name, part=plan.part, outputs=plan.part.cut(outputs),
                    saturated=by_start.reshape(starts, -1).sum(axis=1, keepdims=True))


# The others load when they are used: numba and Verilator cost their users, and nobody else.
def _fast(program: Program, x, **options) -> Run:
    from .fast.fast import run
    return run(program, x, **options)


def _rtl(program: Program, x, **options) -> Run:
    from .rtl.rtl import run
    return run(program, x, **options)


#: Every engine by name, each ``engine(program, x, **options) -> Run``.
ENGINES = {"golden": _golden, "fast": _fast, "rtl": _rtl}


def simulate(program: Program, x, engine: str = "fast", **options) -> Run:
    """Execute ``program`` on inputs x [batch, n] with one engine.

    Parameters
    ----------
    engine : ``"golden"`` (values only), ``"fast"`` or ``"rtl"``.
    options : the engine's own: ``jobs`` of ``fast``; ``trace``, ``seed`` and ``unattended`` of
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
