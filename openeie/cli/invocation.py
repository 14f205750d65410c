# SPDX-License-Identifier: Apache-2.0
"""How to type ``openeie`` again, here and now: what a message prints must work as printed."""
import os
import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["invocation"]


def invocation() -> str:
    """The words that start this program from this folder's shell.

    ``openeie`` where PATH leads to this very program (an activated environment, say); otherwise
    the path of its script, ``.venv/bin/openeie``; without a script, the interpreter's and ``-m``.
    """
    started = Path(sys.argv[0])
    script = started if started.name == "openeie" and started.is_file() \
        else Path(sys.executable).with_name("openeie")
    if not script.is_file():
        return f"{_typed(Path(sys.executable))} -m openeie"
    found = shutil.which("openeie")
    if found is not None and os.path.samefile(found, script):
        return "openeie"
    return _typed(script)


def _typed(program: Path) -> str:
    """A path as a shell takes it: relative where it lies below this folder."""
    here, path = Path.cwd(), Path(os.path.abspath(program))
    if path.is_relative_to(here):
        path = path.relative_to(here)
    text = str(path)
    return shlex.quote(text if os.sep in text else os.path.join(".", text))
