# SPDX-License-Identifier: Apache-2.0
"""A waveform of one start on the gateware: which part of it, how large it will be, the file."""
import errno
import os
import re
import tempfile
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from ...core.compile.program import Program
from ...core.errors import InputError, did_you_mean
from ..fast import fast
from ..rtl.drive import execute, read_counters
from ..rtl.rtl import MOST, Rtl
from .waveform_views import Signal, read_header

__all__ = ["SignalChoice", "WaveForecast", "forecast", "record"]

_IN_PE = re.compile(r"pe(\d+)")

# Bytes, measured on LeNet-300-100 with 16 PEs: of what all PEs share, and of each PE that is shown.
_HEADER = (200_000, 105_000)        # names, and everything's first value
_RUNNING = (1_200, 1_000)           # a cycle in which layers run
_LOADING = (100, 120)               # one in which the array is loaded or read
_RECORD_CYCLES, _WORD_CYCLES, _START_CYCLES = 8, 8, 12


@dataclass(frozen=True, kw_only=True)
class SignalChoice:
    """Which part of a start a waveform has.

    Attributes
    ----------
    layers : names of layers, or of tiles; all if there are none.
    pes : numbers of PEs; all if there are none.
    cycles : the first, and the first that is left out, of the cycles of what else is chosen.
    loading : the program's loading, and a run layer by layer before the whole one, too.
    """
    layers: tuple[str, ...] = ()
    pes: tuple[int, ...] = ()
    cycles: tuple[int, int] = (0, MOST)
    loading: bool = False

    def plans(self, program: Program) -> list[bool]:
        """Of each plan of ``program``, whether it is shown.

        Raises
        ------
        InputError : no such layer or PE.
        """
        if self.loading and self.layers:
            raise InputError("the waveform of some layers begins when the program is loaded; leave "
                             "out --layer or --with-loading")
        names = [{plan.name, program.network.layers[plan.layer].name} for plan in program.tiles]
        for name in self.layers:
            if not any(name in both for both in names):
                known = [plan.name for plan in program.tiles]
                raise InputError(f"no layer {name!r} in {program.network.name}; "
                                 f"{did_you_mean(name, known)}there are: {', '.join(known)}")
        for pe in self.pes:
            if not 0 <= pe < program.config.pes:
                raise InputError(f"PEs are 0 .. {program.config.pes - 1} in this array, not {pe}")
        return [not self.layers or not both.isdisjoint(self.layers) for both in names]


@dataclass(frozen=True, kw_only=True)
class WaveForecast:
    """How much a waveform will have: ``cycles`` are exact but for loading, ``bytes`` about right
    within a factor of two."""
    cycles: int
    bytes: int


def forecast(program: Program, x: np.ndarray, choice: SignalChoice) -> WaveForecast:
    """The size of the waveform of a start on inputs x [vectors, n], from the engine ``fast``.

    Raises
    ------
    InputError : no such layer or PE, or inputs that the program cannot take.
    """
    shown = choice.plans(program)
    times = [int(layer.cycles[0]) + _START_CYCLES for layer in fast.run(program, x).layers]
    running, loading = sum(time for time, here in zip(times, shown) if here), 0
    if choice.loading:
        records = len(program.records()) + 2 * len(program.input_records(x))
        words = sum(plan.memory_rows * plan.walk.positions for plan in program.tiles)
        loading = _RECORD_CYCLES * records + _WORD_CYCLES * words * program.config.pes
        running *= 2
    first, last = choice.cycles
    running, loading = (max(0, min(last, end) - max(first, begin)) for begin, end in (
        (loading, loading + running), (0, loading)))
    pes = len(set(choice.pes)) or program.config.pes
    return WaveForecast(cycles=running + loading, bytes=sum(
        times * (shared + pes * of_a_pe) for times, (shared, of_a_pe) in (
            (1, _HEADER), (running, _RUNNING), (loading, _LOADING))))


def record(program: Program, x: np.ndarray, path: Path, choice: SignalChoice, *, seed: int = 1,
           most_bytes: int = MOST) -> int:
    """Run inputs x [vectors, n] on the gateware and write the waveform (VCD) to ``path``.

    Returns
    -------
    Cycles of the start: those of its layers.

    Raises
    ------
    InputError : no such layer or PE, or inputs that the program cannot take.
    OSError : the waveform cannot be written, or has more than ``most_bytes`` (EFBIG).
    ArrayFault, ToolError : as :func:`openeie.sim.rtl.rtl.run`.
    """
    shown = choice.plans(program)
    x = program.network.check_inputs(x)
    scopes = _scopes(program, choice.pes, seed) if choice.pes else ()
    with Rtl(program.config, trace=path, seed=seed, scopes=scopes, most_bytes=most_bytes,
             tracing=choice.loading) as array:
        array.trace_cycles(choice.loading, *choice.cycles)
        if choice.loading:
            run = execute(array, program, x, engine="rtl", unattended=True)
            cycles = int(run.cycles[0])
        else:
            cycles = _run(array, program, x, choice, shown)
        error = array.close_trace()
    if error:
        raise OSError(error, f"it would have more than {most_bytes:,} bytes"
                      if error == errno.EFBIG else os.strerror(error))
    return cycles


def _run(array: Rtl, program: Program, x: np.ndarray, choice: SignalChoice,
         shown: list[bool]) -> int:
    """Load everything, then run: as a whole, or in parts that are traced and parts that are not."""
    array.load(program.records())
    array.load(program.input_records(x))
    for here, part in groupby(enumerate(program.tiles), key=lambda each: shown[each[0]]):
        plans = list(part)
        array.trace_cycles(here, *choice.cycles)
        array.start(plans[0][0], len(plans), sum(plan.cycle_limit + 64 for _, plan in plans) + 64)
    array.trace_cycles(False, *choice.cycles)
    return sum(read_counters(array, index)[0] for index in range(len(program.tiles)))


def _scopes(program: Program, pes: tuple[int, ...], seed: int) -> list[str]:
    """The gateware's modules but for those in other PEs, from the header of an empty waveform."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "header.vcd"
        Rtl(program.config, trace=path, seed=seed, tracing=False).close()
        signals = read_header(path).values()
    return sorted({".".join(signal.scope) for signal in signals if _is_in(signal, pes)})


def _is_in(signal: Signal, pes: tuple[int, ...]) -> bool:
    numbers = [int(match[1]) for match in map(_IN_PE.fullmatch, signal.scope) if match]
    return not numbers or numbers[0] in pes
