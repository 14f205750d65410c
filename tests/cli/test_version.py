# SPDX-License-Identifier: Apache-2.0
"""``openeie --version``, and options that stand before the verb."""
import openeie
import pytest
from support.commands import run, run_json


def test_version():
    assert run("--version").stdout == f"openeie {openeie.__version__}\n"
    for words in (("--version",), ("--json", "--version")):
        assert run_json(*words)["version"] == openeie.__version__


@pytest.mark.parametrize(("words", "message"), [
    (("--json", "inspect", "lenet-5"), "--json stands before the verb inspect; write openeie "
                                       "inspect ... --json"),
    (("--version", "inspect", "lenet-5"), "--version stands before the verb inspect"),
    (("--json",), "no verb: openeie --help lists them"),
])
def test_what_says_nothing_there(words, message):
    assert message in run(*words, code=2).stderr
    assert message in run_json(*words, code=2)["error"]["message"]


def test_help_without_a_verb():
    done = run(code=2)
    assert "--version" in done.stdout + done.stderr and "doctor" in done.stdout + done.stderr
