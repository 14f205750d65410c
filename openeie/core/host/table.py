# SPDX-License-Identifier: Apache-2.0
"""Small tables of values: plain text in a terminal, HTML in a notebook, rows for a program."""
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .shown import shown

__all__ = ["Table"]

#: Stands in a cell that has no value.
_NOTHING = "-"
#: Classes that keep a notebook from taking a dollar in a name for mathematics.
_NO_MATHEMATICS = "tex2jax_ignore mathjax_ignore"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Table:
    """Rows of values, and how each column is written.

    Iterating gives the rows, so ``pandas.DataFrame(table, columns=table.columns)`` works.

    >>> print(Table(title="two layers", columns=("layer", "cycles", "utilisation"),
    ...             formats=("", ",", ".1%"), rows=(("ip1", 1200, 0.5), ("ip2", 80, None))))
    two layers
    layer  cycles  utilisation
    ip1     1,200        50.0%
    ip2        80            -

    Attributes
    ----------
    title : stands above the table.
    columns : names.
    formats : a format of Python for each column's values, such as ``",d"`` or ``".1%"``; ``""``
        for words, which stand at the left.
    rows : a value for each column; None where there is none.
    total : one more row, below a line; None if there is none. It is not among ``rows``.
    """
    title: str
    columns: tuple[str, ...]
    formats: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    total: tuple[Any, ...] | None = None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows, without the total."""
        return iter(self.rows)

    def __len__(self) -> int:
        """How many rows there are, without the total."""
        return len(self.rows)

    def __repr__(self) -> str:
        """The table itself: that is what one wants to see at a prompt."""
        return str(self)

    def __str__(self) -> str:
        """Aligned columns, no wider than their contents."""
        body = [self._texts(row) for row in self.rows]
        foot = [] if self.total is None else [self._texts(self.total)]
        lines = [list(map(_one_line, self.columns)), *body, *foot]
        widths = [max(map(len, column)) for column in zip(*lines)]
        aligned = [self._aligned(line, widths) for line in lines]

        if foot:
            aligned.insert(-1, "  ".join("-" * width for width in widths))
        return "\n".join([_one_line(self.title), *aligned])

    def _repr_html_(self) -> str:
        """For notebooks; names are escaped."""
        head = self._html_row(list(map(_one_line, self.columns)), "th")
        body = "".join(self._html_row(self._texts(row), "td") for row in self.rows)
        foot = ""
        if self.total is not None:
            foot = f"<tfoot>{self._html_row(self._texts(self.total), 'th')}</tfoot>"
        return (f'<table class="{_NO_MATHEMATICS}">'
                f"<caption>{_escaped(self.title)}</caption>"
                f"<thead>{head}</thead><tbody>{body}</tbody>{foot}</table>")

    def _texts(self, row: tuple[Any, ...]) -> list[str]:
        return [_NOTHING if value is None else _one_line(format(value, how))
                for value, how in zip(row, self.formats)]

    def _aligned(self, texts: list[str], widths: list[int]) -> str:
        cells = [text.rjust(width) if how else text.ljust(width)
                 for text, width, how in zip(texts, widths, self.formats)]
        return "  ".join(cells).rstrip()

    def _html_row(self, texts: list[str], tag: str) -> str:
        sides = ["right" if how else "left" for how in self.formats]
        cells = [f'<{tag} style="text-align: {side}">{_escaped(text)}</{tag}>'
                 for text, side in zip(texts, sides)]
        return f"<tr>{''.join(cells)}</tr>"


def _one_line(text: str) -> str:
    """The text without anything that a terminal would obey, line ends among it."""
    return shown(text).replace("\n", "\\n")


def _escaped(text: str) -> str:
    return html.escape(_one_line(text))
