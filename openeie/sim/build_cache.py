# SPDX-License-Identifier: Apache-2.0
"""The part of the cache that holds builds: a folder for each key, complete or not there.

Several processes may use it at once. Whoever is second waits for the first and takes its result.
What nobody has used for 30 days is removed by a later build.
"""
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from ..core.errors import ToolError
from ..core.host.cache import cache_folder
from .processes import ended_by_signals

__all__ = ["cached_folder"]

#: Seconds after which the folder of an interrupted build may be removed.
_STALE = 24 * 3600
#: Seconds without a use after which a build is removed.
_UNUSED = 30 * 24 * 3600
#: What the folders of unfinished builds are called.
_SCRATCH = "building-"


def cached_folder(kind: str, key: Sequence[str], build: Callable[[Path], None]) -> Path:
    """The folder in the cache that ``build`` filled for ``key``; it is built at most once.

    ``build`` fills a temporary folder, which gets its final name when it is complete: an
    interrupted build leaves nothing under that name. A signal that ends this process also ends
    the build and removes its folder. What a crash of the machine leaves is removed by a build a
    day later.

    Parameters
    ----------
    kind : name of the folder, within the cache, of all builds of this kind.
    key : texts on which the result depends, all of them: contents of sources, options, versions.

    Raises
    ------
    ToolError : the cache cannot be written.
    """
    digest = _digest(key)
    parent = cache_folder() / kind
    final = parent / digest
    if _is_there(final):
        return final
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(digest):
            if not _is_there(final):
                _remove_old(parent)
                _build(final, build)
    except OSError as error:
        reason = error.strerror or error
        raise ToolError(f"cannot write the cache folder {parent}: {reason}; name another one in "
                        f"OPENEIE_CACHE") from error
    return final


def _digest(key: Sequence[str]) -> str:
    """Of all texts and where each ends."""
    digest = hashlib.sha256()
    for text in key:
        data = text.encode()
        digest.update(f"{len(data)} ".encode() + data)
    return digest.hexdigest()[:32]


def _is_there(final: Path) -> bool:
    """Whether the build is there; it then counts as used now."""
    with suppress(OSError):                 # of a cache that may only be read
        os.utime(final)
    return final.is_dir()


def _build(final: Path, build: Callable[[Path], None]) -> None:
    """Build in a temporary folder, which then gets its final name."""
    with ended_by_signals(), tempfile.TemporaryDirectory(prefix=_SCRATCH,
                                                         dir=final.parent) as made:
        scratch = Path(made, "build")
        scratch.mkdir()
        build(scratch)
        try:
            scratch.rename(final)
        except OSError:
            if not final.is_dir():          # another process had no lock, and was faster
                raise


@contextmanager
def _one_at_a_time(digest: str) -> Iterator[None]:
    """Only one process is inside for a digest. Where files cannot be locked, all are: each then
    builds, and the first result is kept."""
    locks = cache_folder() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / digest)
    try:
        lock.acquire()
    except (NotImplementedError, OSError):      # such as a network drive without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _remove_old(parent: Path) -> None:
    """Remove what killed builds left, and what has not been used for long."""
    for path in parent.iterdir():
        limit = _STALE if path.name.startswith(_SCRATCH) else _UNUSED
        with suppress(OSError):             # another process may remove it at the same time
            if time.time() - path.stat().st_mtime > limit:
                _remove(path)
    for lock in (parent.parent / "locks").iterdir():
        with suppress(OSError):
            if time.time() - lock.stat().st_mtime > _UNUSED:
                lock.unlink()


def _remove(path: Path) -> None:
    """Remove a folder; until it is gone, its name is that of an unfinished build."""
    away = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=path.parent))
    path.rename(away / path.name)
    shutil.rmtree(away, ignore_errors=True)
