# SPDX-License-Identifier: Apache-2.0
"""``openeie bench``: reproduce the measurements of a paper, next to its own numbers."""
import typer

from .later import add_later

__all__ = ["SUBJECTS", "app"]

#: The papers, each with the first line of its command's docstring, which a test compares.
SUBJECTS = {
    "eie": "Reproduce the measurements of EIE's paper, next to its own numbers.",
    "compression": "Reproduce Deep Compression's tables and figures, next to its own numbers.",
}

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None,
                  help="Reproduce a paper's measurements: eie, or compression.")
add_later(app, SUBJECTS, prefix="bench_")
