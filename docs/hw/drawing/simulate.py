# SPDX-License-Identifier: Apache-2.0
"""Runs a block for a few cycles and writes down what its ports show, as a Markdown table."""
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from amaranth import ClockDomain, Module
from amaranth.lib import data, wiring
from amaranth.sim import Simulator
from openeie.hw.link.check import Command, Target

from .blocks import page_names

__all__ = ["Feed", "Trace"]


#: Fields of structs whose values have names.
_NAMED = {"target": Target, "command": Command}


@dataclass(frozen=True)
class Feed:
    """Payloads that a stream offers one after the other, each until it is taken."""
    payloads: list
    start: int = 0              # the cycle from which on the first is offered


@dataclass(kw_only=True)
class Trace:
    """A block, what drives it, and what its page shows.

    ``inputs`` has for each input a value for all cycles, a list with one value a cycle, whose end
    is followed by zeros, or a :class:`Feed`; an array is a tuple. ``columns`` are names of ports:

    - a stream shows its payload, in brackets while the other side does not take it;
    - a port ``x`` beside ``x_valid`` shows only what is valid;
    - ``multiply.o`` is a port of a block inside, named as its page is, and ``entries[1].o`` of
      the second such block.

    ``notes`` say what happens in a cycle.
    """
    block: wiring.Component
    cycles: int
    inputs: dict
    columns: tuple[str, ...]
    notes: dict[int, str]
    #: Steps before cycle 0: each a mapping of port to value.
    prepare: list[dict] = field(default_factory=list)
    #: Of a struct in a column: the fields that are shown.
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: What makes the text of a column.
    formats: dict[str, Callable] = field(default_factory=dict)
    #: A column that shows something only while another one is not 0, or in these cycles.
    valid: dict[str, str | range] = field(default_factory=dict)
    #: The cycle that the table calls 0; ``notes`` count from it, too.
    origin: int = 0
    #: Only the cycles with a note are shown.
    noted: bool = False

    def rows(self) -> list[list[str]]:
        """Cells of the table, cycle by cycle."""
        rows: list[list[str]] = []
        self._made: list[wiring.Component] = []

        async def bench(ctx):
            await self._prepare(ctx)
            feeds = {name: list(value.payloads) for name, value in self.inputs.items()
                     if isinstance(value, Feed)}
            for cycle in range(self.cycles):
                for name, value in self.inputs.items():
                    self._drive(ctx, name, value, feeds, cycle)
                await ctx.delay(0)
                number = cycle - self.origin
                if number in self.notes or not self.noted:
                    cells = [self._cell(ctx, name, number) for name in self.columns]
                    rows.append([str(number), *cells, self.notes.get(number, "")])
                for name, payloads in feeds.items():
                    port = getattr(self.block, name)
                    if ctx.get(port.valid) and ctx.get(port.ready):
                        payloads.pop(0)
                await ctx.tick()

        with _recorded(self._made):
            simulator = _simulator(self.block)
        simulator.add_testbench(bench)
        simulator.run()
        return rows

    def table(self) -> str:
        """The trace in Markdown."""
        heads = ["cycle", *(f"`{name}`" for name in self.columns), "what happens"]
        lines = [heads, ["---"] * len(heads), *self.rows()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    async def _prepare(self, ctx):
        for step in self.prepare:
            for name, value in step.items():
                ctx.set(self._port(name), value)
            await ctx.tick()
            for name in step:
                ctx.set(self._port(name), _zero(self._port(name)))

    def _drive(self, ctx, name, value, feeds, cycle):
        port = self._port(name)
        if isinstance(value, Feed):
            offered = feeds[name] if cycle >= value.start else []
            ctx.set(port.valid, bool(offered))
            if offered:
                ctx.set(port.payload, offered[0])
        elif isinstance(value, list):
            ctx.set(port, value[cycle] if cycle < len(value) else _zero(port))
        else:
            ctx.set(port, list(value) if isinstance(value, tuple) else value)

    def _cell(self, ctx, name, cycle):
        port = self._port(name)
        payload = getattr(port, "payload", port)
        is_valid = True
        is_ready = True
        if payload is not port:
            is_valid, is_ready = ctx.get(port.valid), ctx.get(port.ready)
        when = self.valid.get(name, f"{name}_valid")
        if isinstance(when, range):
            is_valid = cycle in when
        elif self._has(when):
            is_valid = ctx.get(self._port(when))
        if not is_valid:
            return ""
        make = self.formats.get(name, _text)
        value = _plain(ctx.get(payload))
        if name in self.fields:
            value = {field: value[field] for field in self.fields[name]}
        return make(value) if is_ready else f"({make(value)})"

    def _has(self, name):
        try:
            self._port(name)
        except AttributeError:
            return False
        return True

    def _port(self, name):
        """A port by its name: the block's own, a part of it, or one of a block inside."""
        place = self.block
        first, _, rest = name.partition(".")
        found = re.fullmatch(r"(\w+)\[(\d)\]", first)
        kind, number = (found[1], int(found[2])) if found else (first, 0)
        if rest and not hasattr(place, first):
            inner = [one for one in self._made if kind in page_names(type(one))
                     and one is not place]
            place, name = inner[number], rest
        for part in name.split("."):
            place = getattr(place, part)
        return place


@contextlib.contextmanager
def _recorded(made):
    """Keep every component that is built meanwhile: those inside a block are made by it."""
    original = wiring.Component.__init__

    def __init__(self, *arguments, **options):
        made.append(self)
        original(self, *arguments, **options)

    wiring.Component.__init__ = __init__
    try:
        yield
    finally:
        wiring.Component.__init__ = original


def _simulator(block):
    top = Module()
    top.domains.sync = ClockDomain()            # a combinational block has none of its own
    top.submodules.block = block
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    return simulator


def _zero(port):
    is_struct = isinstance(getattr(port, "shape", int)(), data.Layout)
    return {} if is_struct else 0


def _plain(value):
    """Structs as dicts, arrays as lists, everything else as an integer."""
    if not isinstance(value, data.Const):
        return int(value)
    layout = value.shape()
    if isinstance(layout, data.ArrayLayout):
        return [_plain(value[index]) for index in range(layout.length)]
    return {name: _plain(value[name]) for name, _ in layout}


def _text(value) -> str:
    """What a cell says: of a struct, its fields; of an array, its elements."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_NAMED[name](part).name if name in _NAMED else _text(part)}"
                         for name, part in value.items())
    if isinstance(value, list):
        return " ".join(f"[{_text(part)}]" if isinstance(part, dict) else str(part)
                        for part in value)
    return str(value)
