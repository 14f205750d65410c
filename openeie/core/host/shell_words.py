# SPDX-License-Identifier: Apache-2.0
"""Paths as one types them in a shell: what a message prints must work as printed."""
import os
import shlex
from pathlib import Path

__all__ = ["from_here", "typed"]


def from_here(path: Path) -> Path:
    """The same path, relative if it lies below the working folder; links are not followed."""
    here = Path.cwd()
    whole = Path(os.path.abspath(path))
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def typed(program: Path) -> str:
    """A program's path as one types it in a shell to run the program."""
    text = str(from_here(program))
    return shlex.quote(text if os.sep in text else os.path.join(".", text))
