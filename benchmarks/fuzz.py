# SPDX-License-Identifier: Apache-2.0
"""Feed damaged files to every parser; one JSON line each, exit code 1 if one has a fault.

    python benchmarks/fuzz.py --mutations 100000 --seed 1 [--only NAME] [--list] [-j 2]
    python benchmarks/fuzz.py --seed 1 --only NAME --case 7 [-o FILE]   # repeat one case

A damaged file must be refused with an error of the package (``refused``), or be read
(``accepted_equal``, ``accepted_different``). Faults are: any other exception; a different result
although the format has a check of its own (``checked``); a file that takes more than ``--limit``
seconds or 2 GiB; a message of more than 10,000 characters; a crash. ``slowest_s`` is processor
time. Each parser runs in a process of its own (``fuzz_worker.py``). If a file ends that process, a
new one continues with the next file. The parsers are those in ``fuzz_targets.py``,
``fuzz_importers.py``, and in files given with ``--targets``.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fuzz_worker

_FOLDER = Path(__file__).resolve().parent


def fuzz(name: str, args: argparse.Namespace) -> dict:
    """Run all mutations of a parser; returns the results of its processes together."""
    total = {"parser": name, "seed": args.seed, "mutations": 0, "refused": 0, "accepted_equal": 0,
             "accepted_different": 0, "faults": 0, "checked": False, "slowest_s": 0.0,
             "slowest_case": 0, "examples": []}
    begun = time.monotonic()
    first = 0
    while first < args.mutations:
        part, end = run_worker(name, args, first)
        merge(total, part)
        if end is not None and part["next"] < args.mutations:       # this mutation ended it
            add_fault(total, {"case": part["next"], "what": end})
            total["mutations"] += 1
            part["next"] += 1
            if total["faults"] > 100:
                break
        first = part["next"]

    total["seconds"] = round(time.monotonic() - begun, 1)
    for example in total["examples"]:
        example["replay"] = (f"python benchmarks/fuzz.py --seed {args.seed} --only {name} --case "
                             f"{example['case']}")
    return total


def merge(total: dict, part: dict) -> None:
    """Add the results of one process."""
    for key in ("mutations", "refused", "accepted_equal", "accepted_different", "faults"):
        total[key] += part[key]
    total["checked"] = part["checked"]
    total["examples"] += part["examples"]
    if part["slowest_s"] > total["slowest_s"]:
        total |= {key: part[key] for key in ("slowest_s", "slowest_case")}


def add_fault(total: dict, example: dict) -> None:
    """Add a fault that a process could not report itself."""
    total["faults"] += 1
    total["examples"].append(example)


def run_worker(name: str, args: argparse.Namespace, first: int) -> tuple[dict, str | None]:
    """Run a process from mutation ``first`` on; returns its results, and how it was ended."""
    with tempfile.TemporaryDirectory(dir=fuzz_worker.fast_folder()) as folder:
        state = Path(folder) / "state.json"
        words = [sys.executable, str(_FOLDER / "fuzz_worker.py"), name, str(args.seed), str(first),
                 str(args.mutations), str(args.limit), str(state), *map(str, args.targets)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with ThreadPoolExecutor(1) as reader:
            errors = reader.submit(process.stderr.read)
            end = watch(process, state, args.limit)
            said = errors.result().decode(errors="replace").strip().splitlines()
        if not state.exists():
            raise SystemExit(f"error: {name} does not start: {' '.join(said[-1:])}")
        return json.loads(state.read_text()), end


def watch(process: subprocess.Popen, state: Path, limit: float) -> str | None:
    """Wait for a process; end it when a file takes three times the limit, as its own alarm must
    have failed then. Returns how it was ended, or None."""
    seen = None
    since = time.monotonic()
    while process.poll() is None:
        time.sleep(0.05)
        now = fuzz_worker.current_case(state)
        if now != seen:
            seen = now
            since = time.monotonic()
        elif time.monotonic() - since > 3 * limit + (120 if seen is None else 0):
            process.kill()
            process.wait()
            return f"hangs for {3 * limit} s"
    if process.returncode:
        return f"ends the process with code {process.returncode}"
    return None


def replay(name: str, args: argparse.Namespace) -> int:
    """Run one mutation again, with its traceback; ``-o`` writes its bytes to a file."""
    target = fuzz_worker.find_target(name, args.targets)
    pool = fuzz_worker.seeds_of(target, args.seed)
    _, data = fuzz_worker.mutation(target, pool, args.seed, args.case)
    if args.out is not None:
        args.out.write_bytes(data)
        print(f"{args.out}: {len(data):,} bytes")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        print(f"read: {target.parse(path)!r:.2000}")
    return 0


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="NAME", action="append")
    parser.add_argument("--list", action="store_true", help="print the parsers' names")
    parser.add_argument("--case", type=int, help="run only this mutation, with its traceback")
    parser.add_argument("-o", "--out", type=Path, help="write the mutation's bytes to this file")
    parser.add_argument("--limit", type=float, default=20, help="seconds for one file")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--targets", type=Path, action="append", default=[],
                        help="a Python file with more TARGETS")
    args = parser.parse_args()
    names = fuzz_worker.target_names(args.targets)
    unknown = set(args.only or ()) - set(names)
    if unknown:
        parser.error(f"no parser {', '.join(sorted(unknown))}; --list names them")
    if args.list:
        print("\n".join(names))
        return 0
    names = args.only or names
    if args.case is not None:
        if len(names) != 1:
            parser.error("--case needs --only, once")
        return replay(names[0], args)
    found = 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(lambda name: fuzz(name, args), names):
            print(json.dumps(result), flush=True)
            found += result["faults"]
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
