# SPDX-License-Identifier: Apache-2.0
"""All that a report shows of a run, as numbers; the page only draws them."""
from dataclasses import dataclass

import numpy as np

from ...core.array.config import ArrayConfig
from ...core.array.counters import COUNTERS
from ...core.artefact.inspect import Contents
from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.network.graph import Network
from ...core.run import Run
from ..study.run_energy import run_energy
from ..views.summary import Summary, summarise
from .trace import QueueTrace, occupancy, traces

__all__ = ["RunReport", "gather", "shape_text"]

#: Plans whose queues are drawn: those with the most cycles.
_QUEUES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class RunReport:
    """One run, as a page shows it.

    Attributes
    ----------
    array : what the reader calls the array.
    config, mhz, vectors, starts : of the run; the clock is an assumption.
    start_cycles : int64 [starts].
    summary : see :mod:`..summary`, over all inputs.
    shapes : of each layer, as text.
    busy : float [layers, PEs]: share of its cycles in which a PE executed entries with a weight.
    queues : of the plans with the most cycles, in the first start, in order.
    untold : names of plans too large for that.
    energy : of each layer pJ by :data:`UNITS`, in the first start; a model.
    contents : of the artefact, if the network came from one.
    """
    array: str
    config: ArrayConfig
    mhz: float
    vectors: int
    start_cycles: np.ndarray
    summary: Summary
    shapes: tuple[str, ...]
    busy: np.ndarray
    queues: tuple[QueueTrace, ...]
    untold: tuple[str, ...]
    energy: tuple[dict[str, float], ...]
    contents: Contents | None

    @property
    def latency_us(self) -> float:
        """Of a start, a mean, at the assumed clock."""
        return float(self.start_cycles.mean()) / self.mhz

    @property
    def energy_nj(self) -> float:
        """Of the first start; a model."""
        return sum(sum(layer.values()) for layer in self.energy) / 1e3

    def to_dict(self) -> dict:
        """Plain values."""
        queues = [{"name": queue.name, "depth": queue.depth, "cycles": queue.cycles,
                   "step": queue.step, "mean": queue.mean.tolist(), "most": queue.most.tolist()}
                  for queue in self.queues]
        return {"array": self.array, "config": self.config.to_dict(), "mhz": self.mhz,
                "vectors": self.vectors, "starts": len(self.start_cycles),
                "cycles": int(self.start_cycles.sum()), "latency_us": self.latency_us,
                "summary": self.summary.to_dict(), "busy": self.busy.tolist(),
                "queues": queues, "queues_left_out": list(self.untold),
                "energy_pj_model": [dict(layer) for layer in self.energy],
                "compression": self.contents and self.contents.to_dict()}


def gather(program: Program, run: Run, x, *, mhz: float, array: str,
           contents: Contents | None = None) -> RunReport:
    """Everything a page shows of ``run``, which executed ``program`` on inputs x [batch, n].

    Raises
    ------
    InputError : no clock, or a run that has no table (see :func:`..summary.summarise`).
    """
    if not 0 < mhz < 1e6:
        raise InputError(f"a clock must be a positive number of MHz, not {mhz}")
    summary = summarise(program, run, x)
    longest = sorted(range(len(program.tiles)), key=lambda number: (
        -int(run.tiles[number].cycles[0]), number))[:_QUEUES]
    drawn = [(plan.name, None if trace is None else occupancy(trace))
             for plan, trace in traces(program, run, x, only=longest)]
    return RunReport(
        array=array, config=run.config, mhz=mhz, vectors=program.vectors,
        start_cycles=run.cycles, summary=summary, contents=contents,
        shapes=tuple(shape_text(program.network, number)
                     for number in range(len(program.network.layers))),
        busy=np.array([_busy(layer) for layer in run.layers]),
        queues=tuple(queue for _, queue in drawn if queue is not None),
        untold=tuple(name for name, queue in drawn if queue is None),
        energy=run_energy(program, run, x, starts=1))


def _busy(layer) -> np.ndarray:
    return layer.counters[..., COUNTERS.index("busy")].sum(axis=0) / layer.cycles.sum()


def shape_text(network: Network, number: int) -> str:
    """What a layer makes of what: ``28x28x1 to 24x24x20, 5x5``, or ``784 to 300``."""
    layer = network.layers[number]
    window = getattr(layer, "window", None)
    if window is None:
        return f"{layer.inputs:,} to {layer.outputs:,}"
    channels = layer.outputs // (window.out_height * window.out_width)
    kernel = "x".join(map(str, window.kernel))
    stride = "" if window.stride == (1, 1) else " / " + ",".join(
        map(str, dict.fromkeys(window.stride)))
    return (f"{window.height}x{window.width}x{window.channels} to {window.out_height}x"
            f"{window.out_width}x{channels}, {kernel}{stride}")
