# SPDX-License-Identifier: Apache-2.0
"""Running a program on an array through its ports, whether simulated or on a board."""
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from ...core.array.config import ArrayConfig, half_rows
from ...core.array.counters import COUNTERS, SATURATED
from ...core.array.load_port import Target
from ...core.compile.program import Program, TilePlan
from ...core.errors import ArrayFault
from ...core.run import LayerRun, Run

__all__ = ["Ports", "execute", "read_counters", "read_outputs", "UNATTENDED_CYCLES"]

#: A launch of more cycles is not repeated without the host, unless that is asked for.
UNATTENDED_CYCLES = 1 << 20
#: Cycles of a launch, and of each of its tiles, that their limits do not count.
_SPARE_CYCLES = 64


class Ports(Protocol):
    """The ports of an array, simulated (:class:`~openeie.sim.rtl.rtl.Rtl`) or on a board
    (:class:`~openeie.boards.driver.Device`)."""
    config: ArrayConfig

    def load(self, records: np.ndarray) -> None:
        """Write load records and have the array check their CRC."""

    def start(self, first: int, count: int, limit: int) -> None:
        """Run tiles ``first`` .. ``first + count - 1`` to the end, in at most ``limit`` cycles."""

    def read(self, target: Target, pe: int, address: int, count: int) -> np.ndarray:
        """Read ``count`` words of a memory, beginning at ``address``: int64 [count]."""


class _TileResult(NamedTuple):
    """One tile in one launch."""
    outputs: np.ndarray         # int64 [vectors, m]
    cycles: int
    counters: np.ndarray        # int64 [PEs, 7]
    saturated: np.ndarray       # int64 [PEs]


def execute(array: Ports, program: Program, x: np.ndarray, *, engine: str,
            unattended: bool | None = None,
            progress: Callable[[int], None] = lambda done: None) -> Run:
    """Run ``program`` on inputs x [batch, n].

    Each launch, of ``program.vectors`` inputs, runs tile by tile, to read each tile's outputs
    before others overwrite them. A program of several tiles then runs again as a whole, without
    the host in between: its last layer's outputs must be the same, and cycles and counters are
    those of this second run.

    Parameters
    ----------
    engine : name of the engine in the result.
    unattended : whether to run the program again as a whole. None: unless the tiles of the launch
        took more than :data:`UNATTENDED_CYCLES`. Without the second run, cycles and counters are
        those of the tiles run one by one, which are the same.
    progress : called with the number of inputs done.

    Raises
    ------
    InputError : inputs of the wrong shape, type or range.
    ArrayFault : the array reports an error, or contradicts itself.
    """
    x = program.check_inputs(x)
    vectors = program.vectors
    launches = []
    array.load(program.records())
    for first in range(0, len(x), vectors):
        inputs = program.input_records(x[first:first + vectors])
        launches.append(_launch(array, program, inputs, unattended))
        progress(first + vectors)
    tiles = []
    for number, plan in enumerate(program.tiles):
        results = [launch[number] for launch in launches]
        tiles.append(_tile_run(plan, results, program.config.pes))
    return Run(engine=engine, config=program.config, tiles=tuple(tiles))


def _tile_run(plan: TilePlan, results: list[_TileResult], pes: int) -> LayerRun:
    """One tile over all launches, of which there may be none."""
    launches = len(results)
    outputs = np.zeros((0, plan.outputs), np.int64)
    if results:
        outputs = np.concatenate([result.outputs for result in results])
    counters = np.array([result.counters for result in results], np.int64)
    saturated = np.array([result.saturated for result in results], np.int64)
    return LayerRun(
        name=plan.name, part=plan.part, outputs=outputs,
        cycles=np.array([result.cycles for result in results], np.int64),
        counters=counters.reshape(launches, pes, len(COUNTERS)),
        saturated=saturated.reshape(launches, pes))


def _launch(array: Ports, program: Program, inputs: np.ndarray, unattended: bool | None
            ) -> list[_TileResult]:
    """Each tile's results on the load records ``inputs``."""
    tiles = len(program.tiles)
    limit = sum(plan.cycle_limit for plan in program.tiles) + _SPARE_CYCLES * (tiles + 1)

    array.load(inputs)
    outputs = []
    for number in range(tiles):
        array.start(number, 1, limit)
        outputs.append(read_outputs(array, program, number))

    if unattended is None:
        cycles = [int(array.read(Target.CYCLES, 0, number, 1)[0]) for number in range(tiles)]
        unattended = sum(cycles) <= UNATTENDED_CYCLES
    if unattended and tiles > 1:
        _run_unattended(array, program, inputs, limit, outputs)
    return [_TileResult(outputs[number], *read_counters(array, number))
            for number in range(tiles)]


def _run_unattended(array: Ports, program: Program, inputs: np.ndarray, limit: int,
                    outputs: list[np.ndarray]) -> None:
    """Run all tiles without the host; the last layer's outputs must be those of ``outputs``."""
    array.load(inputs)              # other maps may have overwritten them
    array.start(0, len(program.tiles), limit)
    last = program.tiles[-1].layer
    for number, plan in enumerate(program.tiles):
        if plan.layer != last:
            continue
        differ = np.argwhere(read_outputs(array, program, number) != outputs[number])
        if len(differ):
            vector, output = differ[0]
            raise ArrayFault(f"tile {number} ({plan.name}) gives other outputs when the program "
                             f"runs as a whole than when it runs alone, first at input {vector}, "
                             f"output {output}; `openeie verify` compares the engines word by word")


def read_counters(array: Ports, tile: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Cycles of tile number ``tile`` in its last run, its counters int64 [PEs, 7], and its outputs
    that saturated, int64 [PEs]."""
    cycles = int(array.read(Target.CYCLES, 0, tile, 1)[0])
    words = np.stack([array.read(Target.COUNTER, pe, tile << 3, SATURATED + 1)
                      for pe in range(array.config.pes)])
    return cycles, words[:, :len(COUNTERS)], words[:, SATURATED]


def read_outputs(array: Ports, program: Program, tile: int) -> np.ndarray:
    """What tile number ``tile`` wrote for its inputs of a launch, int64 [vectors, m]."""
    plan = program.tiles[tile]
    config = program.config
    inputs = len(plan.part.vectors)
    positions = inputs * plan.walk.positions
    step = plan.memory_rows - 1 + plan.dst_step         # rows from a position to the next
    count = (positions - 1) * step + plan.memory_rows
    words = np.stack([_read_rows(array, pe, plan.dst_origin, count, half_rows(config))
                      for pe in range(config.pes)], axis=1)
    rows = words[np.arange(positions)[:, None] * step + np.arange(plan.memory_rows)]
    return rows.reshape(positions, -1)[:, plan.places].reshape(inputs, plan.outputs)


def _read_rows(array: Ports, pe: int, first: int, count: int, half: int) -> np.ndarray:
    """Rows of a PE's activation memory, whose two halves are separate: int64 [count]."""
    in_a = max(0, min(count, half - first))
    words = []
    if in_a:
        words.append(array.read(Target.ACT_A, pe, first, in_a))
    if count > in_a:
        words.append(array.read(Target.ACT_B, pe, max(first - half, 0), count - in_a))
    return np.concatenate(words)
