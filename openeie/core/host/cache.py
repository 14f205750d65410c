# SPDX-License-Identifier: Apache-2.0
"""The folder for everything that is made once and kept: builds, compiled functions and tools.

``$OPENEIE_CACHE`` names it. What other packages cache on our behalf goes there, too. Each has a
variable of its own, which is set only for our use of it; matplotlib reads its variable at import,
so that one is set for the whole process.
"""
import atexit
import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import platformdirs

from ..errors import ToolError

__all__ = ["cache_folder", "quiet_matplotlib", "tool_environment"]

_VARIABLE = "OPENEIE_CACHE"


def cache_folder() -> Path:
    """``$OPENEIE_CACHE``, or the user's cache folder. It exists and can be written.

    If it cannot be written, a temporary folder takes its place, with one warning. Where that is
    safe, it is the user's, the same in every process; otherwise it is only for this process and
    those that it starts.

    Raises
    ------
    ToolError : not even a temporary folder can be written.
    """
    named = os.environ.get(_VARIABLE)
    try:
        folder = Path(named).absolute() if named else platformdirs.user_cache_path("openeie")
        reason = _why_not(folder)
    except RuntimeError:                # neither HOME nor an entry in the list of users
        folder = Path("~/.cache/openeie")
        reason = "this user has no home"
    if reason is None:
        return folder
    try:
        temporary = _temporary()
    except OSError as error:
        raise ToolError(f"cannot write the cache folder {folder}: {reason}, nor any temporary "
                        f"folder; name one in {_VARIABLE}") from error
    print(f"warning: cannot write the cache folder {folder}: {reason}; {temporary} takes its "
          f"place; name a lasting one in {_VARIABLE}", file=sys.stderr)
    os.environ[_VARIABLE] = str(temporary)      # so that children use it, too, without a warning
    return temporary


def tool_environment() -> dict[str, str]:
    """Environment for the programs that we start; a YOWASP_CACHE_DIR of the user's own is kept.

    YoWASP compiles each tool's WebAssembly when it first runs. So does the ``yosys`` that comes
    with Amaranth, through wasmtime, which only knows the variable for all caches.
    """
    folder = cache_folder()
    ours = {"YOWASP_CACHE_DIR": str(folder / "yowasp")}
    return ours | os.environ | {"XDG_CACHE_HOME": str(folder)}


def quiet_matplotlib() -> None:
    """Call this before matplotlib is imported. It keeps a list of fonts in the user's home, and
    complains if it cannot, unless its own variable names another folder."""
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))


@cache
def _why_not(folder: Path) -> str | None:
    """Why ``folder`` cannot be created or written; None if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror


def _temporary() -> Path:
    """A temporary folder to which nobody else can write, or could have written before."""
    if hasattr(os, "getuid"):
        folder = Path(tempfile.gettempdir(), f"openeie-{os.getuid()}")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()          # not following a link, which may be anybody's
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() \
                and not found.st_mode & 0o077 and _why_not(folder) is None:
            return folder
    folder = Path(tempfile.mkdtemp(prefix="openeie-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:            # a forked process inherits what to do at exit
        shutil.rmtree(folder, ignore_errors=True)
