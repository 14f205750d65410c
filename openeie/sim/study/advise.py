# SPDX-License-Identifier: Apache-2.0
"""Which single changes of an array, or of how a network is run on it, save most cycles.

Each change is compiled, and timed by the recurrence on the same activations: nothing is estimated.
"""
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...core.array.config import CLUSTERS, ArrayConfig
from ...core.array.footprint import memory_bits
from ...core.compile.automatic import compile_for
from ...core.compile.program import Program
from ...core.compile.run_width import WIDEST
from ...core.defaults import AskedArray
from ...core.errors import CapacityError, ConfigError, EncodingError, InputError
from ...core.network.graph import Network
from ..fast.predict import Present, timed
from .area import array_luts

__all__ = ["Advice", "Change", "Setting", "advise", "all_together"]

#: How many times as many inputs a start to try: down to the first that the memories hold. A network
#: with convolutions has many positions an input, which already overlap: of it, the last alone.
_MORE_VECTORS = (8, 4, 2)
_DEEPEST_QUEUE = 256
_MOST_PES = 1024


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a network is run.

    Attributes
    ----------
    array : as it was asked for.
    vectors, encoding, balance : see :func:`openeie.core.compile.automatic.compile_for`.
    """
    array: AskedArray
    vectors: int = 1
    encoding: str | None = None
    balance: bool | None = None

    def compile(self, network: Network) -> Program:
        """The network's program; errors as of ``compile_for``."""
        return compile_for(network, self.array, vectors=self.vectors, encoding=self.encoding,
                           balance=self.balance)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What another setting does differently.

    Attributes
    ----------
    kind : what it is about. Of each kind, only the best change is advised.
    fields : fields of the array, with their new values.
    options : ``vectors``, ``encoding`` or ``balance``, with their new values.
    """
    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def applied(self, setting: Setting) -> Setting:
        """The setting with this change.

        Raises
        ------
        ConfigError : there is no such array.
        """
        array = setting.array
        is_free = array.free_run_width and "run_width" not in self.fields
        changed = AskedArray(array.config.replace(**self.fields), free_run_width=is_free)
        return replace(setting, array=changed, **self.options)


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A change, and what it saves and costs.

    Attributes
    ----------
    change : from the setting that was given.
    before, cycles : cycles an input, without and with the change, on the same activations.
    memory, luts : memory bits and estimated LUTs of the array, as multiples of those before.
    """
    change: Change
    before: float
    cycles: float
    memory: float
    luts: float

    @property
    def saved(self) -> float:
        """Cycles that an input takes less."""
        return self.before - self.cycles

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        fields = {name: list(value) if isinstance(value, tuple) else value
                  for name, value in self.change.fields.items()}
        return {"kind": self.change.kind, "fields": fields, "options": dict(self.change.options),
                "cycles_before": self.before, "cycles": self.cycles, "saved": self.saved,
                "saved_share": self.saved / self.before, "memory": self.memory, "luts": self.luts}


#: From a number of inputs, a multiple of a start's, to their activations; None: there are not as
#: many.
Inputs = Callable[[int], Present | None]


def advise(network: Network, setting: Setting, batch: int, inputs: Inputs, *,
           progress: Callable[[int, int], None] | None = None) -> list[Advice]:
    """The best change of each kind that saves cycles, the one that saves most first.

    Parameters
    ----------
    batch : number of inputs on which everything is timed, a multiple of ``setting.vectors``.
    inputs : gives their activations, and those of more for a start of more inputs.
    progress : called with (changes tried, changes).

    Raises
    ------
    CapacityError, InputError : the network does not run in ``setting`` itself.
    """
    known: dict[int, float] = {}
    program = setting.compile(network)
    best: dict[str, Advice] = {}
    changes = list(_changes(network, setting, program, batch, inputs))
    for done, change in enumerate(changes, start=1):
        found = _tried(network, setting, program, change, batch, inputs, known)
        rival = best.get(change.kind)
        if found is not None and (rival is None or found.cycles < rival.cycles):
            best[change.kind] = found
        if progress:
            progress(done, len(changes))
    worth = [advice for advice in best.values() if advice.saved > 0]
    return sorted(worth, key=lambda advice: advice.cycles / advice.before)


