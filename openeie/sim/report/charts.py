# SPDX-License-Identifier: Apache-2.0
"""A report's charts as SVG without text: they stretch to any width, and the page has the words.

Colours are classes of the page's style sheet, which has a light and a dark scheme.
"""
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

import numpy as np

from .trace import QueueTrace

__all__ = ["LEVELS", "bar", "heat", "queue_chart"]

#: Shades of a heat map.
LEVELS = 10


def _svg(width: float, height: float, style: str, says: str) -> ElementTree.Element:
    """An empty drawing of class ``style``; ``says`` is its text for those who cannot see it."""
    svg = ElementTree.Element("svg", {
        "class": style, "viewBox": f"0 0 {_number(width)} {_number(height)}",
        "preserveAspectRatio": "none", "role": "img", "aria-label": says})
    ElementTree.SubElement(svg, "title").text = says
    return svg


def _text(svg: ElementTree.Element) -> str:
    return ElementTree.tostring(svg, encoding="unicode")


def _number(value: float) -> str:
    """At most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def bar(parts: Iterable[tuple[str, float]], whole: float, says: str) -> str:
    """A horizontal bar of several parts, each (class, length); ``whole`` is the full width.

    says : its text for screen readers.
    """
    svg = _svg(1000, 10, "bar", says)
    left = 0.0
    for style, length in parts:
        width = 1000 * length / whole if whole else 0
        if width >= 0.05:
            ElementTree.SubElement(svg, "rect", {
                "class": f"c-{style}", "x": _number(left), "width": _number(width),
                "height": "10"})
        left += width
    return _text(svg)


def heat(shares: Sequence[float], most: float, says: str) -> str:
    """A row of cells, one for each PE, in shades from 0 to ``most``; one path per shade."""
    svg = _svg(len(shares), 1, "heat", says)
    levels = np.minimum(np.floor(np.asarray(shares) / most * LEVELS), LEVELS - 1).astype(int)
    for level in np.unique(levels):
        places = np.flatnonzero(levels == level)
        runs = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
        path = "".join(f"M{run[0]} 0h{len(run)}v1h-{len(run)}z" for run in runs)
        ElementTree.SubElement(svg, "path", {"class": f"h{level}", "d": path})
    return _text(svg)


def queue_chart(queue: QueueTrace, says: str) -> str:
    """The fullest queue as an area, and the mean of all as a darker one in front of it.

    Time runs from left to right; the height is the depth of a queue.
    """
    svg = _svg(len(queue.total), queue.depth, "queue", says)
    for style, values in (("most", queue.most), ("mean", queue.mean)):
        steps = "".join(f"V{_number(queue.depth - value)}h1" for value in values.tolist())
        ElementTree.SubElement(svg, "path", {
            "class": style, "d": f"M0 {queue.depth}{steps}V{queue.depth}z"})
    return _text(svg)
