# SPDX-License-Identifier: Apache-2.0
"""The console to which every text is only text."""
from typing import Any

from rich.console import Console
from rich.text import Text

from ..core.host.shown import shown

__all__ = ["PlainConsole"]


class PlainConsole(Console):
    """rich's console without markup and emoji codes, for names may have brackets and colons of
    their own; characters that a terminal would obey are shown as escapes.

    Parameters
    ----------
    options : of :class:`rich.console.Console`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """What every cell, title and line becomes before it is measured or printed."""
        return super().render_str(shown(text), **options)
