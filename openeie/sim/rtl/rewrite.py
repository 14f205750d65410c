# SPDX-License-Identifier: Apache-2.0
"""Steps that rewrite Verilog of Amaranth's converter so that Verilator has less to do in a cycle.

Verilator evaluates whatever may change, and this Verilog lets everything change: it computes every
register's next value in every cycle, in a variable of its own. These steps say what cannot:

- :func:`in_place` assigns registers where their conditions are, so that one that keeps its value
  costs nothing;
- :func:`asleep` skips the registers of a block while nothing moves in it;
- :func:`inward` skips the logic that only such registers need;
- :func:`only_if` skips logic without registers while nothing reads its results;
- :func:`common_inputs` lets PEs look at what all of them are told, instead of copying it for each;
- :func:`both_edges` makes each change of the clock a cycle, so that a cycle is evaluated once.
"""
import re
from collections.abc import Iterable
from typing import NamedTuple

from ...core.errors import ToolError

__all__ = ["Module", "parse", "in_place", "asleep", "inward", "only_if", "followers",
           "common_inputs", "both_edges", "copy_of", "connections", "instance_of", "tell"]

_NAME = r"(?:\\\S+|[A-Za-z_]\w*)"
_TARGET = re.compile(rf"(?m)^ +(?:assign )?({_NAME}) *(\[[^]]*\] *)?= ")
_WRITTEN = re.compile(rf"(?m)^ +({_NAME}) *(\[.*?\] *)?<= ")
_KEYWORDS = {"assign", "always", "begin", "end", "if", "else", "casez", "default", "endcase"}
_REGISTER = re.compile(rf"  always @\(posedge (\w+)\)\n    ({_NAME}) +<= ({_NAME}) *;")
_RESET = re.compile(r"    if \((reset|rst|core_rst)\) begin")


class Module(NamedTuple):
    """One Verilog module. Its items are declarations, assignments, processes and instances."""
    name: str
    header: str
    items: list[str]

    @property
    def text(self) -> str:
        return "\n".join([self.header, *self.items, "endmodule", ""])


def parse(verilog: str) -> list[Module]:
    """The modules of Verilog as Yosys writes it: an item begins with two spaces."""
    modules = []
    for text in re.split(r"(?m)^(?=module )", verilog)[1:]:
        body = text[:text.rindex("endmodule")]
        pieces = re.split(r"\n(?=  (?!end\b|\);)\S)", body.rstrip("\n"))
        name = re.match(rf"module ({_NAME})", text)
        assert name is not None
        modules.append(Module(name[1].removeprefix("\\"), pieces[0], pieces[1:]))
    return modules


def uses(name: str, text: str) -> int:
    """How often the identifier ``name`` occurs."""
    if name.startswith("\\"):
        return text.count(name + " ")       # an escaped name ends with a space
    return len(re.findall(rf"(?<![\w$.\\]){re.escape(name)}(?![\w$])", text))


def in_place(module: Module, apart: Iterable[str] = ()) -> None:
    """Assign registers in the processes that compute their next values.

    A register ``r`` comes as ``r <= next`` and a process that computes ``next``, beginning with
    ``next = r``. If nothing else reads ``next``, the process may assign ``r`` itself. One process
    then has all registers, and each reset once, at its end; another one has those of ``apart``.
    """
    apart = set(apart)
    computed: dict[str, int] = {}
    for index, item in enumerate(module.items):
        targets = _targets(item)
        if item.startswith("  always @* begin") and len(targets) == 1:
            computed[targets.pop()] = index
    text = module.text
    clocks: dict[tuple[str, bool], list[list[str]]] = {}
    done = set()
    for index, item in enumerate(module.items):
        match = _REGISTER.fullmatch(item)
        if match is None:
            continue
        clock, register, value = match.groups()
        process = computed.get(value)
        if process is None or not _only_assigned(value, module.items[process], text):
            lines = [f"    {register} <= {value} ;"]        # `value` is read elsewhere, too
        else:
            lines = _assigning(module.items[process], value, register)
            done.add(process)
        done.add(index)
        clocks.setdefault((clock, register in apart), []).append(lines)
    kept = [item for index, item in enumerate(module.items) if index not in done]
    module.items[:] = [*kept, *(_process(clock, bodies)
                                 for (clock, _), bodies in clocks.items())]


def _only_assigned(value: str, process: str, module: str) -> bool:
    """Whether a process only assigns ``value``, and nothing but a register reads it."""
    assigned = sum(match[1] == value for match in _TARGET.finditer(process))
    declared_and_read = 2
    return uses(value, process) == assigned and uses(value, module) == assigned + declared_and_read


