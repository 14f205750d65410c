# SPDX-License-Identifier: Apache-2.0
"""Saved views of a waveform: which signals to look at, for GTKWave and for Surfer.

The signals' names are taken from the waveform's own header, so a view never asks for a signal that
is not there, whatever array it shows.
"""
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vcd.gtkw import GTKWSave

from ...core.array.config import CLUSTERS
from ...core.errors import InputError
from ...core.host.untrusted import check_regular

__all__ = ["Signal", "read_header", "wanted", "gtkwave_view", "surfer_view"]

#: PEs whose signals are in the view; those of others are easily found by their names.
_SHOWN_PES = 4

# Groups of signals; of each signal its label, its scope below the top, and its name.
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
#: Groups of which each cluster has its own; their scopes end in its number.
_PER_CLUSTER = ("lnzd", "broadcast")
# The signals of a PE: label, scope below the PE's blocks, name.
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
    scope : names of the modules around it, from the top.
    name : in its scope; the name of a record's field has a dot.
    bits : its range, as ``[7:0]``; empty for one bit.
    """
    scope: tuple[str, ...]
    name: str
    bits: str = ""

    @property
    def path(self) -> str:
        """Scope and name, joined by dots."""
        return ".".join((*self.scope, self.name))


def read_header(path: Path) -> dict[str, Signal]:
    """A waveform's signals by :attr:`Signal.path`; only the header of the file is read.

    Raises
    ------
    InputError : the file cannot be read, or is no waveform.
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


def _parse(file: BinaryIO) -> dict[str, Signal]:
    """Read a header line by line, as Verilator writes it.

    Names that begin with a ``$`` are the converter's own and left out. (pyvcd's reader does not
    accept them, since the standard does not have them.)

    Raises
    ------
    IndexError : the header is cut off or malformed.
    """
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
            bits = "" if words[5] == "$end" else words[5]
            signal = Signal(tuple(scope), words[4], bits)
            signals[signal.path] = signal
    raise IndexError


def wanted(signals: dict[str, Signal]) -> list[tuple[str, list[tuple[str, Signal]]]]:
    """Groups of signals for a view, each a name and (label, signal) of those that are there."""
    top = next((signal.scope for signal in signals.values()
                if signal.scope[-1] == "openeie"), ())
    pes = _pe_numbers(signals.values())
    first = f"pe{pes[0]}" if pes else ""
    clusters = ("", *map(str, range(max(CLUSTERS))))        # numbered if there are several
    groups = []
    for name, parts in _ARRAY:
        for cluster in clusters if name in _PER_CLUSTER else ("",):
            places = [(label, f"{scope.format(pe=first)}{cluster}", signal)
                      for label, scope, signal in parts]
            groups.append((f"{name} {cluster}".strip(), list(_found(signals, top, places))))
    for pe in pes[:_SHOWN_PES]:
        blocks = (*top, f"accelerator.array.pe{pe}.pe.blocks")
        groups.append((f"PE {pe}", list(_found(signals, blocks, _PE))))
    return [(name, found) for name, found in groups if found]


def _pe_numbers(signals: Iterable[Signal]) -> list[int]:
    """Numbers of the PEs that have signals, in order."""
    scopes = {scope for signal in signals for scope in signal.scope}
    matches = [re.fullmatch(r"pe(\d+)", scope) for scope in scopes]
    return sorted(int(match[1]) for match in matches if match)


def _found(signals: dict[str, Signal], top: tuple[str, ...],
           places: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, Signal]]:
    """(label, signal) of those ``places``, (label, scope below ``top``, name), that are there."""
    for label, scope, name in places:
        path = ".".join(part for part in (*top, scope, name) if part)
        if path in signals:
            yield label, signals[path]


def gtkwave_view(waveform: Path, signals: dict[str, Signal]) -> bytes:
    """A saved view for GTKWave (a .gtkw file) of the file ``waveform``."""
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
                is_mask = signal.name in ("pending", "done")
                view.trace(signal.path + signal.bits, alias=label,
                           datafmt="hex" if is_mask else "dec")
    return file.getvalue().encode()


def surfer_view(waveform: Path, signals: dict[str, Signal]) -> bytes:
    """A command file for Surfer that loads the file ``waveform``.

    Surfer reads a dot as the end of a scope, so whole records are added instead of their fields.
    """
    lines = [f"load_file {waveform.absolute()}"]
    for group, found in wanted(signals):
        lines.append(f"divider_add {group}")
        paths = [".".join((*signal.scope, signal.name.partition(".")[0])) for _, signal in found]
        lines += [f"variable_add {path}" for path in dict.fromkeys(paths) if path in signals]
    return "\n".join([*lines, "zoom_fit", ""]).encode()
