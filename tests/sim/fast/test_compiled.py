# SPDX-License-Identifier: Apache-2.0
"""numba keeps what it compiles for us in our folder, unless the user has named another."""
import os
import subprocess
import sys

import pytest

MODULE = """
import numba
from openeie.sim.fast.compiled import compiled
@compiled
def ours(x):
    return x + 1
assert ours(1) == 2 and ours.nopython_signatures
"""


@pytest.mark.parametrize(("variables", "kept"), [
    ({"OPENEIE_CACHE": "ours"}, "ours/numba-2"),
    ({"OPENEIE_CACHE": "ours", "NUMBA_CACHE_DIR": "theirs"}, "theirs")])
def test_where_compiled_functions_are_kept(tmp_path, variables, kept):
    (tmp_path / "module.py").write_text(MODULE)
    environment = {name: str(tmp_path / folder) for name, folder in variables.items()}
    subprocess.run([sys.executable, "module.py"], cwd=tmp_path, check=True,
                   env=os.environ | environment)
    found = list(tmp_path.rglob("*.nbc"))
    assert found and all(path.is_relative_to(tmp_path / kept) for path in found)


def test_without_any_room_it_is_compiled_each_time(tmp_path):
    (tmp_path / "module.py").write_text(
        "import tempfile\ndef none():\n    raise FileNotFoundError(2, 'no folder')\n"
        f"tempfile.gettempdir = none\n{MODULE}")
    subprocess.run([sys.executable, "module.py"], cwd=tmp_path, check=True,
                   env=os.environ | {"OPENEIE_CACHE": "/dev/null/none"})
    assert not list(tmp_path.rglob("*.nbc"))
