# SPDX-License-Identifier: Apache-2.0
"""Digests of the gateware: every file that shapes it counts, in simulations and bitstreams."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import openeie
import pytest
from openeie.boards import identity
from openeie.core import sources

PACKAGE = Path(openeie.__file__).parent
# The package's own __init__ imports all of core for its users; what the gateware needs is less.
BARE = """
import json, sys, types
package = types.ModuleType("openeie")
package.__path__ = [sys.argv[1]]
sys.modules["openeie"] = package
"""
GENERATE = {
    "rtl": "from openeie.sim.rtl.verilog import generate\n"
           "from openeie.core.array.config import preset\n"
           "generate(preset('NET64').replace(pes=4, clusters=2))",
    **{name: "from openeie.boards import board\n"
             "from openeie.boards.verilog import generate\n"
             f"entry = board('{name}')\n"
             "generate(entry, entry.config.replace(pes=2, clusters=1))"
       for name in ("icebreaker", "ulx3s-85f-conv")}}
# Files that hold pins and clocks of a board, and nothing of the design, are left out.
NAMES = """
from openeie.boards.board import Board
print(json.dumps([name for name, module in sys.modules.items() if name.startswith("openeie.")
                  and not any(isinstance(thing, Board) for thing in vars(module).values())]))
"""
DIGESTS = """
import pathlib
from openeie.boards.identity import design_digest
from openeie.sim.rtl.rtl import _gateware_digest
def digests():
    design_digest.cache_clear()
    return design_digest(), _gateware_digest()
before, changed = digests(), {}
for name in sys.argv[2:]:
    path = pathlib.Path(sys.argv[1], name)
    text = path.read_bytes()
    path.write_bytes(text + b"#\\n")
    changed[name] = [a != b for a, b in zip(before, digests())]
    path.write_bytes(text)
assert before == digests()
print(json.dumps(changed))
"""


def _answer(code, *arguments):
    done = subprocess.run([sys.executable, "-c", BARE + code, *map(str, arguments)],
                          capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def _module(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@pytest.mark.slow
@pytest.mark.parametrize("design", GENERATE)
def test_all_that_is_imported_to_generate_counts(design):
    """In a process of its own, as a build is: nothing else has imported anything."""
    found = set(_answer(GENERATE[design] + NAMES, PACKAGE))
    core = {name for name in found if name.startswith("openeie.core.")}
    shapeless = {f"openeie.core.{name}" for name in (
        "errors", "sources", "numbers", "host", "host.cache")}
    listed = {_module(path) for path in sources.gateware_sources()}
    listed_core = {name for name in listed if name.startswith("openeie.core.")}
    assert core - shapeless <= listed_core
    boards = {name for name in found if name.startswith("openeie.boards.")}
    if design != "rtl":                 # which has no link
        assert listed_core <= core, "listed and not needed"
        assert boards == {f"openeie.boards.{module}" for module in identity._OURS}
    hw = {name for name in found if name.startswith("openeie.hw.")}
    assert hw and hw <= listed


def test_a_change_of_any_file_changes_the_digests(tmp_path):
    copy = tmp_path / "openeie"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    both = [str(path.relative_to(PACKAGE)) for path in sources.gateware_sources()]
    assert {"core/numbers/fixed.py", "core/array/limits.py", "core/array/load_port.py",
            "hw/link/uart.py"} <= set(both)
    board, engine = [f"boards/{name}.py" for name in identity._OURS], ["sim/rtl/verilog.py"]
    changed = _answer(DIGESTS, copy, *both, *board, *engine, "core/errors.py")
    assert changed == {name: [True, True] for name in both} \
        | {name: [True, False] for name in board} | {name: [False, True] for name in engine} \
        | {"core/errors.py": [False, False]}
