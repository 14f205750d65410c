# SPDX-License-Identifier: Apache-2.0
"""A waveform of one launch on the gateware: the choice of signals, its size, and the file."""
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

# Bytes, measured on LeNet-300-100 with 16 PEs: for what all PEs share, and for each shown PE.
_HEADER = (200_000, 105_000)        # names and first values
_RUNNING = (1_200, 1_000)           # a cycle in which tiles run
_LOADING = (100, 120)               # a cycle in which the array is loaded or read
# Cycles of a load record, of a word read, and from the end of one tile to the next.
_RECORD_CYCLES = 8
_WORD_CYCLES = 8
_START_CYCLES = 12
#: Cycles of a launch, and of each of its tiles, that their limits do not count.
_SPARE_CYCLES = 64


@dataclass(frozen=True, kw_only=True)
class SignalChoice:
    """Which part of a launch a waveform shows.

    Attributes
    ----------
    layers : names of layers or tiles; all if empty.
    pes : numbers of PEs; all if empty.
    cycles : (first, end) among the cycles that the other choices leave.
    loading : also show the loading of the program, and a run tile by tile before the whole one.
    """
    layers: tuple[str, ...] = ()
    pes: tuple[int, ...] = ()
    cycles: tuple[int, int] = (0, MOST)
    loading: bool = False

    def tiles(self, program: Program) -> list[bool]:
        """Whether each tile of ``program`` is shown, bool [tiles].

        Raises
        ------
        InputError : no such layer or PE, or layers together with loading.
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
    """The expected size of a waveform.

    Attributes
    ----------
    cycles : exact, except for loading.
    bytes : correct within a factor of two.
    """
    cycles: int
    bytes: int


def forecast(program: Program, x: np.ndarray, choice: SignalChoice) -> WaveForecast:
    """The size of the waveform of a launch on inputs x [vectors, n], from the engine ``fast``.

    Raises
    ------
    InputError : no such layer or PE, or inputs that the program cannot take.
    """
    shown = choice.tiles(program)
    times = [int(tile.cycles[0]) + _START_CYCLES for tile in fast.run(program, x).tiles]
    running = sum(time for time, is_shown in zip(times, shown) if is_shown)
    loading = 0
    if choice.loading:
        loading = _loading_cycles(program, x)
        running *= 2                    # tile by tile, then as a whole
    # Loading comes first.
    all_cycles = _overlap(choice.cycles, (0, loading + running))
    loading = _overlap(choice.cycles, (0, loading))
    running = all_cycles - loading

    pes = len(set(choice.pes)) or program.config.pes
    size = sum(times * (shared + pes * of_a_pe) for times, (shared, of_a_pe) in (
        (1, _HEADER), (running, _RUNNING), (loading, _LOADING)))
    return WaveForecast(cycles=all_cycles, bytes=size)


def _loading_cycles(program: Program, x: np.ndarray) -> int:
    """Cycles to write the program, to write the inputs twice, and to read every tile's outputs."""
    records = len(program.records()) + 2 * len(program.input_records(x))
    words = sum(plan.memory_rows * plan.walk.positions for plan in program.tiles)
    return _RECORD_CYCLES * records + _WORD_CYCLES * words * program.config.pes


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> int:
    """How many cycles two intervals (first, end) share."""
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


def record(program: Program, x: np.ndarray, path: Path, choice: SignalChoice, *, seed: int = 1,
           most_bytes: int = MOST) -> int:
    """Run inputs x [vectors, n] on the gateware and write the waveform (VCD) to ``path``.

    Parameters
    ----------
    seed : of the random state in which registers and memories power up.
    most_bytes : the waveform ends before it gets larger.

    Returns
    -------
    Cycles of the launch: the sum over its tiles.

    Raises
    ------
    InputError : no such layer or PE, or inputs that the program cannot take.
    OSError : the waveform cannot be written, or would have more than ``most_bytes`` (EFBIG).
    ArrayFault, ToolError : as :func:`openeie.sim.rtl.rtl.run`.
    """
    shown = choice.tiles(program)
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
    if error == errno.EFBIG:
        raise OSError(error, f"it would have more than {most_bytes:,} bytes")
    if error:
        raise OSError(error, os.strerror(error))
    return cycles


def _run(array: Rtl, program: Program, x: np.ndarray, choice: SignalChoice,
         shown: list[bool]) -> int:
    """Load everything, then run: as a whole, or in parts with the waveform on and off."""
    array.load(program.records())
    array.load(program.input_records(x))
    for is_shown, part in groupby(enumerate(program.tiles), key=lambda each: shown[each[0]]):
        numbers, plans = zip(*part)
        limit = sum(plan.cycle_limit + _SPARE_CYCLES for plan in plans) + _SPARE_CYCLES
        array.trace_cycles(is_shown, *choice.cycles)
        array.start(numbers[0], len(numbers), limit)
    array.trace_cycles(False, *choice.cycles)
    return sum(read_counters(array, number)[0] for number in range(len(program.tiles)))


def _scopes(program: Program, pes: tuple[int, ...], seed: int) -> list[str]:
    """Paths of the gateware's modules, without those in other PEs than ``pes``.

    They are read from the header of an empty waveform.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "header.vcd"
        Rtl(program.config, trace=path, seed=seed, tracing=False).close()
        signals = read_header(path).values()
    return sorted({".".join(signal.scope) for signal in signals if _is_in(signal, pes)})


def _is_in(signal: Signal, pes: tuple[int, ...]) -> bool:
    numbers = [int(match[1]) for match in map(_IN_PE.fullmatch, signal.scope) if match]
    return not numbers or numbers[0] in pes
