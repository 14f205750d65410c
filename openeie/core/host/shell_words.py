# SPDX-License-Identifier: Apache-2.0
"""Paths as a person types them: what a message prints must work as printed."""
import os
import shlex
from pathlib import Path

__all__ = ["from_here", "typed"]


def from_here(path: Path) -> Path:
    """The same place, relative where it lies below the working folder; links are not followed."""
    here, whole = Path.cwd(), Path(os.path.abspath(path))
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def typed(program: Path) -> str:
    """A program's path as a shell takes it."""
    text = str(from_here(program))
    return shlex.quote(text if os.sep in text else os.path.join(".", text))
