# SPDX-License-Identifier: Apache-2.0
"""Every parser under damaged files, for a moment; and that the fuzzer tells what it must tell.

``python benchmarks/fuzz.py --mutations 100000`` is the long run.
"""
import importlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))
fuzz_worker = importlib.import_module("fuzz_worker")
sys.path.remove(str(FOLDER))

PLANTED = '''
import os, signal, time

def seed(rng):
    return b"0123456789 [1, 2, 3] abcdef"

def sound(path):
    return path.read_bytes() == seed(None) or refuse()

def refuse():
    from openeie.core.errors import InputError
    raise InputError("it is damaged")

def raw(path):
    {number: True for number in b"0123456789 []abcdef,"}[path.read_bytes()[:1][0]]
    return True

def silent(path):
    return path.read_bytes()[:10]

def on_damage(act):
    def parse(path):
        if path.read_bytes() != seed(None):
            act()
        return True
    return parse

def deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)

TARGETS = [("sound", seed, sound, True), ("raw", seed, raw), ("silent", seed, silent, True),
           ("lenient", seed, silent), ("slow", seed, on_damage(lambda: time.sleep(60))),
           ("deaf", seed, on_damage(deaf)), ("crash", seed, on_damage(os.abort)),
           ("greedy", seed, on_damage(lambda: bytearray(3 << 30)))]
'''


def fuzz(*words):
    """The exit code of ``fuzz.py``, and its lines as JSON, by parser."""
    done = subprocess.run([sys.executable, str(FOLDER / "fuzz.py"), *map(str, words)],
                          capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, {line["parser"]: line
                             for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A file of parsers with faults."""
    path = tmp_path_factory.mktemp("planted") / "planted.py"
    path.write_text(PLANTED)
    return path


@pytest.fixture
def alarm():
    before = signal.signal(signal.SIGALRM, fuzz_worker.stop)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
@pytest.mark.parametrize("target", fuzz_worker.all_targets([]), ids=lambda target: target.name)
def test_damaged_files_end_in_documented_errors(target, seed, tmp_path, alarm):
    worker = fuzz_worker.Worker(target, seed, 30, tmp_path, tmp_path / "state")
    worker.run(0, 250)
    assert worker.counts["mutations"] == 250 and not worker.counts["faults"], worker.counts
    # Damaged lines of a journal are run again.
    assert worker.counts["refused"] > 0 or target.name == "regression.json"
    assert fuzz_worker.seeds_of(target, seed) == fuzz_worker.seeds_of(target, seed)


@pytest.mark.slow
def test_what_the_fuzzer_tells_of_planted_faults(planted):
    code, found = fuzz("--targets", planted, "--mutations", 200, "--only", "sound", "--only", "raw",
                       "--only", "silent", "--only", "lenient", "-j", 2)
    assert code == 1
    assert {name: one["faults"] > 0 for name, one in found.items()} == {
        "sound": False, "raw": True, "silent": True, "lenient": False}
    for one in found.values():
        assert one["mutations"] == 200
    assert found["sound"]["refused"] > 150 and found["lenient"]["accepted_different"] > 50
    assert found["silent"]["faults"] == found["silent"]["accepted_different"]
    assert all("KeyError" in one["what"] or "IndexError" in one["what"]
               for one in found["raw"]["examples"])


@pytest.mark.slow
@pytest.mark.parametrize("name, what", [
    ("slow", "takes more than 0.5 s"), ("deaf", "hangs for 1.5 s"),
    ("crash", "ends the process with code -6"), ("greedy", "MemoryError")])
def test_a_file_that_ends_a_parser_is_told_and_left_behind(planted, name, what):
    code, found = fuzz("--targets", planted, "--mutations", 2, "--limit", 0.5, "--only", name)
    assert code == 1 and found[name]["mutations"] == 2
    assert what in found[name]["examples"][0]["what"]


@pytest.mark.slow
def test_a_fault_can_be_had_again(planted, tmp_path):
    code, found = fuzz("--targets", planted, "--mutations", 200, "--only", "raw", "--seed", 7)
    case = found["raw"]["examples"][0]["case"]
    assert found["raw"]["examples"][0]["replay"].endswith(f"--seed 7 --only raw --case {case}")
    again = subprocess.run([sys.executable, str(FOLDER / "fuzz.py"), "--targets", str(planted),
                            "--seed", "7", "--only", "raw", "--case", str(case), "-o",
                            str(tmp_path / "bytes")], capture_output=True, text=True)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith(("KeyError", "IndexError"))
    assert (tmp_path / "bytes").exists()


def test_unknown_parsers_are_refused(planted):
    done = subprocess.run([sys.executable, str(FOLDER / "fuzz.py"), "--only", "nothing"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and "no parser nothing; --list names them" in done.stderr
    listed = subprocess.run([sys.executable, str(FOLDER / "fuzz.py"), "--list"],
                            capture_output=True, text=True).stdout.split()
    assert {"config.toml", "points.jsonl", "network.eie"} <= set(listed)
