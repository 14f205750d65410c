# SPDX-License-Identifier: Apache-2.0
"""The gateware itself, compiled by Verilator and driven through its load and read ports."""
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.array.load_port import LOAD_RECORD, Control, Fault, Status, Target, load_crc
from ...core.compile.program import Program
from ...core.errors import ArrayFault, InputError, ToolError
from ...core.run import Run
from ...core.sources import gateware_sources, source_digest
from .drive import execute
from .library import BYTES, INT, POINTER, U32, U64, load_library
from .toolchain import build_library, cached_build

__all__ = ["MOST", "Rtl", "run", "build"]

_HERE = Path(__file__).parent

#: More cycles, or bytes of a waveform, than there will ever be.
MOST = (1 << 64) - 1

# Functions of harness.cpp: the type of the result, then those of the arguments.
_FUNCTIONS = {
    "new": (POINTER, INT),
    "delete": (None, POINTER),
    "cycles": (U64, POINTER),
    "busy": (INT, POINTER),
    "fault": (INT, POINTER),
    "tick": (None, POINTER, U64),
    "reset": (None, POINTER),
    "load": (U64, POINTER, POINTER, U64, U64),
    "wait": (U64, POINTER, U64),
    "read": (U64, POINTER, U32, U32, U32, U64, POINTER, U64),
    "trace": (INT, POINTER, BYTES, BYTES, U64),
    "trace_cycles": (None, POINTER, INT, U64, U64),
    "trace_close": (INT, POINTER)}
# Those of an array without a waveform.
_DIRECT = {
    "load_direct": (U64, POINTER, POINTER, U64, U64),
    "read_direct": (U64, POINTER, U32, U32, U32, U64, POINTER),
    "words": (U64, POINTER, U32),
    "crc": (U32, POINTER)}

# Memories behind the read port.
_READABLE = (Target.ACT_A, Target.ACT_B, Target.COUNTER, Target.CYCLES)
#: With fewer records than this, writing memories directly takes as long as the port.
_FEW = 16


def _gateware_digest() -> str:
    """Digest of the files on disk that the simulated array is made from."""
    ours = ("harness.cpp", "direct.h", "memories.py", "proof.py", "rtl.py", "verilog.py",
            "toolchain.py")
    return source_digest([*gateware_sources(), *(_HERE / name for name in ours)])


# Taken at import time, so that a file edited while this process runs is detected.
_GATEWARE = _gateware_digest()


def build(config: ArrayConfig, *, trace: bool = False) -> Path:
    """The folder with the shared library of the array built from ``config``.

    It comes from the cache if it is there; otherwise building it takes Verilator and the C++
    compiler, and up to some minutes.

    trace : build the array so that it can write a waveform. The memories of the other one can be
        written directly, once that has been proven to do the same as the ports
        (:mod:`~openeie.sim.rtl.proof`).

    Raises
    ------
    ToolError : Verilator or the C++ compiler is missing or failed, the gateware's sources changed
        since this process loaded them, or a memory is not where it should be.
    """
    make = _make_traced if trace else _make_direct
    return cached_build("\0".join([config.digest, _GATEWARE, str(trace)]),
                        lambda folder: make(config, folder))


def _make_traced(config: ArrayConfig, folder: Path) -> None:
    from .verilog import PE_MODULE, TOP, generate   # Amaranth loads only to build
    # An array with a waveform is larger, and optimising it takes longer than it saves.
    build_library(folder, generate(config), _HERE / "harness.cpp", top=TOP, shared=PE_MODULE,
                  trace=True, level="-O1")
    _check_sources()


def _make_direct(config: ArrayConfig, folder: Path) -> None:
    from .memories import places, write_places
    from .proof import prove
    from .verilog import PE_MODULE, TOP, generate
    build_library(
        folder, generate(config), _HERE / "harness.cpp", top=TOP, shared=PE_MODULE, trace=False,
        defines=["OPENEIE_DIRECT=1"],
        prepare=lambda objects: write_places(places(config), config.pes, objects))
    _check_sources()
    with Rtl(config, folder=folder) as by_port, Rtl(config, folder=folder) as directly:
        prove(by_port, directly)


