# SPDX-License-Identifier: Apache-2.0
"""The README's Python runs as typed, from an empty folder, and its commands are there."""
import re
import shlex
from pathlib import Path

import openeie
import typer
from openeie.cli import app

PAGE = Path(__file__).resolve().parents[1] / "README.md"


def blocks(text, language=""):
    """The contents of the fenced blocks of a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in fenced if name == language]


def run(text, folder, monkeypatch):
    """What the Python of a page leaves behind; its blocks follow on one another."""
    monkeypatch.chdir(folder)
    names: dict = {"__name__": "__main__"}
    for block in blocks(text, "python"):
        exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_the_python_runs_as_typed(tmp_path, monkeypatch):
    names = run(PAGE.read_text(), tmp_path, monkeypatch)
    assert isinstance(names["run"], openeie.Run) and len(names["run"].cycles)
    for path in tmp_path.glob("*.eie"):
        openeie.load(path)


def test_every_option_of_every_command_exists():
    """Of the lines that start with ``openeie``."""
    verbs = typer.main.get_command(app)
    seen = 0
    for block in blocks(PAGE.read_text()):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if not words or words[0] != "openeie":
                continue
            command, rest = verbs, words[1:]
            while hasattr(command, "commands"):
                command, rest = command.commands[rest[0]], rest[1:]
            known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
            given = {word.partition("=")[0] for word in rest if word.startswith("-")}
            assert given <= known, line
            seen += 1
    assert seen > 15
