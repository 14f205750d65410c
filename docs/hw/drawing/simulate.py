# SPDX-License-Identifier: Apache-2.0
"""Runs a block for a few cycles and writes down what its ports show, as a Markdown table."""
from dataclasses import dataclass, field

from amaranth import ClockDomain, Module
from amaranth.lib import data
from amaranth.sim import Simulator

__all__ = ["Feed", "Trace", "show"]


@dataclass(frozen=True)
class Feed:
    """Payloads that a stream offers one after the other, each until it is taken."""
    payloads: list
    start: int = 0              # the cycle from which on the first is offered


@dataclass
class Trace:
    """A block, what drives it, and what the table shows.

    ``inputs`` has for each input a value for all cycles, a list with one value a cycle, whose end
    is followed by zeros, or a :class:`Feed`. ``columns`` are names of ports; a stream shows its
    payload, in brackets while the other side does not take it; a port ``x`` beside ``x_valid``
    shows only what is valid. ``notes`` say what happens in a cycle. ``prepare`` has steps before
    cycle 0, each a mapping of port to value. ``skip`` cycles are left out of the table.
    """
    block: object
    cycles: int
    inputs: dict = field(default_factory=dict)
    columns: tuple = ()
    notes: dict = field(default_factory=dict)
    prepare: list = field(default_factory=list)
    fields: dict = field(default_factory=dict)      # of a struct: those that a column shows
    only: range | None = None                       # cycles that the table shows
    formats: dict = field(default_factory=dict)     # of a column: what makes text of its value

    def rows(self) -> list[list[str]]:
        """Cells of the table, cycle by cycle."""
        rows = []

        async def bench(ctx):
            await _prepare(ctx, self.block, self.prepare)
            feeds = {name: list(value.payloads) for name, value in self.inputs.items()
                     if isinstance(value, Feed)}
            for cycle in range(self.cycles):
                for name, value in self.inputs.items():
                    self._drive(ctx, name, value, feeds, cycle)
                await ctx.delay(0)
                if self.only is None or cycle in self.only:
                    rows.append([str(cycle), *(self._cell(ctx, name) for name in self.columns),
                                 self.notes.get(cycle, "")])
                for name, payloads in feeds.items():
                    port = getattr(self.block, name)
                    if ctx.get(port.valid) and ctx.get(port.ready):
                        payloads.pop(0)
                await ctx.tick()
        show(self.block, bench)
        return rows

    def table(self) -> str:
        """The trace in Markdown."""
        heads = ["cycle", *(f"`{name}`" for name in self.columns), "what happens"]
        rows = self.rows()
        lines = [heads, ["---"] * len(heads), *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def _drive(self, ctx, name, value, feeds, cycle):
        port = _port(self.block, name)
        if isinstance(value, Feed):
            offered = feeds[name] if cycle >= value.start else []
            ctx.set(port.valid, bool(offered))
            if offered:
                ctx.set(port.payload, offered[0])
            return
        if isinstance(value, list):
            zero = {} if isinstance(getattr(port, "shape", int)(), data.Layout) else 0
            value = value[cycle] if cycle < len(value) else zero
        ctx.set(port, value)

    def _cell(self, ctx, name):
        port = _port(self.block, name)
        valid, ready = True, True
        payload = port
        if hasattr(port, "payload"):
            valid, ready, payload = ctx.get(port.valid), ctx.get(port.ready), port.payload
        elif hasattr(self.block, f"{name}_valid"):
            valid = ctx.get(getattr(self.block, f"{name}_valid"))
        if not valid:
            return ""
        value = _plain(ctx.get(payload))
        text = self.formats.get(name, lambda value: _text(value, self.fields.get(name)))(value)
        return text if ready else f"({text})"


def show(block, bench) -> None:
    """Run a testbench to its end, at most 100,000 cycles."""
    top = Module()
    top.domains.sync = ClockDomain()            # a combinational block has none of its own
    top.submodules.block = block
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run_until(0.1)


async def _prepare(ctx, block, steps) -> None:
    for step in steps:
        for name, value in step.items():
            ctx.set(_port(block, name), value)
        await ctx.tick()
        for name in step:
            port = _port(block, name)
            is_struct = isinstance(getattr(port, "shape", int)(), data.Layout)
            ctx.set(port, {} if is_struct else 0)


def _port(block, name):
    """A port by its name; a dot leads into a stream."""
    for part in name.split("."):
        block = getattr(block, part)
    return block


def _plain(value):
    """Structs as dicts, arrays as lists, everything else as an integer."""
    if not isinstance(value, data.Const):
        return int(value)
    layout = value.shape()
    if isinstance(layout, data.ArrayLayout):
        return [_plain(value[index]) for index in range(layout.length)]
    return {name: _plain(value[name]) for name, _ in layout}


def _text(value, fields=None) -> str:
    """What a cell says; of a struct, the fields that are asked for."""
    if isinstance(value, dict):
        shown = value if fields is None else {name: value[name] for name in fields}
        return ", ".join(f"{name} {_text(part)}" for name, part in shown.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
