# SPDX-License-Identifier: Apache-2.0
"""Names from files in tables and charts: nothing in them is markup, mathematics or a command.

A name in a file may be any text. Tables are printed by
:class:`openeie.cli.console.PlainConsole`. Charts are drawn in a style that contains
:data:`PICTURE_STYLE`, and their names pass through :func:`label`.
"""
from typing import Any

__all__ = ["PICTURE_STYLE", "shown", "label"]

#: What all charts have in common: fonts, and that the same numbers give the same bytes.
PICTURE_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],    # on every system
    "font.size": 9,
    "svg.fonttype": "none",             # text stays text: searchable, and a small file
    "svg.hashsalt": "openeie",          # the same run gives the same bytes
    "text.parse_math": False,           # a dollar sign in a name is just that
}


def shown(text: str) -> str:
    """The text with every character that cannot be printed, except line ends, replaced by an escape
    such as ``\\x1b``. A terminal would obey such characters, and XML forbids them."""
    return "".join(one if one.isprintable() or one == "\n"
                   else one.encode("unicode_escape").decode() for one in text)


def label(name: str) -> str:
    """A name for a chart. Matplotlib leaves names that begin with an underscore out of legends, so
    these get an invisible character in front."""
    text = shown(name)
    return f"\N{WORD JOINER}{text}" if text.startswith("_") else text
