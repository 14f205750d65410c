# SPDX-License-Identifier: Apache-2.0
"""The one way to write a result: a file appears complete or not at all; a link is followed; a
device or a pipe is written to.

``docs/files.md`` says what happens to each kind of target, and why.
"""
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["replace_file", "replacing", "check_file", "is_stream", "remove_file"]

#: Folders in which Linux and macOS keep links to the files that a process has open.
_DESCRIPTORS = re.compile(r"/proc/\d+/fd|/dev/fd")


def replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, as :func:`replacing` does.

    Raises
    ------
    OSError : it cannot be written; ``strerror`` says why.
    """
    with replacing(path) as place, open(place, "wb", opener=_open, buffering=0) as file:
        left = memoryview(data)
        while left:                             # a pipe may take only a part at a time
            left = left[file.write(left):]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A context whose value is a path to write to; afterwards ``path`` has these contents.

    A file is written under a temporary name, and replaces ``path`` once it is on the disk. If
    anything goes wrong, only what was there before remains. The file keeps mode, group and owner of
    the file that it replaces, as far as the user is allowed to; a new file has the usual ones. A
    symbolic link stays, and the file that it names is replaced. For a device or a pipe, the value
    is ``path`` itself.

    Raises
    ------
    OSError : it cannot be written; ``strerror`` says why.
    """
    target, old = _find(path)
    if old is not None and not stat.S_ISREG(old.st_mode):
        try:
            yield path
        except BrokenPipeError as error:
            raise BrokenPipeError(error.errno, "the reader of the pipe has gone") from error
        return
    temporary = _new_beside(target, 0o666 if old is None else 0o600)
    try:
        yield temporary
        _finish(temporary, old)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_file(path: Path) -> None:
    """Raise the OSError that :func:`replace_file` would raise, as far as that is known beforehand.

    A pipe is not opened: that would wait for its reader, who would then see the end of the file.
    """
    target, old = _find(path)
    if old is None or stat.S_ISREG(old.st_mode):
        _new_beside(target, 0o600).unlink()


def is_stream(path: Path) -> bool:
    """Whether ``path`` is a device or a pipe, from which nothing can be read back."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def remove_file(path: Path) -> None:
    """Remove the file that :func:`replace_file` would replace; a link to it stays."""
    if not is_stream(path):
        Path(os.path.realpath(path)).unlink(missing_ok=True)


def _find(path: Path) -> tuple[Path, os.stat_result | None]:
    """The path behind all links, and the status of what is already there."""
    try:
        old = os.stat(path)
    except FileNotFoundError:                   # perhaps at the end of a link
        return Path(os.path.realpath(path)), None
    if stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder; choose another name")
    if stat.S_ISBLK(old.st_mode):
        raise OSError(errno.EINVAL, "it is a block device, and what is on it would be lost; "
                                    "choose a file")
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it exists, and may not be written (permission "
                                            "denied); choose another name")
    if stat.S_ISREG(old.st_mode) and _is_open_here(path):
        raise OSError(errno.EINVAL, "it is a file that this process was started with, and what is "
                                    "in it would be lost; name the file itself, or -")
    target = Path(os.path.realpath(path)) if stat.S_ISREG(old.st_mode) else path
    return target, old


def _is_open_here(path: Path) -> bool:
    """Whether the path leads through the link of an open descriptor, as /dev/stderr does."""
    name = os.path.abspath(path)
    while os.path.islink(name):
        folder = os.path.dirname(name)
        if _DESCRIPTORS.fullmatch(os.path.realpath(folder)):
            return True
        name = os.path.join(folder, os.readlink(name))
    return False


def _new_beside(target: Path, mode: int) -> Path:
    """Create an empty file in the folder of ``target``, for its new contents."""
    # Only a part of the name, because a name may have at most 255 bytes.
    path = target.with_name(f".{target.name[:32]}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    except OSError as error:
        if target.parent.is_dir():
            reason = (f"no file can be made in the folder {target.parent} ({error.strerror}); "
                      f"choose another")
        else:
            reason = f"there is no folder {target.parent}; make it, or choose another"
        raise OSError(error.errno, reason) from error   # Python picks the class for the errno
    return path


def _finish(path: Path, old: os.stat_result | None) -> None:
    """Force a file to the disk, with owner, group and mode of the file that it replaces."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        if old is not None:
            for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
                with suppress(PermissionError):
                    os.fchown(descriptor, owner, group)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: str, flags: int) -> int:
    """Open an existing file; a terminal does not become the one that sends us signals."""
    return os.open(path, flags & ~os.O_CREAT | os.O_NOCTTY)
