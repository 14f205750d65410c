# SPDX-License-Identifier: Apache-2.0
"""Configurations, sweeps and artefacts that are damaged or hostile: one line, and exit code 2."""
import json
import os

import pytest
from openeie.core.array.config import preset
from support.commands import run

TINY = preset("TINY").to_dict()
AS_JSON = json.dumps(TINY)
AS_TOML = "".join(f"{name} = {json.dumps(value)}\n" for name, value in TINY.items())
MODEL = "lenet-300-100"


@pytest.mark.parametrize("verb, name, text, message", [
    ("sim", "c.json", "[" * 100_000, "cannot read the configuration c.json: lists and tables may"),
    ("sim", "c.toml", "a = " + "[" * 100_000, "cannot read the configuration c.toml: lists and"),
    ("sim", "c.json", AS_JSON[:-1] + ', "pes": 2}', "key 'pes' occurs twice"),
    ("sim", "c.json", '{"pes": ' + "9" * 5000 + "}", "an integer may have 300 digits, not 5,000"),
    ("sim", "c.toml", "pes = " + "9" * 5000, "an integer may have 300 digits, not thousands"),
    ("sim", "c.json", '{"pes": 1e400}', "a number must be finite, not 1e400"),
    ("sim", "c.json", "[1]", "c.json must hold one table of fields, not a list"),
    ("sim", "c.toml", AS_TOML + '"\\u001b" = 1\n', r"unknown configuration key '\x1b'"),
    ("sweep", "s.toml", "grid = " + "{a=" * 30_000, "cannot read the sweep s.toml: lists and tab"),
    ("sweep", "s.toml", "mhz = 1e400", "s.toml: a number must be finite, not 1e400"),
    ("sweep", "s.toml", "mhz = 0x" + "f" * 5000, "an integer may have 300 digits, not more"),
    ("sweep", "s.toml", "a" * 2_000_000, "it has more than the 1,048,576 bytes that are read")])
def test_one_line_says_what_is_wrong(tmp_path, verb, name, text, message):
    (tmp_path / name).write_text(text)
    words = (verb, MODEL, "-c", name) if verb == "sim" else (verb, name)
    done = run(*words, code=2, cwd=tmp_path)
    assert message in " ".join(done.stderr.split()) and len(done.stderr) < 1000
    assert done.stderr.startswith("error: ") and not done.stdout


@pytest.mark.parametrize("name, text", [("c.json", json.dumps({"pes": "x" * 900_000})),
                                        ("c.json", json.dumps({"x" * 900_000: 1})),
                                        ("s.toml", f"mhz = '{'x' * 900_000}'")])
def test_a_message_is_short_whatever_it_quotes(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    words = ("sim", MODEL, "-c", name) if name == "c.json" else ("sweep", name)
    assert len(run(*words, code=2, cwd=tmp_path).stderr) < 9_000


@pytest.mark.parametrize("words", [("sim", MODEL, "-c", "pipe.toml"), ("sweep", "pipe.toml"),
                                   ("inspect", "pipe.eie"), ("sim", "pipe.eie")])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, words):
    name = words[-1]
    os.mkfifo(tmp_path / name)
    done = run(*words, code=2, cwd=tmp_path)
    assert f"{name}: it must be a regular file, not a pipe" in " ".join(done.stderr.split())


def test_a_file_of_a_configuration_is_the_configuration(tmp_path):
    """What is right is still read."""
    for name, text in (("c.json", AS_JSON), ("c.toml", AS_TOML)):
        (tmp_path / name).write_text(text)
        out = run("sim", MODEL, "-c", name, code=2, cwd=tmp_path).stderr
        assert "acc_depth: layer 'ip1' needs 75, the array has 16" in " ".join(out.split())
