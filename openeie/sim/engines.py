# SPDX-License-Identifier: Apache-2.0
"""One door to all engines."""
from ..core import golden
from ..core.errors import InputError, must_be_one_of
from ..core.program import Program
from ..core.run import LayerRun, Run

__all__ = ["ENGINES", "simulate"]


def _golden(program: Program, x) -> Run:
    outputs = golden.network(program.network, x)
    if len(outputs[0]) % program.vectors and any(not plan.part.is_whole for plan in program.layers):
        raise InputError(f"the program is tiled and takes {program.vectors} inputs a start, so the "
                         f"batch must be a multiple of {program.vectors}, not {len(outputs[0])}")
    return Run(engine="golden", config=program.config, layers=tuple(
        LayerRun(name=plan.name, part=plan.part, outputs=plan.part.cut(outputs[plan.layer]))
        for plan in program.layers))


# The others load when they are used: numba and Verilator cost their users, and nobody else.
def _fast(program: Program, x, **options) -> Run:
    from .fast import run
    return run(program, x, **options)


def _rtl(program: Program, x, **options) -> Run:
    from .rtl import run
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
