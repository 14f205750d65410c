# SPDX-License-Identifier: Apache-2.0
"""How to type ``openeie`` again, here and now: what a message prints must work as printed."""
import os
import shutil
import sys
from pathlib import Path

from ..core.host.shell_words import typed

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
        return f"{typed(Path(sys.executable))} -m openeie"
    found = shutil.which("openeie")
    if found is not None and os.path.samefile(found, script):
        return "openeie"
    return typed(script)
