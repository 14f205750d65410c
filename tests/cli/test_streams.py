# SPDX-License-Identifier: Apache-2.0
"""Standard output that is full, closed, or read by nobody: one line, or none, and an exit code."""
import json
import os
import subprocess
import sys

import pytest
from support.commands import run_alone

LENET = "lenet-300-100"
INSPECT = ("inspect", LENET)


def run_into(stdout, *arguments, close=()):
    """Exit code and standard error of ``openeie ...`` with its standard output there."""
    done = subprocess.run([sys.executable, "-m", "openeie", *arguments], stdout=stdout,
                          stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: [os.close(number) for number in close])
    return done.returncode, done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [INSPECT, (*INSPECT, "--json"), ("--help",),
                                       (*INSPECT, "-o", "-"), ("compile", LENET, "-o", "-")])
def test_full(arguments):
    with open("/dev/full", "wb") as full:
        assert run_into(full, *arguments) == (
            2, "error: cannot write standard output: No space left on device\n")


@pytest.mark.parametrize("arguments", [INSPECT, ("--help",), (*INSPECT, "-o", "-")])
def test_closed(arguments):
    assert run_into(None, *arguments, close=[1]) == (
        2, "error: cannot write standard output: it is closed\n")


def test_closed_and_not_needed(tmp_path):
    """No file gets the number of a stream that was closed, and with it what is printed."""
    out = tmp_path / "run.json"
    assert run_into(None, *INSPECT, "-q", "-o", out, close=[0, 1, 2]) == (0, "")
    assert json.loads(out.read_text())["schema_version"] == 1


@pytest.mark.parametrize("arguments", [INSPECT, (*INSPECT, "--json"), ("--help",),
                                       ("report", LENET, "--images", "1", "-o", "-")])
def test_nobody_reads(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    assert run_into(writing, *arguments) == (141, "")
    os.close(writing)


def test_an_error_has_its_own_code_without_any_stream():
    assert run_into(None, "inspect", "nothing", close=[1, 2])[0] == 2


def test_text_alone_is_on_standard_output():
    """Tables are not mixed into what ``-o -`` writes."""
    done = run_alone(*INSPECT, "-o", "-")
    assert json.loads(done.stdout)["name"] == LENET
    sim = json.loads(run_alone("sim", LENET, "--images", 1, "-o", "-").stdout)
    assert len(sim["arrays"]["ip3.outputs"][0]) == 10
    assert run_alone("report", LENET, "--images", 1, "-o", "/dev/stdout").stdout.startswith("<!")


def test_binary_goes_on_but_not_to_a_terminal():
    words = [sys.executable, "-m", "openeie", "compile", LENET, "-o", "-"]
    done = subprocess.run(words, capture_output=True)
    assert done.stdout.startswith(b"PK") and not done.returncode
    leader, terminal = os.openpty()
    done = subprocess.run(words, stdout=terminal, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "not for a terminal" in done.stderr
    os.close(leader)
    os.close(terminal)
