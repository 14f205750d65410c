# SPDX-License-Identifier: Apache-2.0
"""``openeie --version``, and options before the verb."""
import openeie
import pytest
from openeie.cli.invocation import invocation
from support.commands import run, run_json


def test_version():
    assert run("--version").stdout == f"openeie {openeie.__version__}\n"
    for words in (("--version",), ("--json", "--version")):
        assert run_json(*words)["version"] == openeie.__version__


@pytest.mark.parametrize(("words", "message"), [
    (("--json", "inspect", "lenet-5"), f"--json is before the verb inspect; type {invocation()} "
                                       f"inspect ... --json"),
    (("--version", "inspect", "lenet-5"), "--version is before the verb inspect; leave out one"),
    (("--json",), f"there is no verb; {invocation()} --help lists all verbs"),
])
def test_options_that_mean_nothing_there(words, message):
    assert message in run(*words, code=2).stderr
    assert message in run_json(*words, code=2)["error"]["message"]


def test_help_without_a_verb():
    done = run(code=2)
    assert "--version" in done.stdout + done.stderr and "doctor" in done.stdout + done.stderr
