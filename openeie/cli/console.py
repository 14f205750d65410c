# SPDX-License-Identifier: Apache-2.0
"""A console that prints every text as it is."""
from typing import Any

from rich.console import Console
from rich.text import Text

from ..core.host.shown import shown

__all__ = ["PlainConsole"]


class PlainConsole(Console):
    """rich's console without markup and emoji codes, since names may have brackets and colons.

    Characters that control a terminal are shown as escapes.

    Parameters
    ----------
    options : of :class:`rich.console.Console`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text of a cell, title or line, before it is measured and printed."""
        return super().render_str(shown(text), **options)
