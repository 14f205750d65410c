# SPDX-License-Identifier: Apache-2.0
"""``openeie bench``: reproduce the measurements of a paper, next to its own numbers."""
import typer

from . import bench_compression, bench_eie

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None,
                  help="Reproduce a paper's measurements: eie, or compression.")
app.command("eie")(bench_eie.command)
app.command("compression")(bench_compression.command)
