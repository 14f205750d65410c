# SPDX-License-Identifier: Apache-2.0
"""Test the link on a bad cable and with random bytes; one JSON object, exit code 1 if it fails.

    python benchmarks/link_faults.py [--requests 2000] [--rate 0.001] [--cuts 5] [--garbage 1000000]

On the virtual iCEBreaker, random words are written and read back while bytes are lost, changed and
doubled in both directions, each at ``--rate``, and while the cable is unplugged for a second,
``--cuts`` times. Then ``--garbage`` random bytes are sent, after which the board must be idle and
unchanged. Every answer must be right or an error of the package. Times are real seconds.
"""
import argparse
import inspect
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from openeie.boards import board
from openeie.boards.driver import Device
from openeie.boards.faults import BadCable
from openeie.boards.virtual import Terminal
from openeie.cli.common import one_line_errors
from openeie.core.array.config import preset
from openeie.core.array.load_port import LOAD_RECORD, Fault, Target
from openeie.core.errors import LinkError, OpenEIEError

BOARD = board("icebreaker").replace(baud=6_000_000)     # fast, since each bit is simulated
CONFIG = preset("TINY").replace(word_width=32, act_depth=64)
#: Words of one write or read; they fit in a single request.
WORDS = 64


def records_of(pe: int, values: np.ndarray) -> np.ndarray:
    """Load records that write ``values`` into an activation memory."""
    records = np.zeros(len(values), LOAD_RECORD)
    records["target"] = Target.ACT_A
    records["pe"] = pe
    records["address"] = np.arange(len(values))
    records["data"] = values.astype(np.int64).view(np.uint64)
    return records


def bad_cable(device: Device, cable: BadCable, rng: np.random.Generator, requests: int,
              cuts: int) -> dict:
    """Write and read on a bad cable; returns counts and times of wrong answers and errors."""
    result = {"operations": 0, "silently_wrong": 0, "errors": {}, "longest_error_s": 0.0,
              "longest_error": ""}
    cut_at = set(np.linspace(requests / (cuts + 1), requests, cuts, endpoint=False).astype(int))
    channel = device._channel
    known: dict[int, np.ndarray] = {}
    begun_at = channel.answered

    def plug_in() -> None:
        cable.connected = True

    def attempt(action: Callable, *arguments: Any) -> tuple[bool, Any]:
        """True and the result; or False and None after an error of the package."""
        begun = time.monotonic()
        result["operations"] += 1
        try:
            return True, action(*arguments)
        except OpenEIEError as error:
            spent = time.monotonic() - begun
            name = type(error).__name__
            result["errors"][name] = result["errors"].get(name, 0) + 1
            if spent > result["longest_error_s"]:
                result.update(longest_error_s=round(spent, 3), longest_error=str(error))
            return False, None

    while channel.answered - begun_at < requests:
        if any(place <= channel.answered - begun_at for place in cut_at):
            cut_at = {place for place in cut_at if place > channel.answered - begun_at}
            cable.connected = False
            threading.Timer(1.0, plug_in).start()

        pe = int(rng.integers(CONFIG.pes))
        values = rng.integers(-32768, 32768, WORDS)
        done, _ = attempt(device.write, records_of(pe, values))
        if not done:
            known.pop(pe, None)         # after an error, the words may be written or not
            attempt(device.reconnect)
            continue
        known[pe] = values

        done, got = attempt(device.read, Target.ACT_A, pe, 0, WORDS)
        if not done:
            attempt(device.reconnect)
        elif not np.array_equal(got, values):
            result["silently_wrong"] += 1

    cable.rate = 0.0
    device.reconnect()
    for pe, values in known.items():
        result["silently_wrong"] += not np.array_equal(
            device.read(Target.ACT_A, pe, 0, WORDS), values)
    return result | {"requests": channel.answered - begun_at, "damaged_bytes": cable.damage}


def garbage(device: Device, rng: np.random.Generator, amount: int) -> dict:
    """Send random bytes; returns whether the board is idle and unchanged after them."""
    held = [rng.integers(-32768, 32768, WORDS) for _ in range(CONFIG.pes)]
    for pe, values in enumerate(held):
        device.load(records_of(pe, values))
    port = device._channel._port._serial
    for first in range(0, amount, 1000):
        port.write(rng.integers(0, 256, min(1000, amount - first), np.uint8).tobytes())
        port.reset_input_buffer()
    begun = time.monotonic()
    while True:         # wait until all bytes have passed the terminal and the simulated line
        try:
            device.reconnect()
            break
        except LinkError:
            if time.monotonic() - begun > 60:
                return {"bytes": amount, "idle": False, "unchanged": False}
    same = all(np.array_equal(device.read(Target.ACT_A, pe, 0, WORDS), values)
               for pe, values in enumerate(held))
    return {"bytes": amount, "idle": device.fault is Fault.NONE, "unchanged": same}


def unplugged(device: Device, cable: BadCable) -> float:
    """Seconds from unplugging the cable to an error."""
    cable.connected = False
    begun = time.monotonic()
    try:
        device.identify()
    except LinkError:
        return round(time.monotonic() - begun, 3)
    finally:
        cable.connected = True
    raise AssertionError("an unplugged cable was not noticed")


def main() -> None:
    """Print the result."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=0.001)
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--garbage", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with BadCable(BOARD, CONFIG, rng=np.random.default_rng(options.seed + 1)) as cable, \
            Terminal(cable) as terminal, \
            Device(terminal.url, BOARD.baud, expect=CONFIG) as device:
        cable.rate = options.rate
        begun = time.monotonic()
        result = {"seed": options.seed, "rate": options.rate, "cuts": options.cuts,
                  "cable": bad_cable(device, cable, rng, options.requests, options.cuts),
                  "unplugged_error_s": unplugged(device, cable)}
        device.reconnect()
        result["garbage"] = garbage(device, rng, options.garbage)
        result["seconds"] = round(time.monotonic() - begun, 1)
    print(json.dumps(result))
    good = not result["cable"]["silently_wrong"] and result["garbage"]["idle"] \
        and result["garbage"]["unchanged"] and result["cable"]["longest_error_s"] < 2
    sys.exit(not good)


if __name__ == "__main__":
    with one_line_errors():
        main()
