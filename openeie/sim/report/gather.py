# SPDX-License-Identifier: Apache-2.0
"""The numbers of a report; the page only draws them."""
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.array.counters import COUNTERS
from ...core.artefact.inspect import Contents
from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.network.graph import Network
from ...core.run import LayerRun, Run
from ..study.run_energy import run_energy
from ..views.summary import Summary, summarise
from .trace import QueueTrace, occupancy, traces

__all__ = ["RunReport", "gather", "shape_text"]

#: How many tiles' queues are drawn: those with the most cycles.
_QUEUES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class RunReport:
    """One run, as a page shows it.

    Attributes
    ----------
    array : name of the array.
    config : of the array.
    mhz : clock frequency, an assumption.
    vectors : inputs per launch.
    launch_cycles : int64 [launches].
    summary : over all inputs, see :mod:`openeie.sim.views.summary`.
    shapes : of each layer, as text.
    busy : float [layers, PEs]: share of its cycles in which a PE executed entries, without
        fillers.
    queues : in the first launch, of the tiles with the most cycles, in order.
    not_traced : names of those tiles that are too large for it.
    energy : of each layer in the first launch, pJ by :data:`UNITS`; a model.
    contents : of the artefact, if the network came from one.
    """
    array: str
    config: ArrayConfig
    mhz: float
    vectors: int
    launch_cycles: np.ndarray
    summary: Summary
    shapes: tuple[str, ...]
    busy: np.ndarray
    queues: tuple[QueueTrace, ...]
    not_traced: tuple[str, ...]
    energy: tuple[dict[str, float], ...]
    contents: Contents | None

    @property
    def latency_us(self) -> float:
        """Mean time of a launch in microseconds, at the assumed clock."""
        return float(self.launch_cycles.mean()) / self.mhz

    @property
    def energy_nj(self) -> float:
        """Of the first launch, in nJ; a model."""
        return sum(sum(layer.values()) for layer in self.energy) / 1e3

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        queues = [{"name": queue.name, "depth": queue.depth, "cycles": queue.cycles,
                   "step": queue.step, "mean": queue.mean.tolist(), "most": queue.most.tolist()}
                  for queue in self.queues]
        return {"array": self.array, "config": self.config.to_dict(), "mhz": self.mhz,
                "vectors": self.vectors, "starts": len(self.launch_cycles),
                "cycles": int(self.launch_cycles.sum()), "latency_us": self.latency_us,
                "summary": self.summary.to_dict(), "busy": self.busy.tolist(),
                "queues": queues, "queues_left_out": list(self.not_traced),
                "energy_pj_model": [dict(layer) for layer in self.energy],
                "compression": self.contents and self.contents.to_dict()}


def gather(program: Program, run: Run, x: np.ndarray, *, mhz: float, array: str,
           contents: Contents | None = None) -> RunReport:
    """Everything a page shows of ``run``, which executed ``program`` on inputs x [batch, n].

    Parameters
    ----------
    mhz : clock frequency to assume.
    array : name of the array.
    contents : of the artefact, if the network came from one.

    Raises
    ------
    InputError : no valid clock, or a run without a table (see
        :func:`openeie.sim.views.summary.summarise`).
    """
    if not 0 < mhz < 1e6:
        raise InputError(f"a clock must be a positive number of MHz, not {mhz}")
    summary = summarise(program, run, x)
    queues, not_traced = _queues(program, run, x)
    layers = range(len(program.network.layers))
    return RunReport(
        array=array, config=run.config, mhz=mhz, vectors=program.vectors, launch_cycles=run.cycles,
        summary=summary, shapes=tuple(shape_text(program.network, number) for number in layers),
        busy=np.array([_busy(layer) for layer in run.layers]), queues=queues,
        not_traced=not_traced, energy=run_energy(program, run, x, launches=1), contents=contents)


def _queues(program: Program, run: Run, x: np.ndarray
            ) -> tuple[tuple[QueueTrace, ...], tuple[str, ...]]:
    """Queues of the tiles with the most cycles in the first launch; names of those too large."""
    by_cycles = sorted(range(len(program.tiles)),
                       key=lambda number: (-int(run.tiles[number].cycles[0]), number))
    queues = []
    not_traced = []
    for plan, trace in traces(program, run, x, only=by_cycles[:_QUEUES]):
        if trace is None:
            not_traced.append(plan.name)
        else:
            queues.append(occupancy(trace))
    return tuple(queues), tuple(not_traced)


def _busy(layer: LayerRun) -> np.ndarray:
    """Share of the cycles in which each PE executed entries, float [PEs]."""
    return layer.counters[..., COUNTERS.index("busy")].sum(axis=0) / layer.cycles.sum()


def shape_text(network: Network, number: int) -> str:
    """The map that a layer reads and the one that it writes, as ``28x28x1 to 24x24x20, 5x5`` with
    the kernel, or ``784 to 300``."""
    layer = network.layers[number]
    window = getattr(layer, "window", None)
    if window is None:
        return f"{layer.inputs:,} to {layer.outputs:,}"
    channels = layer.outputs // (window.out_height * window.out_width)
    kernel = "x".join(map(str, window.kernel))
    steps = dict.fromkeys(window.stride)                # both, if they differ
    stride = "" if window.stride == (1, 1) else f" / {','.join(map(str, steps))}"
    return (f"{window.height}x{window.width}x{window.channels} to {window.out_height}x"
            f"{window.out_width}x{channels}, {kernel}{stride}")
