# SPDX-License-Identifier: Apache-2.0
"""A run of a whole network as one table: what each layer had to do, and where its cycles went."""
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.array.counters import COUNTERS
from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.network.graph import Layer, kind_of
from ...core.network.layers import Weighted
from ...core.run import LayerRun, Run
from ..fast.dense import dense_cycles
from ..fast.layer_inputs import reader

__all__ = ["SHARES", "LayerSummary", "Summary", "summarise"]

#: What a PE does with its cycles: the counters, with ``busy`` split by the kind of layer.
SHARES = ("mac", "pool", *COUNTERS[1:])


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """One layer, or several together, over all inputs of a run.

    Attributes
    ----------
    name, kind : the layer's; ``all`` of a total.
    pes : of the array.
    macs : multiply-accumulates if no zero were skipped, padding included, as the field counts
        them; none in a pool.
    weights, kept : elements of its matrix, and those that are not zero.
    activations, nonzero : of the maps that it reads, and those that are not zero.
    cycles, dense_cycles : of the run, and of the same array run dense
        (:mod:`openeie.sim.fast.dense`).
    outputs : activations of the map that it writes.
    computed : outputs as often as they were computed: lines that two tiles share count twice,
        lines that no tile computes do not count.
    saturated : of these, outputs that saturation changed.
    spent : PE-cycles by :data:`SHARES`; ``mac`` and ``pool`` count the entries executed, without
        fillers. They add up to ``pes`` x ``cycles``.
    """
    name: str
    kind: str
    pes: int
    macs: int
    weights: int
    kept: int
    activations: int
    nonzero: int
    cycles: int
    dense_cycles: int
    outputs: int
    computed: int
    saturated: int
    spent: dict[str, int]

    @property
    def weight_density(self) -> float | None:
        """Share of the weights that are not zero; None for a pool, which has none."""
        return self.kept / self.weights if self.weights else None

    @property
    def activation_density(self) -> float:
        """Share of the activations read that are not zero."""
        return self.nonzero / self.activations

    @property
    def saturated_share(self) -> float:
        """Share of the computed outputs that saturation changed, as
        :attr:`.LayerRun.saturated_share`."""
        return self.saturated / self.computed if self.computed else 0.0

    @property
    def entries(self) -> int:
        """Entries executed, without fillers."""
        return self.spent["mac"] + self.spent["pool"]

    @property
    def shares(self) -> dict[str, float]:
        """PE-cycles by :data:`SHARES`, as shares of all."""
        return {name: value / (self.pes * self.cycles) for name, value in self.spent.items()}

    @property
    def mac_utilisation(self) -> float:
        """Useful multiply-accumulates / (PEs x cycles); a pool has none."""
        return self.shares["mac"]

    @property
    def speedup(self) -> float:
        """Over the same array run dense."""
        return self.dense_cycles / self.cycles

    def to_dict(self) -> dict[str, Any]:
        """Plain values, including the derived ones; ``saturated_share`` stands for ``computed``."""
        derived = ("weight_density", "activation_density", "saturated_share", "entries",
                   "mac_utilisation", "speedup", "shares")
        values = dataclasses.asdict(self)
        del values["computed"]
        return values | {name: getattr(self, name) for name in derived}


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run as :func:`summarise` sees it; numbers are sums over all inputs.

    Attributes
    ----------
    network, engine : names.
    pes : of the array.
    inputs : of the run.
    layers : of the network, in order.
    """
    network: str
    engine: str
    pes: int
    inputs: int
    layers: tuple[LayerSummary, ...]

    @property
    def total(self) -> LayerSummary:
        """All layers together."""
        return _sum("all", "all", self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"network": self.network, "engine": self.engine, "pes": self.pes,
                "inputs": self.inputs, "layers": [layer.to_dict() for layer in self.layers],
                "total": self.total.to_dict()}


def summarise(program: Program, run: Run, x: np.ndarray) -> Summary:
    """The table of ``run``, which executed ``program`` on inputs x [batch, n].

    Raises
    ------
    InputError : a run without cycles or inputs, or of another program or batch.
    """
    network = program.network
    x = network.check_inputs(x)
    if run.tiles[0].cycles is None:
        raise InputError(f"the engine {run.engine} has no cycles, so there is no table of them; "
                         f"run fast or rtl")
    names = [plan.name for plan in program.tiles]
    if [tile.name for tile in run.tiles] != names or len(run.outputs) != len(x) \
            or run.config != program.config:
        raise InputError("the run must be the program's, on these inputs; it is of other layers, "
                         f"another array or {len(run.outputs)} inputs instead of {len(x)}")
    if not len(x):
        raise InputError("a table needs a run of at least one input, not 0")
    read = reader(program, run, x)
    layers = tuple(_layer_summary(program, number, measured, read(number))
                   for number, measured in enumerate(run.layers))
    return Summary(network=network.name, engine=run.engine, pes=run.config.pes, inputs=len(x),
                   layers=layers)


def _layer_summary(program: Program, number: int, run: LayerRun, acts: np.ndarray
                   ) -> LayerSummary:
    """Layer ``number``, which read activations ``acts`` [batch, n]."""
    layer = program.network.layers[number]
    weights = _weights(layer)
    is_weighted = isinstance(layer, Weighted)
    dense = sum(dense_cycles(program, tile) for tile, plan in enumerate(program.tiles)
                if plan.layer == number)
    spent = dict.fromkeys(SHARES, 0) | {name: run.total(name) for name in COUNTERS[1:]}
    spent["mac" if is_weighted else "pool"] = run.total("busy")
    return LayerSummary(
        name=layer.name, kind=kind_of(layer), pes=program.config.pes,
        macs=len(acts) * layer.positions * weights, weights=weights,
        kept=layer.weights.nnz if is_weighted else 0,
        activations=acts.size, nonzero=int(np.count_nonzero(acts)),
        cycles=int(run.cycles.sum()), dense_cycles=len(run.cycles) * dense,
        outputs=run.outputs.size, computed=run.computed, saturated=int(run.saturated.sum()),
        spent=spent)


def _weights(layer: Layer) -> int:
    """Elements of its matrix; pools and additions have none."""
    return int(np.prod(layer.weights.shape)) if isinstance(layer, Weighted) else 0


def _sum(name: str, kind: str, parts: Sequence[LayerSummary]) -> LayerSummary:
    """Several layers together."""
    added = [field.name for field in dataclasses.fields(LayerSummary)
             if field.type is int and field.name != "pes"]
    numbers = {}
    for field in added:
        numbers[field] = sum(getattr(part, field) for part in parts)
    spent = dict.fromkeys(SHARES, 0)
    for part in parts:
        for share in SHARES:
            spent[share] += part.spent[share]
    return LayerSummary(name=name, kind=kind, pes=parts[0].pes, spent=spent, **numbers)
