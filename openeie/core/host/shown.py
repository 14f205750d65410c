# SPDX-License-Identifier: Apache-2.0
"""Names of others in tables and pictures: nothing in them is markup, mathematics or a command.

A name that comes in a file may be any text. Tables are printed by
:class:`openeie.cli.console.PlainConsole`, pictures drawn in a style that holds
:data:`PICTURE_STYLE`, and their names pass through :func:`label`.
"""
from typing import Any

__all__ = ["PICTURE_STYLE", "shown", "label"]

#: What all pictures have in common: fonts, and that the same numbers give the same bytes.
PICTURE_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],    # another elsewhere
    "font.size": 9,
    "svg.fonttype": "none",             # text stays text: it can be searched for, and is small
    "svg.hashsalt": "openeie",          # the same run gives the same bytes
    "text.parse_math": False,           # a dollar in a name is a dollar
}


def shown(text: str) -> str:
    """The text with what cannot be printed, line ends apart, as an escape such as ``\\x1b``: a
    terminal obeys such characters, and XML may not hold them."""
    return "".join(one if one.isprintable() or one == "\n"
                   else one.encode("unicode_escape").decode() for one in text)


def label(name: str) -> str:
    """A name in a picture; matplotlib leaves one that begins with an underscore out of legends."""
    text = shown(name)
    return f"\N{WORD JOINER}{text}" if text.startswith("_") else text
