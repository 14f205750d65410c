# SPDX-License-Identifier: Apache-2.0
"""The drawing of one block: its ports at the sides, what is inside in the middle."""
from .layout import Inside, Layout
from .ports import Port, shape_text
from .svg import Canvas, text_width

__all__ = ["draw_block"]

_LINE = 20              # from one port to the next
_TITLE = 46
_WIRE = 26
_PAD = 18


def draw_block(title: str, ports: list[Port], inside: Inside) -> Canvas:
    """Inputs left, outputs right, each in the order of the signature; streams are thick."""
    layout = Layout(inside)
    inputs = [port for port in ports if port.is_input]
    outputs = [port for port in ports if not port.is_input]
    ports_height = layout.heights[0] / 2 + _LINE * max(len(inputs), len(outputs))
    height = _TITLE + max(layout.height + 20, ports_height)
    width = max(layout.width, text_width(title, "bold") + 40)
    left = _PAD + _margin(inputs)
    right = left + width

    canvas = Canvas(right + _margin(outputs) + _PAD, height + 2 * _PAD,
                    f"{title}: ports and what is inside")
    canvas.box(left, _PAD, width, height, "block")
    canvas.text((left + right) / 2, _PAD + 20, title, "bold", anchor="middle")
    top = _PAD + _TITLE
    first = top + layout.heights[0] / 2
    for number, port in enumerate(inputs):
        _input(canvas, left, first + number * _LINE, port)
    for number, port in enumerate(outputs):
        _output(canvas, right, first + number * _LINE, port)
    layout.place(left + (width - layout.width) / 2, top)
    _inside(canvas, layout, (left, right))
    return canvas


def _margin(ports):
    """Room for the ports of one side."""
    names = [text_width(port.name + _shape(port), "mono") for port in ports]
    return max(names, default=0) + 8 + _WIRE


def _shape(port):
    """What stands behind a port's name; nothing for one bit."""
    text = shape_text(port.shapes)
    return "" if text == "1" else f" {text}"


def _input(canvas, edge, y, port):
    kind = "stream" if port.is_stream else "wire"
    canvas.text(edge - _WIRE - 8, y, port.name, "mono", anchor="end", muted=_shape(port))
    canvas.arrow((edge - _WIRE, y), (edge, y), kind=kind)


def _output(canvas, edge, y, port):
    kind = "stream" if port.is_stream else "wire"
    canvas.arrow((edge, y), (edge + _WIRE, y), kind=kind)
    canvas.text(edge + _WIRE + 8, y, port.name, "mono", muted=_shape(port))


def _inside(canvas, layout, edges):
    for start, end in layout.arrows:
        # In the first row a port's own arrow goes on from the edge.
        has_head = bool(end) or layout.cells[start].row > 0
        canvas.arrow(*layout.route(start, end, edges), head=has_head)
    for cell in layout.cells.values():
        canvas.labelled(cell.left, cell.top, cell.width, cell.height, cell.label, cell.kind)
