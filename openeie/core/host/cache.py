# SPDX-License-Identifier: Apache-2.0
"""The one folder for all that is made once and kept: builds, compiled functions, compiled tools.

``$OPENEIE_CACHE`` names it. What other packages cache on our behalf goes there, too: each has a
variable of its own, which is set for our use of it alone; but matplotlib's, which is read when it
is imported, for the whole process.
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
    """``$OPENEIE_CACHE``, or the user's cache folder; it is there, and can be written.

    If it cannot, a temporary folder takes its place, with one warning: the user's own from one
    process to the next if that is safe, otherwise of this process and those that it starts.

    Raises
    ------
    ToolError : not even a temporary folder can be written.
    """
    named = os.environ.get(_VARIABLE)
    try:
        folder = Path(named).absolute() if named else platformdirs.user_cache_path("openeie")
        reason = _why_not(folder)
    except RuntimeError:                # neither HOME nor an entry in the list of users
        folder, reason = Path("~/.cache/openeie"), "this user has no home"
    if reason is None:
        return folder
    try:
        temporary = _temporary()
    except OSError as error:
        raise ToolError(f"cannot write the cache folder {folder}: {reason}, nor any temporary "
                        f"folder; name one in {_VARIABLE}") from error
    print(f"warning: cannot write the cache folder {folder}: {reason}; {temporary} takes its "
          f"place; name a lasting one in {_VARIABLE}", file=sys.stderr)
    os.environ[_VARIABLE] = str(temporary)      # of this process and its children: they are quiet
    return temporary


def tool_environment() -> dict[str, str]:
    """Environment for the programs that we start; the user's own YOWASP_CACHE_DIR stays.

    YoWASP compiles each tool's WebAssembly when it first runs. So does the ``yosys`` that comes
    with Amaranth, through wasmtime, which knows no other variable than that of all caches.
    """
    folder = cache_folder()
    return {"YOWASP_CACHE_DIR": str(folder / "yowasp")} | os.environ \
        | {"XDG_CACHE_HOME": str(folder)}


def quiet_matplotlib() -> None:
    """Before matplotlib is imported: it keeps a list of fonts, in the user's home where it can,
    and complains where it cannot, unless its own variable names a folder."""
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))


@cache
def _why_not(folder: Path) -> str | None:
    """Why ``folder`` cannot be made or written; None if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror


def _temporary() -> Path:
    """A folder that nobody else can write to, nor could have filled."""
    if hasattr(os, "getuid"):
        folder = Path(tempfile.gettempdir(), f"openeie-{os.getuid()}")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()          # of a link itself: it may be anybody's
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() \
                and not found.st_mode & 0o077 and _why_not(folder) is None:
            return folder
    folder = Path(tempfile.mkdtemp(prefix="openeie-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:            # a fork has the list of what to do at the end, too
        shutil.rmtree(folder, ignore_errors=True)