def _check_sources() -> None:
    if _gateware_digest() != _GATEWARE:
        raise ToolError("the sources of the gateware changed on disk since this process "
                        "loaded them, so the build would mix two versions; run it again")


class Rtl:
    """One simulated array, beginning with its reset; use it as a context manager.

    Parameters
    ----------
    config : the array to build.
    trace : file for a VCD waveform; ``-`` is standard output.
    seed : of the random state in which registers and memories power up.
    scopes : paths of the modules whose own signals the waveform shows; all if empty.
    most_bytes : the waveform ends before it gets larger.
    tracing : whether the waveform shows the reset; :meth:`trace_cycles` chooses the rest.
    folder : of the array's library, if :func:`build` has not put it into the cache yet.

    Raises
    ------
    ToolError : the array cannot be built.
    InputError : the waveform cannot be written.
    """
    def __init__(self, config: ArrayConfig, *, trace: str | Path | None = None, seed: int = 1,
                 scopes: Iterable[str] = (), most_bytes: int = MOST,
                 tracing: bool = True, folder: Path | None = None) -> None:
        self.config = config
        #: Whether memories are written and read directly where that is possible.
        self.direct = trace is None
        functions = _FUNCTIONS | _DIRECT if self.direct else _FUNCTIONS
        self._library = load_library(folder or build(config, trace=trace is not None), functions)
        self._handle = POINTER(self._library.openeie_new(seed))
        self._trace = trace
        self.trace_cycles(tracing)
        if trace is not None:
            self._open_trace(trace, scopes, most_bytes)
        self.reset()

    def _open_trace(self, path: str | Path, scopes: Iterable[str], most_bytes: int) -> None:
        lines = "".join(f"{scope}\n" for scope in scopes)
        if not self._library.openeie_trace(self._handle, os.fsencode(path), lines.encode(),
                                           most_bytes):
            self.close()            # raises the error

    def __enter__(self) -> "Rtl":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 where: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the simulation and close the waveform.

        Raises
        ------
        InputError : the waveform could not be written.
        """
        if self._handle:
            error = self.close_trace()
            self._library.openeie_delete(self._handle)
            self._handle = POINTER()
            if error:
                raise InputError(f"cannot write the waveform {self._trace}: {os.strerror(error)}")

    def trace_cycles(self, on: bool, first: int = 0, last: int = MOST) -> None:
        """Turn the waveform on or off from this cycle on.

        The cycles for which it is on are numbered from the beginning of the simulation; of these
        the waveform shows ``first`` .. ``last`` - 1.
        """
        self._library.openeie_trace_cycles(self._handle, on, first, last)

    def close_trace(self) -> int:
        """Close the waveform. Returns 0, or the ``errno`` that tells why it is incomplete: EFBIG
        if it had more than ``most_bytes``."""
        return self._library.openeie_trace_close(self._handle)

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far, loading included."""
        return self._library.openeie_cycles(self._handle)

    @property
    def fault(self) -> Fault:
        """The array's own error status."""
        return Fault(self._library.openeie_fault(self._handle))

    def reset(self) -> None:
        """One cycle of reset, then wait until the accumulators are wiped."""
        self._library.openeie_reset(self._handle)
        self.wait(self.config.acc_depth + 2)

    def tick(self, cycles: int = 1) -> None:
        """Simulate ``cycles`` cycles."""
        self._library.openeie_tick(self._handle, cycles)

    def wait(self, limit: int) -> int:
        """Simulate until the array is idle; returns the cycles it took.

        Raises
        ------
        ArrayFault : it is still busy after ``limit`` cycles.
        """
        waited = self._library.openeie_wait(self._handle, limit)
        if self._library.openeie_busy(self._handle):
            raise ArrayFault(f"the array is still busy after {limit} cycles; reset it")
        return waited

    def write(self, records: np.ndarray) -> None:
        """Write load records (dtype :data:`LOAD_RECORD`).

        The port takes eight cycles for each. Without a waveform, many at once are written to the
        memories directly, in about twenty cycles together.

        Raises
        ------
        ArrayFault : the array is busy and takes none.
        """
        records = np.ascontiguousarray(records, dtype=LOAD_RECORD)
        load = self._library.openeie_load
        if self.direct and len(records) >= _FEW and not self._library.openeie_busy(self._handle):
            load = self._library.openeie_load_direct
        taken = load(self._handle, records.ctypes.data, len(records), 8 * len(records) + 16)
        if taken != len(records):
            raise ArrayFault(f"the load port took {taken} of {len(records)} words: the array is "
                             f"busy; wait for it or reset it")

    def command(self, command: Control, data: int = 0) -> None:
        """Write one command word."""
        self.write(np.array([(Target.CONTROL, 0, 0, command, data)], LOAD_RECORD))

    def read(self, target: Target, pe: int, address: int, count: int) -> np.ndarray:
        """Read ``count`` words of a memory, beginning at ``address``: int64 [count].

        Raises
        ------
        ArrayFault : the read port does not answer in time.
        """
        words = np.zeros(count, np.uint64)
        if self.direct and target in _READABLE and self._read_direct(target, pe, address, words):
            return words.view(np.int64)
        limit = 16 * count + 16
        answered = self._library.openeie_read(self._handle, target, pe, address, count,
                                              words.ctypes.data, limit)
        if answered != count:
            raise ArrayFault(f"the read port answered {answered} of {count} reads of "
                             f"{target.name} in PE {pe} within {limit} cycles")
        return words.view(np.int64)

    def _read_direct(self, target: Target, pe: int, address: int, words: np.ndarray) -> bool:
        """Fill ``words`` from the memory itself; False if the array is busy, or has not all."""
        return self._library.openeie_read_direct(self._handle, target, pe, address, len(words),
                                                 words.ctypes.data) == len(words)

    def memory(self, target: Target, pe: int) -> np.ndarray:
        """All words of a memory of an idle array, also of one that no port reads: int64 [words].

        Only without a waveform.
        """
        words = np.zeros(self._library.openeie_words(self._handle, target), np.uint64)
        self._read_direct(target, pe, 0, words)
        return words.view(np.int64)

    @property
    def crc(self) -> int:
        """The loader's CRC register, not yet inverted. Only without a waveform."""
        return self._library.openeie_crc(self._handle)

    def load(self, records: np.ndarray) -> None:
        """Write load records and have the array check their CRC.

        Raises
        ------
        ArrayFault : the array is busy, or reports an error.
        """
        self.write(records)
        self.command(Control.CHECK, load_crc(records))
        self.check_fault()

    def check_fault(self) -> None:
        """Raise :class:`ArrayFault` if the array reports an error."""
        fault = self.fault
        if fault is Fault.NONE:
            return
        state = int(self.read(Target.CONTROL, 0, Status.STATE, 1)[0])
        place = int(self.read(Target.CONTROL, 0, Status.PLACE, 1)[0])
        where = f" in layer {state >> 16} at PE {place}" if fault is Fault.WATCHDOG else ""
        raise ArrayFault(f"the array reports {fault.name}{where}; "
                         f"write Control.CLEAR, load the program again and repeat")

    def start(self, first: int, count: int, limit: int) -> None:
        """Run tiles ``first`` .. ``first + count - 1`` to the end, without the host.

        Raises
        ------
        ArrayFault : the array is still busy after ``limit`` cycles, or reports an error.
        """
        self.command(Control.START, first | count << 16)
        self.wait(limit)
        self.check_fault()


def run(program: Program, x: np.ndarray, *, trace: str | Path | None = None,
        seed: int = 1, unattended: bool | None = None) -> Run:
    """Execute ``program`` on inputs x [batch, n] in the gateware.

    Parameters
    ----------
    trace : file for a VCD waveform of all cycles.
    seed : of the random state in which registers and memories power up.
    unattended : see :func:`~openeie.sim.rtl.drive.execute`.

    Raises
    ------
    InputError : inputs of the wrong shape, type or range.
    ArrayFault : the array reports an error, or contradicts itself.
    ToolError : the array cannot be built.
    """
    with Rtl(program.config, trace=trace, seed=seed) as array:
        return execute(array, program, x, engine="rtl", unattended=unattended)
