# SPDX-License-Identifier: Apache-2.0
"""Saved views of a waveform: which signals to look at, for GTKWave and for Surfer.

Names are taken from the waveform's own header, so a view never asks for a signal that is not
there, whatever the array was built with.
"""
import io
import re
from dataclasses import dataclass
from pathlib import Path

from vcd.gtkw import GTKWSave

from ...core.array.config import CLUSTERS
from ...core.errors import InputError
from ...core.host.untrusted import check_regular

__all__ = ["Signal", "read_header", "wanted", "gtkwave_view", "surfer_view"]

#: PEs whose signals are shown; the others' are one search away.
_SHOWN_PES = 4

# Groups, and in each what a reader sees and where the signal is: scope, name.
_ARRAY = (
    ("array", (("clock", "", "clk"), ("busy", "accelerator", "busy"),
               ("program start", "accelerator", "program_start"),
               ("layer", "accelerator.array.{pe}.pe.blocks.counters", "layer"),
               ("cycle of the layer", "accelerator.sequencer", "cycle"),
               ("done, by PE", "accelerator.sequencer", "done"))),
    ("scan", (("row", "accelerator.array.scan", "row"),
              ("valid", "accelerator.array.scan", "o__valid"),
              ("ready", "accelerator.array.scan", "o__ready"))),
    ("lnzd", (("lanes not yet sent", "accelerator.array.lnzd", "pending"),
              ("valid", "accelerator.array.lnzd", "o__valid"),
              ("ready", "accelerator.array.lnzd", "o__ready"))),
    ("broadcast", (("valid", "accelerator.array.broadcast", "i__valid"),
                   ("ready", "accelerator.array.broadcast", "i__ready"),
                   ("push, to all queues", "accelerator.array.broadcast", "push"),
                   ("refused", "accelerator.array.broadcast", "blocked"),
                   ("column", "accelerator.array.broadcast", "item.column"),
                   ("activation", "accelerator.array.broadcast", "item.act"),
                   ("token", "accelerator.array.broadcast", "item.token"))))
_PER_CLUSTER = ("lnzd", "broadcast")
_PE = (("queue level", "queue", "level"), ("queue pop", "queue", "pop"),
       ("decode: entry", "entries", "entry"), ("decode: empty column", "entries", "empty"),
       ("decode: token", "entries", "token"), ("multiply", "multiply", "o_valid"),
       ("accumulator write", "accumulators", "i_valid"), ("result write", "writeback", "write_en"),
       ("done", "writeback", "done"))


@dataclass(frozen=True)
class Signal:
    """A signal in a waveform.

    Attributes
    ----------
    scope : the modules it is in, from the top.
    name : in its scope; a field of a record has a dot in its name.
    bits : ``[7:0]`` as the waveform has it; empty for one bit.
    """
    scope: tuple[str, ...]
    name: str
    bits: str = ""

    @property
    def path(self) -> str:
        """Scope and name."""
        return ".".join((*self.scope, self.name))


def read_header(path: Path) -> dict[str, Signal]:
    """A waveform's signals by :attr:`Signal.path`; of the file, its header alone is read.

    Raises
    ------
    InputError : it cannot be read, or is no waveform.
    """
    try:
        check_regular(path)
        with path.open("rb") as file:
            return _parse(file)
    except OSError as error:
        raise InputError(f"cannot read the waveform {path}: {error.strerror}") from error
    except (IndexError, UnicodeDecodeError):
        pass
    raise InputError(f"{path} is no waveform (.vcd) of the gateware: its header does not end in "
                     f"$enddefinitions; write it again with openeie wave")


def _parse(file) -> dict[str, Signal]:
    """Line by line, as Verilator writes it: names that begin with a $, which the standard and
    pyvcd's reader do not know, are the converter's own and left out."""
    scope: list[str] = []
    signals: dict[str, Signal] = {}
    for line in file:
        words = line.decode().split()
        kind = words[0] if words else ""
        if kind == "$scope":
            scope.append(words[2])
        elif kind == "$upscope":
            scope.pop()
        elif kind == "$enddefinitions":
            return signals
        elif kind == "$var" and not words[4].startswith("$"):
            signal = Signal(tuple(scope), words[4], words[5] if words[5] != "$end" else "")
            signals[signal.path] = signal
    raise IndexError


def wanted(signals: dict[str, Signal]) -> list[tuple[str, list[tuple[str, Signal]]]]:
    """Groups of signals worth a look, each as (what it is, signal), of those that are there."""
    top = next((signal.scope for signal in signals.values()
                if signal.scope[-1] == "openeie"), ())
    pes = sorted({int(match[1]) for signal in signals.values() for scope in signal.scope
               if (match := re.fullmatch(r"pe(\d+)", scope))})
    first = f"pe{pes[0]}" if pes else ""
    groups: list[tuple[str, list[tuple[str, Signal]]]] = []

    def add(name: str, places: list[tuple[str, str]]) -> None:
        found = [(label, signals[path]) for label, path in places if path in signals]
        if found:
            groups.append((name, found))
    for name, parts in _ARRAY:
        for cluster in ("", *map(str, range(max(CLUSTERS)))):     # numbered if there are several
            if cluster and name not in _PER_CLUSTER:
                continue
            add(f"{name} {cluster}".strip(), [
                (label, ".".join(part for part in (*top, scope, signal) if part))
                for label, scope, signal in (
                    (label, f"{scope.format(pe=first)}{cluster}", signal)
                    for label, scope, signal in parts)])
    for pe in pes[:_SHOWN_PES]:
        blocks = f"accelerator.array.pe{pe}.pe.blocks"
        add(f"PE {pe}", [(label, ".".join([*top, blocks, scope, signal]))
                         for label, scope, signal in _PE])
    return groups


def gtkwave_view(waveform: Path, signals: dict[str, Signal]) -> bytes:
    """A saved view for GTKWave."""
    file = io.StringIO()
    view = GTKWSave(file)
    view.comment("A view of the gateware, by openeie wave")
    view.dumpfile(str(waveform))
    view.treeopen("TOP")
    view.signals_width(240)
    groups = wanted(signals)
    pes = [group for group, _ in groups if group.startswith("PE ")]
    for group, found in groups:
        with view.group(group, closed=group in pes[1:]):
            for label, signal in found:
                view.trace(signal.path + signal.bits, alias=label,
                           datafmt="hex" if signal.name in ("pending", "done") else "dec")
    return file.getvalue().encode()


def surfer_view(waveform: Path, signals: dict[str, Signal]) -> bytes:
    """A command file for Surfer.

    Surfer takes a dot for the end of a scope, so a record is added as a whole, not its fields.
    """
    lines = [f"load_file {waveform.absolute()}"]
    for group, found in wanted(signals):
        lines.append(f"divider_add {group}")
        paths = [".".join((*signal.scope, signal.name.partition(".")[0])) for _, signal in found]
        lines += [f"variable_add {path}" for path in dict.fromkeys(paths) if path in signals]
    return "\n".join([*lines, "zoom_fit", ""]).encode()