def _assigning(process: str, value: str, register: str) -> list[str]:
    """Statements of a process for ``value``, with ``register`` assigned instead of it."""
    lines = [line for line in process.split("\n")[1:-1] if "$verilog_backend" not in line]
    pattern = re.compile(rf"^( +){re.escape(value)} *((?:\[[^]]*\] *)?)= ")
    lines = [pattern.sub(lambda match: f"{match[1]}{register} {match[2]}<= ", line)
             for line in lines]
    if re.fullmatch(rf"    {re.escape(register)} <= {re.escape(register)} *;", lines[0]):
        del lines[0]                                        # it keeps its value
    return lines


def _process(clock: str, bodies: Iterable[list[str]]) -> str:
    """One process with the statements of several registers; equal resets are merged."""
    statements: list[str] = []
    resets: dict[str, list[str]] = {}
    for lines in bodies:
        while len(lines) > 2 and lines[-1] == "    end":
            match = _RESET.fullmatch(lines[-3])
            if match is None:
                break
            resets.setdefault(match[1], []).append(lines[-2])
            lines = lines[:-3]
        statements += lines
    for name, values in reversed(resets.items()):           # in the order in which they came
        statements += [f"    if ({name}) begin", *values, "    end"]
    return "\n".join([f"  always @(posedge {clock}) begin", *statements, "  end"])


def asleep(module: Module, awake: str, only: Iterable[str] = ()) -> None:
    """Let registers keep their values unless ``awake``; memories are still written.

    only : one register of each process that this is for; all processes if it is empty.
    """
    memories = re.findall(rf"(?m)^  reg [^;\n]*?({_NAME}) +\[\d+:0\];", module.text)
    for index, item in enumerate(module.items):
        written = _written(item)
        if not written or written & set(memories):
            continue
        if not only or written & set(only):
            module.items[index] = _guarded(item, awake)


def _guarded(process: str, condition: str) -> str:
    """A process that does nothing unless ``condition``."""
    first, *lines = process.split("\n")
    if first.endswith(" begin"):
        del lines[-1]                                       # its end
    clock = first.removesuffix(" begin")
    return "\n".join([f"{clock} begin", f"    if ({condition}) begin", *lines, "    end", "  end"])


def followers(module: Module, sources: Iterable[str]) -> set[str]:
    """Signals that depend on ``sources`` and constants alone, in whatever later cycle."""
    known = set(sources)
    grown = True
    while grown:
        grown = False
        for item in module.items:
            targets = _targets(item) | _written(item)
            if targets <= known or not item.startswith(("  assign", "  always")):
                continue
            if _names(item) - targets <= known:
                known |= targets
                grown = True
    return known - set(sources)


def _names(item: str) -> set[str]:
    """The signals in a process or an assignment."""
    item = re.sub(r"\(\*.*?\*\)|\d*'[hdbx]\w+|@\(posedge \w+\)|if \(\S+ \) begin end", "", item)
    return {name for name in re.findall(_NAME, item) if name not in _KEYWORDS}


def only_if(module: Module, condition: str) -> None:
    """Let a module without registers compute its results only if ``condition``.

    They are undefined otherwise. All of it becomes one process, in the order of its inputs.
    """
    logic = _logic(module)
    names = sorted(set().union(*(_targets(item) for item in logic)))
    lines = [line for item in _in_order(module, logic) for line in _statements(item)]
    undefined = [f"      {name} = 'x;" for name in names]
    _remove(module, logic, names)
    module.items.append("\n".join([
        "  always @* begin", f"    if ({condition}) begin", *lines, "    end else begin",
        *undefined, "    end", "  end"]))


def inward(module: Module, register: str) -> None:
    """Move logic into the process of ``register``, if nothing else needs its results.

    So it is skipped with the process.
    """
    process = next(item for item in module.items
                   if register in _written(item) and item.startswith("  always"))
    logic = _logic(module)
    others = [item for item in module.items if item is not process and item not in logic
              and not re.match(r"  (wire|reg|input) ", item)]
    elsewhere = _needed(logic, others)
    inside = [item for item in _needed(logic, [process]) if item not in elsewhere]
    first, guard, *lines = process.split("\n")
    module.items[module.items.index(process)] = "\n".join([
        first, guard, *(line for item in _in_order(module, inside) for line in _statements(item)),
        *lines])
    _remove(module, inside, set().union(*(_targets(item) for item in inside)))


def _needed(logic: list[str], readers: list[str]) -> list[str]:
    """The combinational items whose results ``readers`` use, in whatever number of steps."""
    found: list[str] = []
    text = "\n".join(readers)
    while text:
        new = [item for item in logic
               if item not in found and any(uses(name, text) for name in _targets(item))]
        found += new
        text = "\n".join(new)
    return found


def _logic(module: Module) -> list[str]:
    """The items without registers: assignments and combinational processes."""
    return [item for item in module.items if item.startswith(("  assign ", "  always @*"))]


def _targets(item: str) -> set[str]:
    """What a combinational item assigns."""
    names = {match[1] for match in _TARGET.finditer(item)}
    for parts in re.findall(r"(?m)^ +(?:assign )?\{([^}]*)\} *= ", item):
        names |= set(re.findall(_NAME, parts))
    return names


