# SPDX-License-Identifier: Apache-2.0
"""A small SVG canvas: boxes, arrows and text, in colours for light and dark pages."""
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

__all__ = ["Canvas", "text_width"]

#: Width of a character in units of the font's size, rounded up: the page chooses the font.
_CHARACTER = {"mono": 0.61, "plain": 0.6, "bold": 0.66, "small": 0.6}
_SIZE = {"mono": 13, "plain": 13, "bold": 15, "small": 11}

_STYLE = """
svg { background: #ffffff }
text { fill: #1f2328; font-family: "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif;
       font-size: 13px }
.mono { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace }
.bold { font-size: 15px; font-weight: bold }
.small, .muted { fill: #59636e }
.small { font-size: 11px }
.page { fill: #ffffff }
.block { fill: #f6f8fa; stroke: #1f2328; stroke-width: 1.5 }
.box { fill: #ffffff; stroke: #59636e }
.memory { fill: #ddf4ff; stroke: #0969da }
.group { fill: none; stroke: #8c959f; stroke-dasharray: 5 4 }
.wire, .stream { fill: none; stroke: #1f2328; stroke-width: 1.2 }
.stream { stroke-width: 3 }
.head { fill: #1f2328 }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 }
  text { fill: #e6edf3 }
  .small, .muted { fill: #9198a1 }
  .page { fill: #0d1117 }
  .block { fill: #151b23; stroke: #e6edf3 }
  .box { fill: #0d1117; stroke: #9198a1 }
  .memory { fill: #0c2d6b; stroke: #58a6ff }
  .group { stroke: #656c76 }
  .wire, .stream { stroke: #e6edf3 }
  .head { fill: #e6edf3 }
}
"""


def text_width(text: str, kind: str = "plain") -> float:
    """Room that a line of text needs, in pixels."""
    return len(text) * _CHARACTER[kind] * _SIZE[kind]


@dataclass
class Canvas:
    """Collects elements; ``texts`` keeps where text stands, so that a test sees overlaps."""
    width: float
    height: float
    title: str
    elements: list[str] = field(default_factory=list)
    texts: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, kind: str = "box") -> None:
        """A rectangle; ``kind`` is one of the style's classes."""
        self.boxes.append((x, y, x + width, y + height))
        self.elements.append(f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" '
                             f'height="{height:g}" rx="4"/>')

    def text(self, x: float, y: float, text: str, kind: str = "plain", *,
             anchor: str = "start", muted: str = "") -> None:
        """A line whose middle is at height ``y``; ``muted`` follows it in grey."""
        size = _SIZE[kind]
        width = text_width(text + muted, kind)
        left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        self.texts.append((left, y - size / 2, left + width, y + size / 2, text + muted))
        more = f'<tspan class="muted">{escape(muted)}</tspan>' if muted else ""
        self.elements.append(f'<text class="{kind}" x="{x:g}" y="{y + size * 0.35:g}" '
                             f'text-anchor="{anchor}" xml:space="preserve">'
                             f'{escape(text)}{more}</text>')

    def labelled(self, x: float, y: float, width: float, height: float, label: str,
                 kind: str = "box") -> None:
        """A rectangle with lines of text, parted by a newline, in its middle."""
        lines = label.split("\n")
        self.box(x, y, width, height, kind)
        for number, line in enumerate(lines):
            self.text(x + width / 2, y + height / 2 + (number - (len(lines) - 1) / 2) * 16, line,
                      anchor="middle")

    def named(self, x: float, y: float, width: float, height: float, name: str, note: str,
              kind: str = "box") -> None:
        """A rectangle with a name and, in small letters, what there is to say of it."""
        self.box(x, y, width, height, kind)
        self.text(x + width / 2, y + height / 2 - 9 * bool(note), name, anchor="middle")
        if note:
            self.text(x + width / 2, y + height / 2 + 9, note, "small", anchor="middle")

    def arrow(self, *points: tuple[float, float], kind: str = "wire", head: bool = True) -> None:
        """A line through the points, the last of which gets an arrow's head."""
        (x0, y0), (x, y) = points[-2:]
        size = 9 if kind == "stream" else 7
        across = (x > x0) - (x < x0)
        down = (y > y0) - (y < y0)
        end = (x - across * size * head, y - down * size * head)
        path = " ".join(f"{a:g},{b:g}" for a, b in (*points[:-1], end))
        self.elements.append(f'<polyline class="{kind}" points="{path}"/>')
        if head:
            half = size * 0.55
            corners = ((x, y), (end[0] + down * half, end[1] + across * half),
                       (end[0] - down * half, end[1] - across * half))
            self.elements.append('<polygon class="head" points="'
                                 + " ".join(f"{a:g},{b:g}" for a, b in corners) + '"/>')

    def overlaps(self) -> list[tuple[str, str]]:
        """Pairs of texts that touch; texts that leave the page, or cross the edge of a box."""
        found = []
        for number, (x0, y0, x1, y1, text) in enumerate(self.texts):
            if x0 < 0 or y0 < 0 or x1 > self.width or y1 > self.height:
                found.append((text, "page"))
            for a0, b0, a1, b1, other in self.texts[:number]:
                if x0 < a1 and a0 < x1 and y0 < b1 and b0 < y1:
                    found.append((text, other))
            for a0, b0, a1, b1 in self.boxes:
                touches = x0 < a1 and a0 < x1 and y0 < b1 and b0 < y1
                if touches and not (a0 <= x0 and x1 <= a1 and b0 <= y0 and y1 <= b1):
                    found.append((text, "box"))
        return found

    def render(self) -> str:
        """The file's text."""
        lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:g}" '
                 f'height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}">',
                 "<!-- SPDX-License-Identifier: Apache-2.0. Written by docs/hw/draw.py. -->",
                 f"<title>{escape(self.title)}</title>", f"<style>{_STYLE}</style>",
                 f'<rect class="page" width="{self.width:g}" height="{self.height:g}"/>',
                 *self.elements, "</svg>"]
        return "\n".join(lines) + "\n"
