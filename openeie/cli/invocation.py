# SPDX-License-Identifier: Apache-2.0
"""How to type ``openeie`` in this shell, so that commands in messages work as printed."""
import os
import shutil
import sys
from pathlib import Path

from ..core.host.shell_words import typed

__all__ = ["invocation"]


def invocation() -> str:
    """The command that starts this program from a shell in the working folder.

    It is ``openeie`` if PATH leads to this program, as in an activated environment; otherwise the
    path of its script, such as ``.venv/bin/openeie``; without a script, the interpreter's path
    and ``-m openeie``.
    """
    script = Path(sys.argv[0])
    if script.name != "openeie" or not script.is_file():
        script = Path(sys.executable).with_name("openeie")
    if not script.is_file():
        return f"{typed(Path(sys.executable))} -m openeie"
    found = shutil.which("openeie")
    if found is not None and os.path.samefile(found, script):
        return "openeie"
    return typed(script)
