# SPDX-License-Identifier: Apache-2.0
"""Runs the mutations of one parser, with limits on time and memory; started by ``fuzz.py``.

Its counts are written to a file, which ``fuzz.py`` reads however this process ends.
"""
import importlib.util
import json
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fuzz_mutations import mutate

from openeie.core.errors import OpenEIEError

_FOLDER = Path(__file__).resolve().parent
_SEEDS = 6
_MOST_MEMORY = 2 << 30          # bytes for one file, in addition to the process before it
_MOST_EXAMPLES = 20
_LONGEST_MESSAGE = 10_000
_EVERY = 0.2                    # seconds between two writes of the counts


class Target(NamedTuple):
    """A parser and its files; see ``fuzz_targets.py``."""
    name: str
    make: Callable[[np.random.Generator], bytes]
    parse: Callable[[Path], Any]
    checked: bool = False


class Slow(BaseException):
    """A file takes too long. No Exception, so that no parser catches it."""


def fast_folder() -> str | None:
    """A folder in memory, or None."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _load(path: Path) -> list[Target]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return [Target(*fields) for fields in module.TARGETS]


def all_targets(more: list[Path]) -> list[Target]:
    """The parsers of the project, and those of the files ``more``."""
    files = (_FOLDER / "fuzz_targets.py", _FOLDER / "fuzz_importers.py", *map(Path, more))
    return [target for file in files for target in _load(file)]


def target_names(more: list[Path]) -> list[str]:
    """Names of all parsers."""
    return [target.name for target in all_targets(more)]


def find_target(name: str, more: list[Path]) -> Target:
    """The parser called ``name``."""
    return next(target for target in all_targets(more) if target.name == name)


def _generator(target: Target, seed: int, number: int, kind: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(target.name.encode()), kind, number])


def seeds_of(target: Target, seed: int) -> list[bytes]:
    """Valid files to damage."""
    return [target.make(_generator(target, seed, number, 0)) for number in range(_SEEDS)]


def mutation(target: Target, pool: list[bytes], seed: int, number: int) -> tuple[int, bytes]:
    """A mutation: the index of its valid file in ``pool``, and its bytes. It depends only on the
    seed and the number."""
    rng = _generator(target, seed, number, 1)
    which = int(rng.integers(len(pool)))
    return which, mutate(rng, pool[which], pool)


def same(one: Any, two: Any) -> bool:
    """Whether two results are equal, also in the arrays in them."""
    if isinstance(one, np.ndarray) or isinstance(two, np.ndarray):
        one, two = np.asarray(one), np.asarray(two)
        return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind in "fc")
    if isinstance(one, dict) and isinstance(two, dict):
        return list(one) == list(two) and all(same(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def current_case(state: Path) -> int | None:
    """Number of the mutation that a process runs; None before the first."""
    try:
        return int(state.with_suffix(".case").read_bytes())
    except (OSError, ValueError):
        return None


class Worker:
    """Runs mutations of a parser, and counts how they end."""

    def __init__(self, target: Target, seed: int, limit: float, folder: Path, state: Path) -> None:
        self._target = target
        self._seed = seed
        self._limit = limit
        self._state = state
        self._path = folder / target.name
        self._pool = seeds_of(target, seed)
        self._truth = [self._parse(data) for data in self._pool]
        self._case = state.with_suffix(".case").open("wb", buffering=0)
        self._written = 0.0
        self.counts: dict = {
            "next": 0, "mutations": 0, "refused": 0, "accepted_equal": 0, "accepted_different": 0,
            "faults": 0, "checked": target.checked, "slowest_s": 0.0, "slowest_case": 0,
            "examples": []}
        self._kinds: set = set()

    def _parse(self, data: bytes) -> Any:
        self._path.write_bytes(data)
        return self._target.parse(self._path)

    def run(self, first: int, last: int) -> None:
        """Run mutations ``first`` .. ``last`` - 1, in order."""
        for number in range(first, last):
            self.counts["next"] = number
            self._case.seek(0)
            self._case.write(b"%20d" % number)
            self._keep(always=False)
            which, data = mutation(self._target, self._pool, self._seed, number)
            begun = time.process_time()         # does not depend on the machine's other work
            self._one(number, data, self._truth[which])
            took = round(time.process_time() - begun, 4)
            if took > self.counts["slowest_s"]:
                self.counts |= {"slowest_s": took, "slowest_case": number}
            self.counts["mutations"] += 1
        self.counts["next"] = last
        self._keep(always=True)

    def _one(self, number: int, data: bytes, truth: Any) -> None:
        """Run one mutation, whose undamaged file gives ``truth``."""
        try:
            signal.setitimer(signal.ITIMER_REAL, self._limit)
            result = self._parse(data)
            equal = same(result, truth)
        except OpenEIEError as error:
            self.counts["refused"] += 1
            if len(str(error)) > _LONGEST_MESSAGE:
                self._fault(number, f"a message of {len(str(error)):,} characters", "long")
        except Slow:
            self._fault(number, f"takes more than {self._limit} s", "Slow")
        except Exception as error:      # any other exception is a fault
            place = traceback.extract_tb(error.__traceback__)[-1]
            self._fault(number, f"{type(error).__name__}: {error!s:.300}",
                        (type(error), place.filename, place.lineno))
        else:
            self.counts["accepted_equal" if equal else "accepted_different"] += 1
            if not equal and self._target.checked:
                self._fault(number, "is read as something else, despite its check", "different")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _fault(self, number: int, what: str, kind: Any) -> None:
        """Count a fault, and keep the first of its kind as an example."""
        self.counts["faults"] += 1
        if kind not in self._kinds and len(self._kinds) < _MOST_EXAMPLES:
            self._kinds.add(kind)
            self.counts["examples"].append({"case": number, "what": what})
            self._keep(always=True)

    def _keep(self, *, always: bool) -> None:
        """Write the counts to the file, at most every 0.2 s unless ``always``."""
        if always or time.monotonic() - self._written > _EVERY:
            partial = self._state.with_suffix(".partial")
            partial.write_text(json.dumps(self.counts))
            partial.replace(self._state)
            self._written = time.monotonic()


def stop(*_: Any) -> None:
    """Handler of the alarm."""
    raise Slow


def main(name: str, seed: str, first: str, last: str, limit: str, state: str, *more: str) -> None:
    """Run the mutations of a parser under limits."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, stop)
    target = find_target(name, [Path(file) for file in more])
    # Within the folder of ``fuzz.py``, which removes it if this process cannot.
    with tempfile.TemporaryDirectory(dir=Path(state).parent) as folder:
        worker = Worker(target, int(seed), float(limit), Path(folder), Path(state))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + _MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        worker.run(int(first), int(last))


if __name__ == "__main__":
    main(*sys.argv[1:])
