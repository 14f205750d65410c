# SPDX-License-Identifier: Apache-2.0
"""A program on an array that is driven through its ports, simulated or on a board."""
from collections.abc import Callable
from typing import Protocol

import numpy as np

from ...core.array.config import ArrayConfig, half_rows
from ...core.array.counters import COUNTERS, SATURATED
from ...core.array.load_port import Target
from ...core.compile.program import Program
from ...core.errors import ArrayFault, InputError
from ...core.run import LayerRun, Run

__all__ = ["Ports", "execute", "read_counters", "read_outputs", "UNATTENDED_CYCLES"]

#: A start of more cycles is not repeated without the host, unless it is asked for.
UNATTENDED_CYCLES = 1 << 20


class Ports(Protocol):
    """What an array offers, simulated (:class:`~openeie.sim.rtl.rtl.Rtl`) or on a board
    (:class:`~openeie.boards.driver.Device`)."""
    config: ArrayConfig

    def load(self, records: np.ndarray) -> None:
        """Write records and have their CRC checked."""

    def start(self, first: int, count: int, limit: int) -> None:
        """Run ``count`` layers from layer ``first`` on, to the end."""

    def read(self, target: Target, pe: int, address: int, count: int) -> np.ndarray:
        """``count`` words from ``address`` on, int64."""


def execute(array: Ports, program: Program, x: np.ndarray, *, engine: str,
            unattended: bool | None = None,
            progress: Callable[[int], None] = lambda done: None) -> Run:
    """Run ``program`` on inputs x [batch, n].

    Every batch of ``program.vectors`` inputs runs tile by tile, to read each tile's outputs while
    they are there. A program of several then runs again as a whole, without the host between them:
    its last outputs must be the same, and cycles and counters are those of this run.

    Parameters
    ----------
    engine : the result's name.
    unattended : whether to run the program again as a whole. None: unless the layers of that
        start took more than :data:`UNATTENDED_CYCLES`. Without it, cycles and counters are those
        of the layers on their own, which are the same.
    progress : is called with the inputs done.

    Raises
    ------
    InputError : inputs of the wrong shape, type or range.
    ArrayFault : the array reports an error, or contradicts itself.
    """
    x = program.network.check_inputs(x)
    vectors, plans = program.vectors, program.tiles
    if len(x) % vectors:
        raise InputError(f"the program takes {vectors} inputs a start, so their number must be "
                         f"a multiple of that, not {len(x)}")
    limit = sum(plan.cycle_limit for plan in plans) + 64 * len(plans) + 64
    results: list[list] = [[] for _ in plans]
    array.load(program.records())
    for first in range(0, len(x), vectors):
        inputs = program.input_records(x[first:first + vectors])
        _run_start(array, program, inputs, limit, unattended, results)
        progress(first + vectors)
    return Run(engine=engine, config=program.config, tiles=tuple(
        LayerRun(name=plan.name, part=plan.part,
                 outputs=np.concatenate([result[0] for result in layer])
                 if layer else np.zeros((0, plan.outputs), np.int64),
                 cycles=np.array([result[1] for result in layer], np.int64),
                 counters=np.array([result[2] for result in layer], np.int64).reshape(
                     len(layer), program.config.pes, len(COUNTERS)),
                 saturated=np.array([result[3] for result in layer], np.int64).reshape(
                     len(layer), program.config.pes))
        for plan, layer in zip(plans, results)))


def _run_start(array: Ports, program: Program, inputs: np.ndarray, limit: int,
               unattended: bool | None, results: list[list]) -> None:
    plans = program.tiles

    array.load(inputs)
    stepped = []
    for index in range(len(plans)):
        array.start(index, 1, limit)
        stepped.append(read_outputs(array, program, index))
    if unattended is None:
        unattended = sum(int(array.read(Target.CYCLES, 0, index, 1)[0])
                         for index in range(len(plans))) <= UNATTENDED_CYCLES
    if unattended and len(plans) > 1:   # the first layer's inputs may have been overwritten
        array.load(inputs)
        array.start(0, len(plans), limit)
        last = [index for index, plan in enumerate(plans) if plan.layer == plans[-1].layer]
        if any(not np.array_equal(read_outputs(array, program, index), stepped[index])
               for index in last):
            raise ArrayFault("the program gives other outputs as a whole than layer by layer")
    for index, outputs in enumerate(stepped):
        results[index].append((outputs, *read_counters(array, index)))


def read_counters(array: Ports, layer: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Of a layer, or tile, in the last run: its cycles, its counters int64 [PEs, 7], and how many
    outputs saturated, int64 [PEs]."""
    cycles = int(array.read(Target.CYCLES, 0, layer, 1)[0])
    words = np.stack([array.read(Target.COUNTER, pe, layer << 3, SATURATED + 1)
                      for pe in range(array.config.pes)])
    return cycles, words[:, :len(COUNTERS)], words[:, SATURATED]


def read_outputs(array: Ports, program: Program, layer: int) -> np.ndarray:
    """What tile number ``layer`` wrote for its inputs of a start, int64 [vectors, outputs]."""
    plan, config = program.tiles[layer], program.config
    inputs = len(plan.part.vectors)
    positions, step = inputs * plan.walk.positions, plan.memory_rows - 1 + plan.dst_step
    first, count = plan.dst_origin, (positions - 1) * step + plan.memory_rows
    in_a = max(0, min(count, half_rows(config) - first))
    words = np.stack([np.concatenate([
        array.read(target, pe, begin, part) for target, begin, part in (
            (Target.ACT_A, first, in_a),
            (Target.ACT_B, max(first - half_rows(config), 0), count - in_a)) if part])
        for pe in range(config.pes)], axis=1)
    rows = words[np.arange(positions)[:, None] * step + np.arange(plan.memory_rows)]
    return rows.reshape(positions, -1)[:, plan.places].reshape(inputs, plan.outputs)
