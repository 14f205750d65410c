# SPDX-License-Identifier: Apache-2.0
"""The gateware itself, compiled by Verilator and driven through its load and read ports."""
import ctypes
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
from .toolchain import build_library, cached_build

__all__ = ["Rtl", "run", "build"]

_HERE = Path(__file__).parent

#: More cycles, or bytes of a waveform, than there will be.
MOST = (1 << 64) - 1


def _gateware_digest() -> str:
    """Of the files on disk that the simulated array is made from."""
    ours = ("harness.cpp", "verilog.py", "toolchain.py")
    return source_digest([*gateware_sources(), *(_HERE / name for name in ours)])


# Of the modules as they were loaded, not of what an editor or a merge wrote under them since.
_GATEWARE = _gateware_digest()


def build(config: ArrayConfig, *, trace: bool = False) -> Path:
    """The shared library of the array built from ``config``, from the cache if it is there.

    Raises
    ------
    ToolError : Verilator or the C++ compiler is missing, or failed; or the gateware's sources
        changed since this process loaded them.
    """
    def make(folder: Path) -> None:
        from .verilog import PE_MODULE, TOP, generate   # Amaranth loads only to build
        # What writes a waveform is larger, and in no hurry.
        build_library(folder, generate(config), _HERE / "harness.cpp", top=TOP,
                      shared=PE_MODULE, trace=trace, level="-O1" if trace else "-O2")
        if _gateware_digest() != _GATEWARE:
            raise ToolError("the sources of the gateware changed on disk since this process "
                            "loaded them, and a build of both would be of neither; run it again")
    return cached_build("\0".join([config.digest, _GATEWARE, str(trace)]), make)


class Rtl:
    """One simulated array, from reset on; use it as a context manager.

    Parameters
    ----------
    config : the array to build.
    trace : write a VCD waveform there; ``-`` is standard output.
    seed : registers and memories start from this random state.
    scopes : modules whose own signals the waveform has, by their paths; all if there are none.
    most_bytes : the waveform stops before it is larger.
    tracing : whether the reset is in it; :meth:`trace_cycles` says what else.
    """
    def __init__(self, config: ArrayConfig, *, trace: str | Path | None = None, seed: int = 1,
                 scopes: Iterable[str] = (), most_bytes: int = MOST, tracing: bool = True):
        self.config = config
        self._library = ctypes.CDLL(str(build(config, trace=trace is not None) / "array.so"))
        self._declare()
        self._handle = ctypes.c_void_p(self._library.openeie_new(seed))
        self._trace = trace
        self.trace_cycles(tracing)
        if trace is not None and not self._library.openeie_trace(
                self._handle, os.fsencode(trace),
                "".join(f"{scope}\n" for scope in scopes).encode(), most_bytes):
            self.close()
        self.reset()

    def _declare(self) -> None:
        u64, pointer = ctypes.c_uint64, ctypes.c_void_p
        for name, result, *arguments in (
                ("new", pointer, ctypes.c_int), ("delete", None, pointer),
                ("cycles", u64, pointer), ("busy", ctypes.c_int, pointer),
                ("fault", ctypes.c_int, pointer), ("tick", None, pointer, u64),
                ("reset", None, pointer), ("load", u64, pointer, pointer, u64, u64),
                ("wait", u64, pointer, u64),
                ("read", u64, pointer, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, u64,
                 pointer, u64),
                ("trace", ctypes.c_int, pointer, ctypes.c_char_p, ctypes.c_char_p, u64),
                ("trace_cycles", None, pointer, ctypes.c_int, u64, u64),
                ("trace_close", ctypes.c_int, pointer)):
            function = getattr(self._library, f"openeie_{name}")
            function.restype, function.argtypes = result, arguments

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
            self._handle = ctypes.c_void_p()
            if error:
                raise InputError(f"cannot write the waveform {self._trace}: {os.strerror(error)}")

    def trace_cycles(self, on: bool, first: int = 0, last: int = MOST) -> None:
        """Whether cycles from now on are traced; of all that are, since the simulation began, the
        waveform has those with numbers ``first`` .. ``last`` - 1."""
        self._library.openeie_trace_cycles(self._handle, on, first, last)

    def close_trace(self) -> int:
        """Close the waveform; returns 0 or why it is not whole, as ``errno`` has it: EFBIG if
        there was more than ``most_bytes``."""
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
        """Let time pass."""
        self._library.openeie_tick(self._handle, cycles)

    def wait(self, limit: int) -> int:
        """Run until the array is idle; returns the cycles that took."""
        waited = self._library.openeie_wait(self._handle, limit)
        if self._library.openeie_busy(self._handle):
            raise ArrayFault(f"the array is still busy after {limit} cycles; reset it")
        return waited

    def write(self, records: np.ndarray) -> None:
        """Write load records (:data:`LOAD_RECORD`), eight cycles each."""
        records = np.ascontiguousarray(records, dtype=LOAD_RECORD)
        taken = self._library.openeie_load(self._handle, records.ctypes.data, len(records),
                                           8 * len(records) + 16)
        if taken != len(records):
            raise ArrayFault(f"the load port took {taken} of {len(records)} words: the array is "
                             f"busy; wait for it or reset it")

    def command(self, command: Control, data: int = 0) -> None:
        """Write one command word."""
        self.write(np.array([(Target.CONTROL, 0, 0, command, data)], LOAD_RECORD))

    def read(self, target: Target, pe: int, address: int, count: int) -> np.ndarray:
        """``count`` words from ``address`` on, int64."""
        words = np.zeros(count, np.uint64)
        limit = 16 * count + 16
        answered = self._library.openeie_read(self._handle, target, pe, address, count,
                                              words.ctypes.data, limit)
        if answered != count:
            raise ArrayFault(f"the read port answered {answered} of {count} reads of "
                             f"{target.name} in PE {pe} within {limit} cycles")
        return words.view(np.int64)

    def load(self, records: np.ndarray) -> None:
        """Write records and have their CRC checked."""
        self.write(records)
        self.command(Control.CHECK, load_crc(records))
        self.check_fault()

    def check_fault(self) -> None:
        """Raise :class:`ArrayFault` if the array reports one."""
        fault = self.fault
        if fault is Fault.NONE:
            return
        state = int(self.read(Target.CONTROL, 0, Status.STATE, 1)[0])
        place = int(self.read(Target.CONTROL, 0, Status.PLACE, 1)[0])
        where = f" in layer {state >> 16} at PE {place}" \
            if fault is Fault.WATCHDOG else ""
        raise ArrayFault(f"the array reports {fault.name}{where}; "
                         f"write Control.CLEAR, load the program again and repeat")

    def start(self, first: int, count: int, limit: int) -> None:
        """Run ``count`` layers from layer ``first`` on, without the host, to the end."""
        self.command(Control.START, first | count << 16)
        self.wait(limit)
        self.check_fault()


def run(program: Program, x: np.ndarray, *, trace: str | Path | None = None,
        seed: int = 1, unattended: bool | None = None) -> Run:
    """Execute ``program`` on inputs ``x`` [batch, n] in the gateware.

    :func:`~openeie.sim.rtl.drive.execute` says what runs how often, and what ``unattended`` means.

    Raises
    ------
    InputError : inputs of the wrong shape, type or range.
    ArrayFault : the array reports an error.
    ToolError : the array cannot be built.
    """
    with Rtl(program.config, trace=trace, seed=seed) as array:
        return execute(array, program, x, engine="rtl", unattended=unattended)