def all_together(network: Network, setting: Setting, advice: Sequence[Advice], batch: int,
                 inputs: Inputs) -> Advice | None:
    """Several changes at once; None if they do not go together, or save no more than the best of
    them."""
    fields: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for one in advice:
        fields |= one.change.fields
        options |= one.change.options
    change = Change(kind="all of these", fields=fields, options=options)
    found = _tried(network, setting, setting.compile(network), change, batch, inputs, {})
    if found is None or found.saved <= max(one.saved for one in advice):
        return None
    return found


def _changes(network: Network, setting: Setting, program: Program, batch: int, inputs: Inputs
             ) -> Iterator[Change]:
    """All changes that are worth a try."""
    config = program.config
    if config.queue_depth < _DEEPEST_QUEUE:
        deeper = min(2 * config.queue_depth, _DEEPEST_QUEUE)
        yield Change(kind="queue", fields={"queue_depth": deeper})
    for width in range(config.run_width + 1, WIDEST + 1):
        yield Change(kind="run width", fields={"run_width": width})
    if 2 * config.pes <= _MOST_PES:
        yield Change(kind="PEs", fields={"pes": 2 * config.pes})
    if config.acc_banks == 1:
        yield Change(kind="accumulator banks", fields={"acc_banks": 2})
    yield from _cluster_changes(config)
    yield from _vector_changes(network, setting, batch, inputs)
    yield Change(kind="balance", options={"balance": not program.choices.is_balanced})
    for encoding in config.encodings:
        if encoding != setting.encoding:
            yield Change(kind="encoding", options={"encoding": encoding})


def _cluster_changes(config: ArrayConfig) -> Iterator[Change]:
    """Other numbers of clusters; they need the operation conv."""
    operations = config.operations
    if not config.conv:
        operations = (*operations, "conv")
    for clusters in CLUSTERS:
        if clusters == config.clusters or config.pes % clusters:
            continue
        fields: dict[str, Any] = {"clusters": clusters}
        if operations != config.operations:
            fields["operations"] = operations
        yield Change(kind="clusters", fields=fields)


def _vector_changes(network: Network, setting: Setting, batch: int, inputs: Inputs
                    ) -> Iterator[Change]:
    """More inputs a start: as many as the memories hold, and most in larger memories."""
    is_linear = all(layer.positions == 1 for layer in network.layers)
    for times in _MORE_VECTORS if is_linear else _MORE_VECTORS[-1:]:
        vectors = times * setting.vectors
        change = Change(kind="inputs a start", options={"vectors": vectors})
        if _in_launches(batch, vectors, inputs) is None:
            continue
        if _compiled(network, setting, change) is not None:
            yield change
            return
        yield replace(change, fields={"act_depth": times * setting.array.config.act_depth})


def _compiled(network: Network, setting: Setting, change: Change) -> Program | None:
    """The program with a change; None if there is no such array, or if it does not fit."""
    try:
        return change.applied(setting).compile(network)
    except (CapacityError, ConfigError, EncodingError, InputError):
        return None


def _in_launches(batch: int, vectors: int, inputs: Inputs) -> int | None:
    """How many inputs to time in starts of ``vectors``: ``batch`` if it is a multiple, otherwise
    one start's; None if there are not as many."""
    if batch % vectors == 0:
        return batch
    return None if inputs(vectors) is None else vectors


def _tried(network: Network, setting: Setting, program: Program, change: Change, batch: int,
           inputs: Inputs, known: dict[int, float]) -> Advice | None:
    """What a change saves; None if there is no such array, or the network does not run on it.

    program : the network's in ``setting``.
    known : the cycles an input that ``program`` takes, by the number of inputs; is filled.
    """
    other = _compiled(network, setting, change)
    if other is None:
        return None
    count = _in_launches(batch, other.vectors, inputs)
    present = None if count is None else inputs(count)
    if count is None or present is None:
        return None
    if count not in known:
        known[count] = _cycles(program, present, count)
    before = program.config
    after = other.config
    return Advice(
        change=change, before=known[count], cycles=_cycles(other, present, count),
        memory=sum(memory_bits(after).values()) / sum(memory_bits(before).values()),
        luts=array_luts(after) / array_luts(before))


def _cycles(program: Program, present: Present, count: int) -> float:
    """Cycles an input, the mean of ``count`` inputs in starts of the program's."""
    starts = sum(tile.cycles for tile in timed(program, present))
    return starts / program.vectors
