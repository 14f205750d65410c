# SPDX-License-Identifier: Apache-2.0
"""Writing memories directly does what the load port does: shown for each library that is built."""
from typing import Protocol

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.array.load_port import BROADCAST_PE, LOAD_RECORD, Control, Target, load_crc
from ...core.errors import ToolError

__all__ = ["prove"]

_WRITTEN = tuple(Target(number) for number in range(Target.DESCRIPTOR, Target.ACT_B + 1))
_READ = (*_WRITTEN, Target.COUNTER, Target.CYCLES)
#: Words of a memory that are read through the port, too.
_SAMPLE = 4


class Array(Protocol):
    """What this uses of :class:`~openeie.sim.rtl.rtl.Rtl`."""
    config: ArrayConfig
    direct: bool

    @property
    def crc(self) -> int:
        """The loader's CRC register."""

    def write(self, records: np.ndarray) -> None:
        """Write load records."""

    def command(self, command: Control, data: int = 0) -> None:
        """Write one command word."""

    def check_fault(self) -> None:
        """Raise an error if the array reports one."""

    def read(self, target: Target, pe: int, address: int, count: int) -> np.ndarray:
        """Words of a memory."""

    def memory(self, target: Target, pe: int) -> np.ndarray:
        """All words of a memory."""


def prove(by_port: Array, directly: Array) -> None:
    """Write the same records through the port and directly, and compare all memories.

    The records are random. They go to each PE and to all, to the first and last words and to
    random ones of every target, and to words and PEs that there are not. Both arrays are of the
    same library, and power up in the same random state, so a word written to the wrong place is
    found wherever it is.

    Raises
    ------
    ToolError : a word, the CRC, or what the read port answers differs.
    """
    config = directly.config
    by_port.direct = False
    words = {target: len(by_port.memory(target, 0)) for target in _READ}
    records = _records(config, words)
    for array in (by_port, directly):
        array.write(records)
    if by_port.crc != directly.crc:
        raise _differs("the CRC register", config)
    for target in _READ:
        for pe in range(config.pes):
            _compare(by_port, directly, target, pe)
    for array in (by_port, directly):
        array.command(Control.CHECK, load_crc(records))
        array.check_fault()


def _compare(by_port: Array, directly: Array, target: Target, pe: int) -> None:
    """One memory of one PE in both arrays."""
    truth = by_port.memory(target, pe)
    if not np.array_equal(truth, directly.memory(target, pe)):
        raise _differs(f"{target.name} of PE {pe}", by_port.config)
    if target >= Target.ACT_A:
        answers = by_port.read(target, pe, 0, min(_SAMPLE, len(truth)))
        if not np.array_equal(answers, truth[:_SAMPLE]):
            raise _differs(f"{target.name} of PE {pe}, when it is read,", by_port.config)


def _differs(what: str, config: ArrayConfig) -> ToolError:
    return ToolError(f"the simulated array {config.digest[:12]} is not built as it should be: "
                     f"{what} differs between the load port and memories written directly; "
                     f"sim/rtl/memories.py must follow the change of the gateware")


def _records(config: ArrayConfig, words: dict[Target, int]) -> np.ndarray:
    """Random load records, LOAD_RECORD [count]."""
    rng = np.random.default_rng(1)
    rows = []
    for target in _WRITTEN:
        count = words[target]
        corners = [0, 1, count // 2, count - 2, count - 1, count, *rng.integers(count + 1, size=4)]
        corners = [max(0, address) for address in corners]
        for pe in (0, config.pes - 1, config.pes, BROADCAST_PE):
            rows += [(target, pe, address) for address in corners]
        rows += [(target, pe, rng.choice(corners)) for pe in range(config.pes)]
    records = np.zeros(len(rows), LOAD_RECORD)
    order = rng.permutation(len(rows))
    for name, values in zip(("target", "pe", "address"), zip(*(rows[index] for index in order))):
        records[name] = values
    records["data"] = rng.integers(1 << 64, size=len(rows), dtype=np.uint64)
    return records
