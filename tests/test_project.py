# SPDX-License-Identifier: Apache-2.0
"""The tree itself: packages, imports, names and docstrings are what they claim to be."""
import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import openeie

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("core", "hw", "sw", "sim", "boards", "cli")
# Who may import whom; sim/rtl builds the gateware. "" is the root package, the public face.
ALLOWED = {"core": set(), "hw": {"core"}, "sw": {"core"}, "sim": {"core"},
           "boards": {"core", "hw", "sw", "sim"}, "cli": {"", "core", "hw", "sw", "sim", "boards"}}
# The rooms of a folder in their order: each imports from those before it. What a room does not
# hold stands in the folder itself, whose modules have a place each.
ROOMS = {
    "core": ("errors", "host", "sources", "numbers", "array", "entries", "network", "run", "golden",
             "defaults", "compile", "artefact"),
    "sim": ("dask_map", "processes", "compiler", "fast", "rtl", "engines", "views", "random",
            "verify", "study", "report"),
    "sw": ("host_memory", "seed", "data", "float", "quantise", "importers", "compress", "networks",
           "binary", "study", "zoo"),
}
SOURCES = sorted(path for folder in ("openeie", "tests", "benchmarks", "docs")
                 for path in (ROOT / folder).rglob("*.py"))
PACKAGE = ROOT / "openeie"
MODULES = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                 for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_folder_with_modules_is_a_package():
    """Only those with an ``__init__.py`` are installed."""
    for path in PACKAGE.rglob("*.py"):
        assert (path.parent / "__init__.py").is_file(), path


def test_the_package_is_found_beside_a_clone_of_its_name(tmp_path):
    """A folder ``openeie`` without ``__init__.py`` in the working folder is not in the way."""
    (tmp_path / "openeie").mkdir()
    done = subprocess.run([sys.executable, "-c", "import openeie; print(openeie.__version__)"],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == openeie.__version__, done.stderr


def test_every_dependency_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text().partition("dependencies = [")[2]
    lines = [line for line in text.partition("[project.scripts]")[0].splitlines()
             if line.startswith('    "') and '"openeie[' not in line]
    assert len(lines) > 15
    for line in lines:
        assert len(line.partition("# ")[2]) > 8, line


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    """It imports, its ``__all__`` resolves, and what it offers says what it is."""
    module = importlib.import_module(name)
    assert module.__doc__, name
    for public in getattr(module, "__all__", ()):
        thing = getattr(module, public)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), f"{name}.{public}"


def _imports(path):
    """What a module imports from the package, as parts of paths below it; ``("",)`` is its root."""
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = node.module.split(".") if node.module else []
            where = (*package[:len(package) + 1 - node.level], *module)
            for name in node.names:
                whole = (*where, name.name)
                is_module = PACKAGE.joinpath(*whole).is_dir() \
                    or PACKAGE.joinpath(*whole).with_suffix(".py").is_file()
                yield (whole if is_module else where) or ("",)


def _modules(folder):
    return sorted((PACKAGE / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_one_way(folder):
    for path in _modules(folder):
        allowed = ALLOWED[folder] | {folder}
        if path.is_relative_to(PACKAGE / "sim" / "rtl"):
            allowed = allowed | {"hw"}
        for where in _imports(path):
            assert where[0] in allowed, f"{path} imports {'.'.join(where)}"


@pytest.mark.parametrize("folder", ROOMS)
def test_rooms_have_an_order(folder):
    order = {room: place for place, room in enumerate(ROOMS[folder])}
    for path in _modules(folder):
        room = path.relative_to(PACKAGE / folder).with_suffix("").parts[0]
        for where in _imports(path):
            if where[0] != folder or room == "__init__":
                continue
            assert len(where) > 1, f"{path} imports {folder} itself"
            assert order[where[1]] <= order[room], f"{path} imports {'.'.join(where)}"


def test_no_import_goes_in_a_circle():
    """Those inside functions and those for type checkers count, too."""
    graph = {}
    for path in (path for folder in FOLDERS for path in _modules(folder)):
        name = path.relative_to(PACKAGE).with_suffix("").parts
        graph[name] = {where for where in _imports(path) if where != ("",)}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(" <- ".join("/".join(name) for name in error.args[1])) from error


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_file(path):
    text = path.read_text()
    head = text.splitlines()[:2]
    assert any(line == "# SPDX-License-Identifier: Apache-2.0" for line in head), "SPDX line"
    assert len(text.splitlines()) <= 350, "files are small rooms"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page(path):
    """No number is still to come."""
    assert not re.findall(r"@[A-Z0-9]+@", path.read_text())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_a_page_are_short(path):
    """But for rows of tables, which Markdown cannot split."""
    assert not [line for line in path.read_text().splitlines()
                if len(line) > 120 and not line.startswith("|")]


def test_importing_the_package_is_light():
    code = ("import sys, openeie; "
            "print([m for m in ('torch', 'amaranth', 'rich') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert openeie.__version__ == tomllib.loads(
        (ROOT / "pyproject.toml").read_text())["project"]["version"]
