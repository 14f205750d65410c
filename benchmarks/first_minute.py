# SPDX-License-Identifier: Apache-2.0
"""What a new user waits for, as JSON: processor seconds and peak memory of the first commands.

    python benchmarks/first_minute.py [--case NAME ...] [--repeat N] [--baseline FOLDER]

Commands that compute nothing are run ``--repeat`` times, and the least is kept. ``sim`` and
``demo`` run with an empty OPENEIE_CACHE (``cold``) and again with what that run left in it
(``warm``); so do, with ``--case readme``, the commands of README's quick start. Seconds are those
of the process and all that it starts, user and system, so another load on the machine matters
little; megabytes are those of the largest of these processes.

With ``--baseline FOLDER``, a checkout of another commit with its own environment (``make
.venv/.dev``), every command runs there, too, in turns, and the ratios ours / theirs follow. A
command that fails there, or that it does not have, is null.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from baseline import python_of, ratios

from openeie.cli.common import one_line_errors
from openeie.core.errors import InputError, ToolError, must_be_one_of

HERE = Path(__file__).resolve().parents[1]
#: Commands that compute nothing.
LIGHT = {"--help": ("--help",), "--version": ("--version",), "inspect": ("inspect", "lenet-5"),
         "boards": ("boards",), "doctor": ("doctor",)}
#: Commands that fill the cache.
CACHED = {"sim": ("sim", "lenet-300-100", "--images", "1"), "demo": ("demo",)}
#: The commands of README's quick start.
README = "readme"
CASES = (*LIGHT, *CACHED)
#: Of the two numbers of a run, as ``os.wait4`` gives them in kilobytes, or on macOS in bytes.
_PER_MB = 1 << (20 if sys.platform == "darwin" else 10)


def measure(python: Path, folder: Path, words: Iterable[str], cache: Path) -> dict[str, float]:
    """Run ``openeie WORDS`` of a checkout once.

    Returns
    -------
    ``cpu_s``, of it and its children, and ``peak_mb``, of the largest of them.

    Raises
    ------
    ToolError : it fails.
    """
    words = [str(cache / word) if word.endswith(".vcd") else word for word in words]
    command = [str(python), "-m", "openeie", *words]
    # Older commits compile with numba, which kept its results beside the modules.
    environment = os.environ | {"OPENEIE_CACHE": str(cache), "NUMBA_CACHE_DIR": str(cache)}
    # A user's modules are compiled once, when they are installed or first loaded.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=told,
                                   stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            last = told.read().decode(errors="replace").strip().splitlines()[-1:]
            raise ToolError(f"{' '.join(command)} in {folder} ends with exit code "
                            f"{process.returncode}: {' '.join(last)}")
    return {"cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
            "peak_mb": round(usage.ru_maxrss / _PER_MB, 1)}


def attempt(number: int, checkout: tuple[Path, Path], words: Iterable[str], cache: Path
            ) -> dict[str, float] | None:
    """:func:`measure` in checkout ``number``; None if it fails in another than the first."""
    try:
        return measure(*checkout, words, cache)
    except ToolError:
        if number == 0:
            raise
        return None


def least(runs: list[dict[str, float] | None]) -> dict[str, float] | None:
    """The least of each number; None if a run failed."""
    there = [run for run in runs if run is not None]
    if len(there) < len(runs):
        return None
    return {key: min(run[key] for run in there) for key in ("cpu_s", "peak_mb")}


def light(checkouts: list[tuple[Path, Path]], words: tuple[str, ...], repeat: int) -> list:
    """A command that computes nothing, in each checkout: the least of ``repeat`` runs, after one
    that loads the disk's cache."""
    runs: list[list[dict[str, float] | None]] = [[] for _ in checkouts]
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(repeat + 1):
            for number, where in enumerate(checkouts):
                runs[number].append(attempt(number, where, words, Path(cache)))
    return [least(mine[1:]) for mine in runs]


def cached(checkouts: list[tuple[Path, Path]], words: tuple[str, ...]) -> list:
    """A command that fills the cache, in each checkout: with an empty one, and again."""
    results = []
    for number, where in enumerate(checkouts):
        with tempfile.TemporaryDirectory() as cache:
            cold = attempt(number, where, words, Path(cache))
            warm = attempt(number, where, words, Path(cache))
        results.append({"cold": cold, "warm": warm})
    return results


def readme_commands(text: str) -> dict[str, tuple[str, ...]]:
    """The words of each line ``openeie ...`` of the first block of commands that has one."""
    block = next(part for part in text.split("```") if "\nopeneie " in part)
    lines = [line.partition("#")[0].strip() for line in block.splitlines()]
    return {line: tuple(shlex.split(line)[1:]) for line in lines if line.startswith("openeie ")}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", metavar="NAME",
                        help=f"one of {', '.join(CASES)}, {README}; repeatable; if left out, all "
                             f"but the last")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--baseline", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    for name in options.case or ():
        if name not in (*CASES, README):
            raise InputError(f"--case {must_be_one_of(name, (*CASES, README))}")
    if options.repeat < 1:
        raise InputError(f"--repeat must be at least 1, not {options.repeat}")
    checkouts = [(Path(sys.executable), HERE)]
    if options.baseline is not None:
        folder = options.baseline.resolve()
        checkouts.append((python_of(folder), folder))

    results: list[dict] = [{} for _ in checkouts]
    cases = [name for name in options.case or CASES if name != README]
    commands = dict(CACHED)
    if README in (options.case or ()):
        of_readme = readme_commands((HERE / "README.md").read_text())
        commands |= of_readme
        cases += of_readme
    for name in cases:
        if name in LIGHT:
            measured = light(checkouts, LIGHT[name], options.repeat)
        else:
            measured = cached(checkouts, commands[name])
        for result, numbers in zip(results, measured):
            result[name] = numbers
    ours = results[0]
    shown = {"commands": ours}
    if options.baseline is not None:
        shown |= {"baseline": results[1], "ratios": ratios(ours, results[1])}
    print(json.dumps(shown, indent=1))


if __name__ == "__main__":
    with one_line_errors():
        main()