def _written(item: str) -> set[str]:
    """The registers and memories that a process assigns."""
    return {match[1] for match in _WRITTEN.finditer(item)}


def _statements(item: str) -> list[str]:
    """An assignment or a combinational process as lines of another process."""
    if item.startswith("  assign "):
        return ["    " + item.strip().removeprefix("assign ")]
    lines = item.split("\n")[1:]
    if item.startswith("  always @* begin"):
        lines = [line for line in lines[:-1] if "$verilog_backend" not in line]
    return lines


def _in_order(module: Module, logic: list[str]) -> list[str]:
    """Combinational items so that each comes after those whose targets it reads."""
    left = list(logic)
    targets = {item: _targets(item) for item in left}
    ordered: list[str] = []
    while left:
        unknown = set().union(*(targets[item] for item in left))
        ready = [item for item in left
                 if not any(uses(name, item) for name in unknown - targets[item])]
        if not ready:
            raise ToolError(f"the logic of the module {module.name} has a loop, so it cannot be "
                            f"put in order; report this with the configuration")
        ordered += ready
        left = [item for item in left if item not in ready]
    return ordered


def _remove(module: Module, logic: list[str], names: Iterable[str]) -> None:
    """Take out items whose targets, ``names``, a process now assigns."""
    kept = [item for item in module.items if item not in logic]
    for index, item in enumerate(kept):
        match = re.fullmatch(rf"  wire (.*?)({_NAME}) *;", item)
        if match is not None and match[2] in names:
            kept[index] = f"  reg {match[1]}{match[2]} ;"
    module.items[:] = kept


def common_inputs(modules: dict[str, Module], pe: str, array: str, path: str) -> None:
    """Inputs that are the same for all PEs become references to the array's own signals.

    Each PE is alone in a module between the array and itself, ``array.peN``.

    pe, array : names of the two modules. path : of the array's one instance.
    """
    around = {name: module for name, module in modules.items()
              if re.fullmatch(rf"{re.escape(array)}\.pe\d+", name)}
    told: dict[str, set[str]] = {}
    for name, module in around.items():
        outer = connections(instance_of(modules[array], name))
        for port, value in connections(instance_of(module, pe)).items():
            told.setdefault(port, set()).add(outer.get(value, ""))
    inputs = {match[2]: match[1] or "" for item in modules[pe].items
              if (match := re.fullmatch(rf"  input (\[\S+\] )?({_NAME});", item))}
    common = {port: values.pop() for port, values in told.items()
              if port in inputs and len(values) == 1}
    modules[array].items.extend(f"  wire {inputs[port]}all_{port} = {value};"
                             for port, value in common.items())
    for module in around.values():
        for port in common:
            module.items[:] = [_without(item, port) for item in module.items]
    header = modules[pe].header
    for port in common:
        header = re.sub(rf"\b{port}\b\n?(, )?", "", header, count=1)
    modules[pe] = modules[pe]._replace(header=re.sub(r",\s*\)", ")", header))
    modules[pe].items[:] = [item for item in modules[pe].items
                            if item not in {f"  input {inputs[port]}{port};" for port in common}]
    modules[pe].items.extend(f"  assign {port} = {path}.all_{port};" for port in common)


def instance_of(module: Module, of: str) -> str:
    """The one instance of the module ``of``."""
    instance, = (item for item in module.items
                 if item.startswith((f"  {of} ", f"  \\{of} ")))
    return instance


def connections(instance: str) -> dict[str, str]:
    """What an instance's ports are connected to."""
    return dict(re.findall(rf"(?m)^    \.({_NAME}) ?\((.*)\),?$", instance))


def _without(item: str, port: str) -> str:
    """An instance without one of its connections."""
    item = re.sub(rf"\n    \.{port}\([^\n]*\),?", "", item)
    return item.replace(",\n  );", "\n  );")


def both_edges(module: Module, clock: str) -> None:
    """Every change of ``clock`` is a cycle, for all registers."""
    module.items[:] = [re.sub(r"posedge \w+", f"edge {clock}", item) for item in module.items]


def copy_of(module: Module, name: str) -> str:
    """The register that follows the input ``name``."""
    for item in module.items:
        match = _REGISTER.fullmatch(item)
        if match is not None and match[3] == name:
            return match[2]
    raise ToolError(f"the module {module.name} has no register for {name}; "
                    f"sim/rtl/quick.py must follow the change of the gateware")


def tell(modules: dict[str, Module], parent: str, instance: str, port: str, value: str) -> None:
    """Give a module one more input."""
    name = f"{parent}.{instance}"
    inside = modules[name]
    header = inside.header.replace(" (", f" ({port}, ", 1)
    modules[name] = Module(name, header, [f"  input {port};", *inside.items])
    outside = modules[parent]
    of = instance_of(outside, name)
    outside.items[outside.items.index(of)] = of.replace(" (\n", f" (\n    .{port}({value}),\n", 1)
