# SPDX-License-Identifier: Apache-2.0
"""``make quick`` leaves out what is marked slow; of every folder of tests it runs something."""
import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
FOLDERS = sorted({path.parent for path in TESTS.rglob("test_*.py")})


def is_slow(mark):
    """Whether an expression is, or contains, ``pytest.mark.slow``."""
    return "pytest.mark.slow" in ast.unparse(mark)


def quick_tests(source):
    """Names of the test functions of a file that are not marked slow."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark" \
                and is_slow(node.value):
            return []
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [one.name for one in functions
            if one.name.startswith("test_") and not any(map(is_slow, one.decorator_list))]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(TESTS)))
def test_something_of_every_folder_is_quick(folder):
    assert any(quick_tests(path.read_text()) for path in folder.glob("test_*.py"))


def test_slow_tests_are_noticed():
    assert quick_tests("def test_a(): pass\ndef helper(): pass") == ["test_a"]
    assert not quick_tests("@pytest.mark.slow\ndef test_a(): pass")
    assert not quick_tests("pytestmark = [pytest.mark.slow, other]\ndef test_a(): pass")
