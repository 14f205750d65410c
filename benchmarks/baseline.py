# SPDX-License-Identifier: Apache-2.0
"""The same benchmark in a checkout of another commit, and both results as ratios.

Machines are noisy, and no two are alike: only a ratio of two numbers from one run says something.
The checkout needs its own environment: run ``make .venv/.dev`` in it first.
"""
import json
import subprocess
from pathlib import Path
from typing import Any

from openeie.core.errors import InputError, ToolError

__all__ = ["python_of", "ratios", "run_baseline", "with_baseline"]


def python_of(folder: Path) -> Path:
    """The Python of a checkout's environment.

    Raises
    ------
    InputError : it has none.
    """
    python = folder / ".venv" / "bin" / "python"
    if not python.exists():
        raise InputError(f"--baseline {folder}: there is no {python}; check out the commit, and "
                         f"run make .venv/.dev there")
    return python


def run_baseline(folder: Path, script: str, words: list[str]) -> dict[str, Any]:
    """What ``benchmarks/SCRIPT WORDS`` prints in the checkout ``folder``.

    Raises
    ------
    InputError : it has no environment, or no such benchmark.
    ToolError : the benchmark fails there.
    """
    python = python_of(folder)
    path = folder / "benchmarks" / script
    if not path.exists():
        raise InputError(f"--baseline {folder}: there is no {path}; that commit does not have this "
                         f"benchmark, so leave --baseline out")
    done = subprocess.run([python, path, *words], capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise ToolError(f"{path} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


def ratios(ours: Any, theirs: Any) -> Any:
    """Ours / theirs for each number that both have, in the same structure; None elsewhere."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        both = {key: ratios(ours[key], theirs[key]) for key in ours if key in theirs}
        return {key: value for key, value in both.items() if value is not None} or None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [ratios(*pair) for pair in zip(ours, theirs)]
    numbers = (int, float)
    if isinstance(ours, bool) or not isinstance(ours, numbers) or not isinstance(theirs, numbers):
        return None
    return ours / theirs if theirs else None


def with_baseline(result: dict[str, Any], folder: Path | None, script: str, words: list[str]
                  ) -> dict[str, Any]:
    """The result, and, if a folder is given, that of its checkout and the ratios."""
    if folder is None:
        return result
    theirs = run_baseline(folder, script, words)
    return result | {"baseline": theirs, "ratios": ratios(result, theirs)}
