# SPDX-License-Identifier: Apache-2.0
"""A run of a whole network as one table: what each layer had to do, and where its cycles went."""
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...core.array.counters import COUNTERS
from ...core.compile.program import Program
from ...core.errors import InputError
from ...core.network.graph import Layer, kind_of
from ...core.network.layers import Weighted
from ...core.run import Run
from ..fast.dense import dense_cycles
from ..fast.layer_inputs import reader

__all__ = ["SHARES", "LayerSummary", "Summary", "summarise"]

#: What a PE does with its cycles: the counters, ``busy`` told apart by the kind of layer.
SHARES = ("mac", "pool", *COUNTERS[1:])


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """One layer, or several together, over all inputs of a run.

    Attributes
    ----------
    name, kind : the layer's; ``all`` of a total.
    pes : of the array.
    macs : multiply-accumulates without any zero skipped, those beside the map included, as the
        field counts them; none in a pool.
    weights, kept : places of its matrix, and non-zero weights.
    activations, nonzero : of the maps that it reads, and how many of them are not zero.
    cycles, dense_cycles : on the run, and of the same array run dense (:mod:`.dense`).
    outputs, saturated : activations that it computed, and how many of them saturation changed.
    spent : PE-cycles by :data:`SHARES`; ``mac`` and ``pool`` are the entries executed, fillers
        apart. They add up to ``pes`` x ``cycles``.
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
        """Share of the outputs that saturation changed."""
        return self.saturated / self.outputs

    @property
    def entries(self) -> int:
        """Entries executed, fillers apart."""
        return self.spent["mac"] + self.spent["pool"]

    @property
    def shares(self) -> dict[str, float]:
        """PE-cycles by :data:`SHARES`, as parts of 1."""
        return {name: value / (self.pes * self.cycles) for name, value in self.spent.items()}

    @property
    def mac_utilisation(self) -> float:
        """Useful multiply-accumulates / (PEs x cycles): a pool's entries are not useful ones."""
        return self.shares["mac"]

    @property
    def speedup(self) -> float:
        """Over the same array run dense."""
        return self.dense_cycles / self.cycles

    def to_dict(self) -> dict:
        """Plain values, the derived ones among them."""
        return dataclasses.asdict(self) | {
            name: getattr(self, name) for name in (
                "weight_density", "activation_density", "saturated_share", "entries",
                "mac_utilisation", "speedup", "shares")}


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run as :func:`summarise` sees it; sums are over all inputs.

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

    def to_dict(self) -> dict:
        """Plain values."""
        return {"network": self.network, "engine": self.engine, "pes": self.pes,
                "inputs": self.inputs, "layers": [layer.to_dict() for layer in self.layers],
                "total": self.total.to_dict()}


def summarise(program: Program, run: Run, x) -> Summary:
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
    if [layer.name for layer in run.tiles] != names or len(run.outputs) != len(x) \
            or run.config != program.config:
        raise InputError("the run must be the program's, on these inputs; it is of other layers, "
                         f"another array or {len(run.outputs)} inputs instead of {len(x)}")
    if not len(x):
        raise InputError("a table needs a run of at least one input, not 0")
    read = reader(program, run, x)
    plans = [_plan_summary(program, run, number) for number in range(len(program.tiles))]
    layers = []
    for number, layer in enumerate(network.layers):
        parts = [part for plan, part in enumerate(plans)
                 if program.tiles[plan].layer == number]
        acts = read(number)
        layers.append(dataclasses.replace(
            _sum(layer.name, kind_of(layer), parts), weights=_weights(layer),
            macs=len(x) * layer.positions * _weights(layer),
            kept=layer.weights.nnz if isinstance(layer, Weighted) else 0,
            activations=acts.size, nonzero=int(np.count_nonzero(acts))))
    return Summary(network=network.name, engine=run.engine, pes=run.config.pes, inputs=len(x),
                   layers=tuple(layers))


def _weights(layer: Layer) -> int:
    """Of its matrix; pools and additions have none to speak of."""
    return int(np.prod(layer.weights.shape)) if isinstance(layer, Weighted) else 0


def _plan_summary(program: Program, run: Run, number: int) -> LayerSummary:
    """The time of one plan; what it had to do is its layer's."""
    plan, layer = program.tiles[number], run.tiles[number]
    multiplies = isinstance(program.network.layers[plan.layer], Weighted)
    spent = dict.fromkeys(SHARES, 0) | {name: layer.total(name) for name in COUNTERS[1:]}
    spent["mac" if multiplies else "pool"] = layer.total("busy")
    return LayerSummary(
        name=plan.name, kind="", pes=run.config.pes, macs=0, weights=0, kept=0, activations=0,
        nonzero=0, cycles=int(layer.cycles.sum()),
        dense_cycles=len(layer.cycles) * dense_cycles(program, number),
        outputs=layer.outputs.size, saturated=int(layer.saturated.sum()), spent=spent)


def _sum(name: str, kind: str, parts: Iterable[LayerSummary]) -> LayerSummary:
    parts = list(parts)
    numbers = {field.name: sum(getattr(part, field.name) for part in parts)
               for field in dataclasses.fields(LayerSummary) if field.type is int
               and field.name != "pes"}
    return LayerSummary(name=name, kind=kind, pes=parts[0].pes, **numbers, spent={
        share: sum(part.spent[share] for part in parts) for share in SHARES})
