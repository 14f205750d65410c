# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or not there; links, devices and pipes that stay what they are."""
import errno
import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from openeie.core.host.files import check_file, remove_file, replace_file, replacing


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()])
def test_what_fails_leaves_what_was_there(tmp_path, monkeypatch, error):
    path = tmp_path / "file"
    replace_file(path, b"first")
    assert path.read_bytes() == b"first"

    def fail(descriptor):
        raise error
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(type(error)):
        replace_file(path, b"second")
    assert path.read_bytes() == b"first" and list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    replace_file(path, b"second")
    assert path.read_bytes() == b"second" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_modes(tmp_path, mask):
    """Of a file that is there its own, of a new one that of any new file."""
    path = tmp_path / "file"
    before = os.umask(mask)
    try:
        replace_file(path, b"first")
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
        for mode in (0o600, 0o664, 0o755):
            path.chmod(mode)
            replace_file(path, b"next")
            assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(before)


def test_contents_are_never_read_by_whom_the_file_is_not_for(tmp_path):
    """Not even while they are written beside it."""
    path = tmp_path / "file"
    path.touch(0o600)
    with replacing(path) as place:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_links_of_both_kinds(tmp_path):
    path, soft, other = tmp_path / "file", tmp_path / "soft", tmp_path / "folder" / "other"
    path.write_bytes(b"old")
    os.link(path, tmp_path / "hard")
    soft.symlink_to("file")
    replace_file(soft, b"new")
    assert path.read_bytes() == b"new" and os.readlink(soft) == "file"
    assert (tmp_path / "hard").read_bytes() == b"old"
    remove_file(soft)
    assert soft.is_symlink() and not path.exists()
    soft.unlink()
    soft.symlink_to(other)
    with pytest.raises(FileNotFoundError) as error:
        replace_file(soft, b"new")
    assert f"there is no folder {other.parent}" in error.value.strerror
    other.parent.mkdir()
    replace_file(soft, b"new")
    assert other.read_bytes() == b"new" and soft.is_symlink()
    soft.unlink()
    soft.symlink_to("soft")
    with pytest.raises(OSError) as error:
        replace_file(soft, b"new")
    assert error.value.errno == errno.ELOOP


def test_a_pipe_gets_everything_and_says_when_its_reader_goes(tmp_path):
    path, data = tmp_path / "pipe", os.urandom(300_000)
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    replace_file(path, data)
    reader.join()
    assert got == [data]

    def begin():
        with path.open("rb") as file:
            file.read(1)
    reader = threading.Thread(target=begin)
    reader.start()
    with pytest.raises(BrokenPipeError) as error:
        replace_file(path, data)
    reader.join()
    assert error.value.strerror == "the reader of the pipe has gone"
    assert stat.S_ISFIFO(path.stat().st_mode) and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_that_takes_nothing(tmp_path):
    path = tmp_path / "device"
    path.symlink_to("/dev/full")
    check_file(path)
    with pytest.raises(OSError) as error:
        replace_file(path, b"data")
    assert error.value.errno == errno.ENOSPC and path.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a block device")
def test_a_disk_is_not_written(tmp_path):
    path = tmp_path / "disk"
    try:
        os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(7, 250))
    except PermissionError:
        pytest.skip("no devices are made here")
    for refuse in (check_file, lambda path: replace_file(path, b"data")):
        with pytest.raises(OSError) as error:
            refuse(path)
        assert "block device" in error.value.strerror


_AS_ANOTHER = """
import os, sys
from pathlib import Path
from openeie.core.host.files import check_file, replace_file
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for path in map(Path, sys.argv[1:]):
    for write in (check_file, lambda path: replace_file(path, b"new")):
        try:
            write(path)
            print("written")
        except OSError as error:
            print(error.strerror)
"""


def test_what_the_user_may_not():
    """As a user who is not root: a read-only folder and a write-protected file are refused, by the
    early check as by the writer; another's file in the user's folder is replaced."""
    with tempfile.TemporaryDirectory() as name:         # pytest's are root's alone
        top = Path(os.path.realpath(name))
        top.chmod(0o755)
        folder, own = top / "folder", top / "own"
        for path, mode in ((folder / "file", 0o666), (own / "file", 0o666),
                           (own / "protected", 0o444)):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"old")
            path.chmod(mode)
        folder.chmod(0o555)
        own.chmod(0o777)
        paths = [folder / "file", folder / "new", own / "protected", own / "file"]
        done = subprocess.run([sys.executable, "-c", _AS_ANOTHER, *paths], capture_output=True,
                              text=True)
        folder.chmod(0o755)
        refused = f"no file can be made in the folder {folder} (Permission denied); choose another"
        protected = "it exists, and may not be written (permission denied); choose another name"
        assert done.stdout.splitlines() == [*4 * [refused], *2 * [protected],
                                            *2 * ["written"]], done.stderr
        assert (folder / "file").read_bytes() == (own / "protected").read_bytes() == b"old"
        assert (own / "file").read_bytes() == b"new"
        assert stat.S_IMODE((own / "file").stat().st_mode) == 0o666
        assert sorted(path.name for path in own.iterdir()) == ["file", "protected"]


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="no links to open descriptors here")
@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_that_the_process_was_started_with_is_not_replaced(tmp_path, is_link):
    """``-o /dev/stderr 2>>log`` would lose the log."""
    log = tmp_path / "log"
    log.write_bytes(b"precious")
    with open(log, "ab") as file:
        name = Path(f"/dev/fd/{file.fileno()}")
        if is_link:
            (tmp_path / "link").symlink_to(name)
            name = tmp_path / "link"
        for write in (check_file, lambda path: replace_file(path, b"new")):
            with pytest.raises(OSError, match="what is in it would be lost"):
                write(name)
    assert log.read_bytes() == b"precious"
    replace_file(log, b"new")
