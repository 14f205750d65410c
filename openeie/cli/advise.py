# SPDX-License-Identifier: Apache-2.0
"""``openeie compile --advise``: the changes that would save most cycles, each with its command."""
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.network.graph import Network
from .common import progress
from .invocation import invocation
from .tables import plain_table

if TYPE_CHECKING:
    from ..sim.study.advise import Advice, Change, Inputs, Setting

__all__ = ["Asked", "Found", "advice_dict", "advice_tables", "find_advice"]

_MOST = 3


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A command line of ``openeie compile``, without the options that a change may replace.

    Attributes
    ----------
    model : as it was typed.
    config : value of ``--config``, or None.
    changes : values of ``--set``.
    setting : what these and the other options mean.
    rest : all other options, as typed.
    """
    model: str
    config: str | None
    changes: tuple[str, ...]
    setting: "Setting"
    rest: tuple[str, ...]

    def command(self, change: "Change") -> str:
        """The command line with a change, to be typed in this shell."""
        fields = {name: ",".join(value) if isinstance(value, tuple) else str(value)
                  for name, value in change.fields.items()}
        kept = [text for text in self.changes if text.partition("=")[0] not in fields]
        sets = [*kept, *(f"{name}={value}" for name, value in fields.items())]
        words = ["compile", self.model]
        if self.config is not None:
            words += ["-c", self.config]
        for text in sets:
            words += ["--set", text]
        words += self._options(change)
        return f"{invocation()} {shlex.join([*words, *self.rest])}"

    def _options(self, change: "Change") -> list[str]:
        """``--vectors``, ``--encoding`` and ``--balance`` as they are after the change."""
        values: dict[str, Any] = {
            "vectors": self.setting.vectors, "encoding": self.setting.encoding,
            "balance": self.setting.balance} | change.options
        words = []
        if values["vectors"] != 1:
            words += ["--vectors", str(values["vectors"])]
        if values["encoding"] is not None:
            words += ["--encoding", values["encoding"]]
        if values["balance"] is not None:
            words.append("--balance" if values["balance"] else "--no-balance")
        return words


@dataclass(frozen=True)
class Found:
    """The best changes, best first, and all of them at once, or None if that saves no more."""
    best: "tuple[Advice, ...]"
    together: "Advice | None"


def find_advice(network: Network, asked: Asked, batch: int, inputs: "Inputs", *, quiet: bool
                ) -> Found:
    """The changes that save most cycles; parameters as of :func:`openeie.sim.study.advise.advise`.
    """
    from ..sim.study.advise import advise, all_together
    with progress("changes", quiet=quiet) as update:
        best = advise(network, asked.setting, batch, inputs, progress=update)[:_MOST]
    together = None
    if len(best) > 1:
        together = all_together(network, asked.setting, best, batch, inputs)
    return Found(tuple(best), together)


def advice_tables(asked: Asked, found: Found) -> list:
    """A table of the changes, and the commands that apply them."""
    shown = _shown(found)
    if not shown:
        return ["no change that was tried saves cycles: queue, run width, clusters, PEs, "
                "accumulator banks, inputs a start, balance, encoding"]
    table = plain_table("changes that save most cycles, each timed on the same activations",
                        "change", "cycles\nan input", "with it", "saved", "memory", "LUTs",
                        left=("change",))
    for one in shown:
        table.add_row(change_text(one.change), f"{one.before:,.1f}", f"{one.cycles:,.1f}",
                      f"{one.saved / one.before:.1%}", f"{one.memory:.2f}x", f"{one.luts:.2f}x")
    return ["", table, *(f"  {asked.command(one.change)}" for one in shown)]


def advice_dict(asked: Asked, found: Found) -> list[dict]:
    """The same as plain values."""
    return [one.to_dict() | {"command": asked.command(one.change)} for one in _shown(found)]


def change_text(change: "Change") -> str:
    """A change as a line of the table, such as ``queue_depth=32``."""
    fields = [f"{name}={'+'.join(value) if isinstance(value, tuple) else value}"
              for name, value in change.fields.items()]
    options = [f"{name} {value}" for name, value in change.options.items() if name != "balance"]
    if "balance" in change.options:
        options.append("balance" if change.options["balance"] else "no balance")
    text = ", ".join([*fields, *options])
    return text if change.kind != "all of these" else f"all: {text}"


def _shown(found: Found) -> "Sequence[Advice]":
    """What is printed: the best changes, then all of them together."""
    return found.best if found.together is None else (*found.best, found.together)
