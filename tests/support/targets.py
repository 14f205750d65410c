# SPDX-License-Identifier: Apache-2.0
"""What an output option may name: each kind is made in a folder, and says what became of it."""
import contextlib
import os
import stat
import subprocess
import threading

import pytest

OLD = b"what was there"


@contextlib.contextmanager
def mounted(folder, options="size=256k"):
    """A file system of its own at ``folder``, which only root may make."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def regular(path, mode=0o644):
    path.write_bytes(OLD)
    path.chmod(mode)

    def became():
        assert stat.S_IMODE(path.stat().st_mode) == mode and not path.is_symlink()
        return "replaced" if path.read_bytes() != OLD else "left"
    yield became


@contextlib.contextmanager
def new(path):
    yield lambda: "made" if path.stat().st_mode & 0o777 == 0o666 & ~umask() else "mode"


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def private(path):
    return regular(path, 0o600)


@contextlib.contextmanager
def symlink(path):
    target = path.with_name("target")
    path.symlink_to(target.name)
    with regular(target) as became:
        yield lambda: became() if path.is_symlink() else "link lost"


@contextlib.contextmanager
def dangling(path):
    target = path.with_name("target")
    path.symlink_to(target)
    with new(target) as became:
        yield lambda: became() if path.is_symlink() else "link lost"


@contextlib.contextmanager
def device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))      # a null of our own
        with open(path, "wb") as file:
            file.write(b"x")
    except OSError:                                                 # not root, or no devices here
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    yield lambda: "written" if stat.S_ISCHR(path.stat().st_mode) else "device lost"


@contextlib.contextmanager
def pipe(path):
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()

    def became():
        reader.join(20)
        return "written" if stat.S_ISFIFO(path.stat().st_mode) and got and got[0] else "pipe lost"
    yield became


@contextlib.contextmanager
def read_only(path):
    folder = path.parent
    if os.geteuid():
        path.write_bytes(OLD)
        folder.chmod(0o555)
        try:
            yield lambda: "left" if path.read_bytes() == OLD else "changed"
        finally:
            folder.chmod(0o755)
        return
    with mounted(folder):
        path.write_bytes(OLD)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield lambda: "left" if path.read_bytes() == OLD else "changed"


@contextlib.contextmanager
def full(path):
    with mounted(path.parent) as folder:
        path.write_bytes(OLD)
        with contextlib.suppress(OSError), open(folder / "fill", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield lambda: "left" if path.read_bytes() == OLD else "changed"


#: As the columns of docs/files.md.
KINDS = {"new file": new, "file": regular, "file of mode 0600": private, "link": symlink,
         "link to nothing": dangling, "device": device, "pipe": pipe,
         "read-only folder": read_only, "full disk": full}
