# SPDX-License-Identifier: Apache-2.0
"""One folder for every cache; where it cannot be written, a safe one in its place."""
import os
import stat
import subprocess
import sys
import tempfile

import pytest
from openeie.core.errors import ToolError
from openeie.core.host import cache


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An empty folder of temporary files, and a variable that names what cannot be a folder."""
    (tmp_path / "file").write_text("")
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path / "file" / "below"))
    return folder


def test_a_folder_that_can_be_made_is_taken_without_a_word(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENEIE_CACHE", "a/b")          # programs run in other folders
    assert cache.cache_folder() == tmp_path / "a" / "b" and (tmp_path / "a" / "b").is_dir()
    assert capsys.readouterr().err == ""


def test_a_temporary_folder_takes_its_place_with_one_warning(temporary, capsys):
    folder = cache.cache_folder()
    assert folder == temporary / f"openeie-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert cache.cache_folder() == folder == type(folder)(os.environ["OPENEIE_CACHE"])
    warning, = capsys.readouterr().err.splitlines()
    assert "file/below: Not a directory" in warning and str(folder) in warning \
        and "OPENEIE_CACHE" in warning


def _link(path, elsewhere):
    path.symlink_to(elsewhere)


def _dangling(path, elsewhere):
    path.symlink_to(elsewhere / "none")


def _file(path, elsewhere):
    path.write_text("")


def _open_to_others(path, elsewhere):
    path.mkdir()
    path.chmod(0o770)


def _of_another(path, elsewhere):
    path.mkdir(mode=0o700)
    os.chown(path, 65534, -1)


@pytest.mark.parametrize("trap", [_link, _dangling, _file, _open_to_others, pytest.param(
    _of_another, marks=pytest.mark.skipif(os.getuid() != 0, reason="needs root to give away"))])
def test_a_temporary_folder_that_others_prepared_is_not_used(temporary, tmp_path, trap):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    trap(temporary / f"openeie-{os.getuid()}", elsewhere)
    folder = cache.cache_folder()
    assert folder.parent == temporary and folder.name != f"openeie-{os.getuid()}"
    assert not folder.is_symlink() and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(elsewhere.iterdir())


def test_a_folder_of_one_process_goes_with_it(tmp_path):
    (tmp_path / f"openeie-{os.getuid()}").write_text("")
    code = "from openeie.core.host.cache import cache_folder; (cache_folder() / 'x').write_text('')"
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL,
                   env=os.environ | {"TMPDIR": str(tmp_path), "OPENEIE_CACHE": "/dev/null/none"})
    assert [path.name for path in tmp_path.iterdir()] == [f"openeie-{os.getuid()}"]


def test_no_room_at_all_is_a_clear_error(temporary, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(ToolError, match="nor any temporary folder; name one in OPENEIE_CACHE"):
        cache.cache_folder()


def test_programs_that_we_start_cache_there_too(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    monkeypatch.delenv("YOWASP_CACHE_DIR", raising=False)
    found = cache.tool_environment()
    assert found["YOWASP_CACHE_DIR"] == str(tmp_path / "yowasp")
    assert found["XDG_CACHE_HOME"] == str(tmp_path)
    monkeypatch.setenv("YOWASP_CACHE_DIR", "theirs")
    assert cache.tool_environment()["YOWASP_CACHE_DIR"] == "theirs"


def test_a_user_without_a_home(temporary, monkeypatch, capsys):
    """Neither HOME nor an entry in the list of users, as in some containers."""
    def nobody(*_):
        raise RuntimeError("Could not determine home directory.")
    monkeypatch.delenv("OPENEIE_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_path", nobody)
    assert cache.cache_folder().parent == temporary
    assert "this user has no home" in capsys.readouterr().err
