# SPDX-License-Identifier: Apache-2.0
"""A block's ports: names, directions and widths from its signature, meanings from its docstring."""
import enum
import inspect
import re
from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import data, stream
from openeie import ArrayConfig
from openeie.hw import structs
from openeie.hw.link.check import RequestHead

__all__ = ["ARRAYS", "Port", "ports_of", "port_table", "struct_table", "shape_text", "meanings"]

#: The one layout that is not a class of its own.
_TABLE = "TableWord"
_EVERYTHING = {"operations": ("linear", "conv", "pool")}

#: Two arrays in which every width differs, so that a port's two widths tell what it depends on.
ARRAYS = (
    ArrayConfig(pes=8, clusters=2, queue_depth=4, act_width=8, weight_width=13, acc_width=40,
                code_width=8, run_width=3, word_width=32, entry_depth=1 << 9,
                pointer_depth=1 << 10, act_depth=1 << 12, acc_depth=1 << 7,
                channel_depth=1 << 12, counter_width=30, max_layers=1 << 5,
                max_code_length=14, **_EVERYTHING),
    ArrayConfig(pes=32, clusters=8, queue_depth=8, act_width=16, weight_width=12, acc_width=48,
                code_width=3, run_width=7, word_width=64, entry_depth=1 << 13,
                pointer_depth=1 << 11, act_depth=1 << 9, acc_depth=1 << 10,
                channel_depth=1 << 15, counter_width=31, max_layers=1 << 4,
                max_code_length=15, **_EVERYTHING))

_NAMES = ("pes", "clusters", "cluster_width", "act_width", "weight_width", "acc_width",
          "code_width", "run_width", "word_width", "counter_width", "layer_width", "row_width",
          "pointer_width", "column_address_width", "entry_address_width", "act_address_width",
          "channel_address_width", "max_code_length")


@dataclass(frozen=True)
class Port:
    """One member of a signature; a stream is one port."""
    name: str
    is_input: bool
    is_stream: bool
    shapes: tuple           # the payload's, in each of ARRAYS


def ports_of(block) -> list[Port]:
    """All members of a block's signature."""
    first, second = (block.make(config).signature.members for config in ARRAYS)
    ports = []
    for name, member in first.items():
        is_stream = not member.is_port
        shapes = (member, second[name])
        if is_stream:
            assert isinstance(member.signature, stream.Signature), name
            shapes = tuple(one.signature.members["payload"].shape for one in shapes)
        else:
            shapes = tuple(one.shape for one in shapes)
        ports.append(Port(name, member.flow.name == "In", is_stream, shapes))
    return ports


def _number(values: tuple[int, int]) -> str:
    """A number of the two arrays as a constant, a field of ArrayConfig, or a sum of such."""
    if values[0] == values[1]:
        return str(values[0])
    known = {name: tuple(getattr(config, name) for config in ARRAYS) for name in _NAMES}
    for candidates in (_exact(known), _with_constant(known), _sums(known)):
        found = [text for text, pair in candidates if pair == values]
        if found:
            assert len(found) == 1, f"ARRAYS do not tell {found} apart"
            return found[0]
    raise ValueError(f"no field of ArrayConfig explains {values}")


def _exact(known):
    return known.items()


def _with_constant(known):
    for name, (first, second) in known.items():
        yield f"2 x {name}", (2 * first, 2 * second)
        for more in range(1, 6):
            yield f"{name} + {more}", (first + more, second + more)


def _sums(known):
    known = known | {"max(code_width, run_width)": tuple(
        max(config.code_width, config.run_width) for config in ARRAYS)}
    names = list(known)
    for number, name in enumerate(names):
        for other in names[number + 1:]:
            yield f"{name} + {other}", tuple(map(sum, zip(known[name], known[other])))


def shape_text(shapes) -> str:
    """What a port or a field is: a struct's name, or a width in terms of ArrayConfig."""
    first, second = shapes
    if isinstance(first, data.ArrayLayout):
        element = shape_text((first.elem_shape, second.elem_shape))
        return f"{_number((first.length, second.length))} x {element}"
    if isinstance(first, data.StructLayout):
        return type(first).__name__ if type(first) is not data.StructLayout else _TABLE
    if isinstance(first, enum.EnumMeta):
        return first.__name__
    one, other = Shape.cast(first), Shape.cast(second)
    width = _number((one.width, other.width))
    return f"signed {width}" if one.signed else width


def meanings(component) -> list[tuple[list[str], str]]:
    """The docstring's section "Members": names that belong together, and what they mean."""
    text = inspect.getdoc(component)
    _, found, section = text.partition("Members\n-------\n")
    if not found:
        raise ValueError(f"the docstring of {component.__name__} has no section Members")
    section = re.split(r"\n\n\w+\n-+\n", section)[0]
    entries = re.findall(r"^(\w[\w, \n]*?) : (.*(?:\n .*)*)", section, re.MULTILINE)
    return [(re.split(r",\s*", names), _plain(" ".join(text.split()))) for names, text in entries]


def _plain(text: str) -> str:
    """Markdown of a docstring's mark-up."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    text = text.replace("``", "`").replace("|", "\\|").strip()
    return text[0].upper() + text[1:] if text[0].isalpha() else text


def port_table(component, ports: list[Port]) -> str:
    """Markdown: a line for each group of ports that the docstring explains together."""
    by_name = {port.name: port for port in ports}
    lines = ["| port | direction | width or struct | meaning |", "| --- | --- | --- | --- |"]
    explained: list[str] = []
    for names, meaning in meanings(component):
        group = [by_name[name] for name in names]
        explained += names
        lines.append("| " + " | ".join((
            "<br>".join(f"`{port.name}`" for port in group),
            "<br>".join(_direction(port) for port in group),
            "<br>".join(shape_text(port.shapes) for port in group), meaning)) + " |")
    missing = [name for name in by_name if name not in explained]
    if missing or len(explained) != len(set(explained)):
        raise ValueError(f"the docstring of {component.__name__} must explain every port once; "
                         f"missing: {missing}")
    return "\n".join(lines)


def _direction(port: Port) -> str:
    return ("in" if port.is_input else "out") + (" stream" if port.is_stream else "")


def struct_table() -> str:
    """Markdown: fields of each struct that travels between blocks."""
    lines = ["| struct | what it is | fields |", "| --- | --- | --- |"]
    for struct in (*vars(structs).values(), RequestHead):
        if not inspect.isclass(struct) or not issubclass(struct, data.StructLayout):
            continue
        takes_config = "config" in inspect.signature(struct.__init__).parameters
        first, second = (struct(config) if takes_config else struct() for config in ARRAYS)
        meaning = _plain(inspect.getdoc(struct).partition("\n\n")[0].replace("\n", " "))
        lines.append(f"| `{struct.__name__}` | {meaning} | {_fields(first, second)} |")
    table = structs.TABLE_LAYOUT
    lines.append(f"| `{_TABLE}` | A row of the Huffman tables, for one codeword length. | "
                 f"{_fields(table, table)} |")
    return "\n".join(lines)


def _fields(first, second) -> str:
    return ", ".join(f"`{name}` {shape_text((field.shape, second[name].shape))}"
                     for name, field in first)
