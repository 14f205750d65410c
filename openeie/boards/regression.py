# SPDX-License-Identifier: Apache-2.0
"""The hardware regression, the same for virtual and real boards."""
import hashlib
import json
import time
import xml.etree.ElementTree as xml
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ..core.array.load_port import LOAD_RECORD, Control, Fault, Target, load_crc
from ..core.artefact.artefact import dumps
from ..core.compile.compile import compile_network
from ..core.compile.program import Program
from ..core.errors import ArrayFault, CapacityError, InputError, LinkError, Mismatch, OpenEIEError
from ..core.host.files import remove_file
from ..core.network.graph import Network
from ..sim.fast import fast
from ..sim.random.cases import case
from ..sim.rtl.drive import execute
from .driver import Device
from .fit import compile_to_fit
from .regression_journal import Outcome, RegressionJournal

__all__ = ["Outcome", "Regression", "junit"]


class Regression:
    """The checks of one board, in order. Each is independent of the others.

    Parameters
    ----------
    device : the board.
    network : network for the last check.
    images : inputs of ``network``, int64 [batch, n].
    target : what is tested, for the journal: a port's name, or ``virtual``.
    seed : seed of all random numbers.
    layers : random networks per encoding.
    identities : how often the identity is read.

    Attributes
    ----------
    dropped : damaged lines of the journal; their checks are run again.
    """
    def __init__(self, device: Device, network: Network, images: np.ndarray, *,
                 target: str = "", seed: int = 1, layers: int = 5,
                 identities: int = 50) -> None:
        self._device = device
        self._network = network
        self._images = images
        self._target = target
        self._seed = seed
        self._layers = layers
        self._identities = identities
        self.dropped = 0

    def checks(self) -> list[tuple[str, Callable[[], str]]]:
        """Names and functions of the checks. A function returns what it checked, or raises."""
        named: list[tuple[str, Callable[[], str]]] = [
            ("link", self._link), ("memory", self._memory), ("errors", self._errors)]
        for encoding in self._device.config.encodings:
            named.append((f"random networks, {encoding}", partial(self._random, encoding)))
        return [*named, (self._network.name, self._images_equal)]

    def run(self, journal: Path | None = None) -> Iterator[Outcome]:
        """Run the checks; yields each outcome as soon as it is known.

        Checks that have passed according to ``journal``, on the same bitstream and with the same
        seed, are not run again: an interrupted regression continues where it stopped. At the end
        the journal is removed, so that the next regression starts from the beginning.

        Raises
        ------
        LinkError : the link is lost.
        InputError : the journal cannot be read or written.
        """
        kept = RegressionJournal(journal, self._owner())
        self.dropped = kept.dropped
        for name, check in self.checks():
            outcome = kept.passed.get(name)
            if outcome is None:
                outcome = self._one(name, check)
                if outcome.result == "passed":
                    kept.add(outcome)
            yield outcome
        if journal is not None:
            remove_file(journal)

    def _owner(self) -> str:
        """Owner of the journal: everything that an outcome depends on."""
        identity = self._device.identity
        network = hashlib.sha256(dumps(self._network) + self._images.tobytes()).hexdigest()
        return json.dumps([self._target, identity.board, f"{identity.design:016x}",
                           identity.clock_hz, identity.config.digest, self._seed, self._layers,
                           self._identities, len(self._images), network])

    def _one(self, name: str, check: Callable[[], str]) -> Outcome:
        """Run one check."""
        begun = time.monotonic()
        try:
            result = "passed"
            message = check()
        except CapacityError as error:
            result = "skipped"
            message = str(error)
        except LinkError:
            raise                       # without a link, no check can go on
        except OpenEIEError as error:
            result = "failed"
            message = str(error)
        return Outcome(name=name, result=result, message=message,
                       seconds=round(time.monotonic() - begun, 3))

    def _link(self) -> str:
        """The identity can be read again and again."""
        for _ in range(self._identities):
            if self._device.identify() != self._device.identity:
                raise Mismatch("the identity changes from one reading to the next")
        return f"{self._identities} identities"

    def _memory(self) -> str:
        """Every activation word of every PE, twice: random words, then their complements."""
        rng = np.random.default_rng(self._seed)
        config = self._device.config
        half = 1 << config.act_width - 1
        for target in (Target.ACT_A, Target.ACT_B):
            words = rng.integers(-half, half, (config.pes, config.act_depth))
            self._write_and_read(target, words)
            self._write_and_read(target, ~words)
        return f"{4 * config.pes * config.act_depth:,} words"

    def _write_and_read(self, target: Target, words: np.ndarray) -> None:
        """Check that ``words`` [PEs, depth] of an activation memory are read as written."""
        self._device.load(np.concatenate([_acts(target, pe, row)
                                          for pe, row in enumerate(words)]))
        for pe, row in enumerate(words):
            got = self._device.read(target, pe, 0, len(row))
            if not np.array_equal(got, row):
                word = int(np.flatnonzero(got != row)[0])
                raise Mismatch(f"{target.name} of PE {pe}, word {word}: wrote {row[word]}, read "
                               f"{got[word]}")

    def _errors(self) -> str:
        """The array reports the faults that it must report, and works again afterwards."""
        device = self._device
        records = _acts(Target.ACT_A, 0, np.arange(2))
        for fault, prepare, command, data in (
                (Fault.BAD_CRC, device.write, Control.CHECK, load_crc(records) ^ 1),
                (Fault.UNCHECKED, device.write, Control.START, 1 << 16),
                (Fault.BAD_LAYERS, device.load, Control.START, 0)):
            device.command(Control.CLEAR)
            prepare(records)
            device.command(command, data)
            if device.fault is not fault:
                raise Mismatch(f"expected the fault {fault.name}, the array reports "
                               f"{device.fault.name}")
        device.command(Control.CLEAR)
        device.load(records)
        return "BAD_CRC, UNCHECKED, BAD_LAYERS"

    def _random(self, encoding: str) -> str:
        """Random networks in one encoding, compared with the engine ``fast``."""
        done = 0
        words = 0
        for index in range(40 * self._layers):
            drawn = case(self._seed, 0, index, self._device.config)
            try:
                program = compile_network(drawn.program.network, self._device.config,
                                          vectors=drawn.program.vectors, encoding=encoding)
            except (CapacityError, InputError):
                continue
            words += self._compare(program, drawn.x)
            done += 1
            if done == self._layers:
                break

        if not done:
            raise CapacityError(f"no random network fits this board in {encoding}")
        return f"{done} networks, {words:,} output words, all cycles and counters equal to fast"

    def _images_equal(self) -> str:
        """The network on all images, compared with the engine ``fast``."""
        try:
            program, _ = compile_to_fit(self._network, self._device.config)
        except InputError as error:
            raise CapacityError(str(error)) from error
        words = self._compare(program, self._images)
        return (f"{len(self._images)} inputs, {words:,} output words, all cycles and counters "
                f"equal to fast")

    def _compare(self, program: Program, x: np.ndarray) -> int:
        """Compare a run on the board with ``fast``; returns the number of output words."""
        try:
            run = execute(self._device, program, x, engine="board", unattended=True)
        except ArrayFault:
            self._device.reset()
            self._device.command(Control.CLEAR)
            raise
        run.compare(fast.run(program, x))
        return sum(layer.outputs.size for layer in run.tiles)


def _acts(target: Target, pe: int, values: np.ndarray) -> np.ndarray:
    """Load records that write ``values`` to an activation memory of a PE, from address 0 on."""
    records = np.zeros(len(values), LOAD_RECORD)
    records["target"] = target
    records["pe"] = pe
    records["address"] = np.arange(len(values))
    records["data"] = values.astype(np.int64).view(np.uint64)
    return records


def junit(board: str, outcomes: list[Outcome]) -> bytes:
    """Outcomes as JUnit XML, the format that regression servers read."""
    counts = Counter(outcome.result for outcome in outcomes)
    suite = xml.Element("testsuite", name=f"openeie.{board}", tests=str(len(outcomes)),
                        failures=str(counts["failed"]), skipped=str(counts["skipped"]))
    for outcome in outcomes:
        one = xml.SubElement(suite, "testcase", classname=f"openeie.{board}", name=outcome.name,
                             time=str(outcome.seconds))
        if outcome.result == "passed":
            xml.SubElement(one, "system-out").text = outcome.message
        else:
            kind = "failure" if outcome.result == "failed" else "skipped"
            xml.SubElement(one, kind, message=outcome.message)
    return xml.tostring(suite, encoding="utf-8", xml_declaration=True)
