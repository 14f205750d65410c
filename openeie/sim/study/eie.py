# SPDX-License-Identifier: Apache-2.0
"""EIE's own measurements: the nine layers of Table III, and the times of Table IV.

The paper's weights and activations were not published. Random layers of its sizes and densities
stand in for them; each weight and each activation is non-zero independently of the others.
"""
from dataclasses import dataclass

from ...core.array.config import ArrayConfig, preset
from .energy import Energy, energy
from .workload import LayerTime, Workload, random_workload

__all__ = ["CLOCK_MHZ", "PAPER", "PaperLayer", "Measurement", "paper_array", "paper_workloads",
           "measure"]

#: Clock of the paper's array (section V).
CLOCK_MHZ = 800


@dataclass(frozen=True)
class PaperLayer:
    """One layer's numbers in Table III and in the last two lines of Table IV.

    Attributes
    ----------
    name, inputs, outputs : of the layer.
    weight_density, act_density : shares that are not zero.
    theoretical_us, actual_us : EIE's times in microseconds.
    """
    name: str
    inputs: int
    outputs: int
    weight_density: float
    act_density: float
    theoretical_us: float
    actual_us: float


#: The nine layers.
PAPER = (
    PaperLayer("Alex-6", 9216, 4096, 0.09, 0.351, 28.1, 30.3),
    PaperLayer("Alex-7", 4096, 4096, 0.09, 0.353, 11.7, 12.2),
    PaperLayer("Alex-8", 4096, 1000, 0.25, 0.375, 8.9, 9.9),
    PaperLayer("VGG-6", 25088, 4096, 0.04, 0.183, 28.1, 34.4),
    PaperLayer("VGG-7", 4096, 4096, 0.04, 0.375, 7.9, 8.7),
    PaperLayer("VGG-8", 4096, 1000, 0.23, 0.411, 7.3, 8.4),
    PaperLayer("NT-We", 4096, 600, 0.10, 1.0, 5.2, 8.0),
    PaperLayer("NT-Wd", 600, 8791, 0.11, 1.0, 13.0, 13.9),
    PaperLayer("NT-LSTM", 1201, 2400, 0.10, 1.0, 6.5, 7.5),
)


def paper_array() -> ArrayConfig:
    """The paper's array: 64 PEs, queues of 8, 4-bit codes and runs."""
    return preset("EIE64").replace(queue_depth=8)


def paper_workloads(seed: int = 1) -> list[Workload]:
    """The nine layers with random weights and activations; each depends on ``seed`` alone."""
    return [random_workload(layer.name, (layer.outputs, layer.inputs), seed=seed,
                            weight_density=layer.weight_density, act_density=layer.act_density)
            for layer in PAPER]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One layer on one array, with the numbers of Table IV and section VI.

    Attributes
    ----------
    name : of the layer.
    cycles : of a launch.
    theoretical_us : time of PEs that never wait, in microseconds; fillers count, as in the paper.
    actual_us : time of all cycles, in microseconds.
    balance : see :attr:`LayerTime.balance`.
    filler_share : fillers / entries, of all entries of the layer.
    entries : entries executed, including fillers.
    pointer_reads, word_reads : pairs of column pointers, and words of entries, read by all PEs.
    energy : pJ by unit, a model.
    paper : the paper's numbers, if it is one of the paper's layers.
    """
    name: str
    cycles: int
    theoretical_us: float
    actual_us: float
    balance: float
    filler_share: float
    entries: int
    pointer_reads: int
    word_reads: int
    energy: Energy
    paper: PaperLayer | None = None


def measure(layer: Workload, time: LayerTime, *, paper: PaperLayer | None = None,
            clock_mhz: float = CLOCK_MHZ) -> Measurement:
    """The numbers of Table IV for ``layer`` on the array of ``time``.

    paper : the paper's numbers, if it is one of the paper's layers.
    """
    spent = energy(time)
    return Measurement(
        name=layer.name, cycles=time.cycles, theoretical_us=time.least_cycles / clock_mhz,
        actual_us=time.cycles / clock_mhz, balance=time.balance,
        filler_share=int(time.fillers.sum()) / max(1, int(time.counts.sum())),
        entries=time.entries, pointer_reads=spent.events["pointers"],
        word_reads=spent.events["entries"], energy=spent,
        paper=paper)
