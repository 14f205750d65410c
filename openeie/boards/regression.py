# SPDX-License-Identifier: Apache-2.0
"""The hardware regression: one definition for virtual and real boards."""
import hashlib
import json
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ..core.array.load_port import LOAD_RECORD, Control, Fault, Target, load_crc
from ..core.artefact.artefact import dumps
from ..core.compile.compile import compile_network
from ..core.errors import ArrayFault, CapacityError, InputError, LinkError, Mismatch, OpenEIEError
from ..core.host.files import remove_file
from ..core.network.graph import Network
from ..sim.fast import fast
from ..sim.random.cases import case
from ..sim.rtl.drive import execute
from .driver import Device
from .fit import compile_to_fit
from .regression_journal import Journal, Outcome

__all__ = ["Outcome", "Regression", "junit"]


class Regression:
    """Checks of one board, in order; each is independent of the others.

    Parameters
    ----------
    device : the board.
    images : inputs int64 [batch, n] for ``network``.
    target : what is tested, for the journal: a port's name, or ``virtual``.
    seed : of everything random.
    layers : random networks per encoding.

    Attributes
    ----------
    dropped : damaged lines of the journal; what they said is checked again.
    """
    def __init__(self, device: Device, network: Network, images: np.ndarray, *,
                 target: str = "", seed: int = 1, layers: int = 5):
        self._device, self._network, self._images = device, network, images
        self._target, self._seed, self._layers = target, seed, layers
        self.dropped = 0

    def checks(self) -> list[tuple[str, Callable[[], str]]]:
        """Names and functions; a function returns what it did, or raises."""
        named: list[tuple[str, Callable[[], str]]] = [
            ("link", self._link), ("memory", self._memory), ("errors", self._errors)]
        for encoding in self._device.config.encodings:
            named.append((f"random networks, {encoding}", partial(self._random, encoding)))
        return [*named, (self._network.name, self._images_equal)]

    def run(self, journal: Path | None = None) -> Iterator[Outcome]:
        """Outcomes as they come. What ``journal`` says has passed on this target's bitstream with
        this seed is not run again, so that an interrupted regression goes on where it stood; a
        finished one begins anew.

        Raises
        ------
        LinkError : the link is lost. InputError : the journal cannot be read or written.
        """
        kept = Journal(journal, self._owner())
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
        """Whose the journal is: everything that an outcome follows from."""
        identity = self._device.identity
        network = hashlib.sha256(dumps(self._network) + self._images.tobytes()).hexdigest()
        return json.dumps([self._target, identity.board, f"{identity.design:016x}",
                           identity.clock_hz, identity.config.digest, self._seed, self._layers,
                           len(self._images), network])

    def _one(self, name: str, check: Callable[[], str]) -> Outcome:
        begun = time.monotonic()
        try:
            result, message = "passed", check()
        except CapacityError as error:
            result, message = "skipped", str(error)
        except LinkError:
            raise                       # nothing more can be learnt without a link
        except OpenEIEError as error:
            result, message = "failed", str(error)
        return Outcome(name=name, result=result, message=message,
                       seconds=round(time.monotonic() - begun, 3))

    def _link(self) -> str:
        for _ in range(50):
            if self._device.identify() != self._device.identity:
                raise Mismatch("the identity changes from one reading to the next")
        return "50 identities"

    def _memory(self) -> str:
        """Every activation of every PE, twice: random words, then their complements."""
        rng, config = np.random.default_rng(self._seed), self._device.config
        half = 1 << config.act_width - 1
        for target in (Target.ACT_A, Target.ACT_B):
            words = rng.integers(-half, half, (config.pes, config.act_depth))
            for values in (words, ~words):
                self._device.load(np.concatenate([_acts(target, pe, row)
                                                  for pe, row in enumerate(values)]))
                for pe, row in enumerate(values):
                    got = self._device.read(target, pe, 0, config.act_depth)
                    if not np.array_equal(got, row):
                        word = int(np.flatnonzero(got != row)[0])
                        raise Mismatch(f"{target.name} of PE {pe}, word {word}: wrote "
                                       f"{row[word]}, read {got[word]}")
        return f"{4 * config.pes * config.act_depth:,} words"

    def _errors(self) -> str:
        """The array refuses what it must refuse, and works again afterwards."""
        device, records = self._device, _acts(Target.ACT_A, 0, np.arange(2))
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
        done, words = 0, 0
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
        try:
            program, _ = compile_to_fit(self._network, self._device.config)
        except InputError as error:
            raise CapacityError(str(error)) from error
        words = self._compare(program, self._images)
        return (f"{len(self._images)} inputs, {words:,} output words, all cycles and counters "
                f"equal to fast")

    def _compare(self, program, x: np.ndarray) -> int:
        try:
            run = execute(self._device, program, x, engine="board", unattended=True)
        except ArrayFault:
            self._device.reset()
            self._device.command(Control.CLEAR)
            raise
        run.compare(fast.run(program, x))
        return sum(layer.outputs.size for layer in run.tiles)


def _acts(target: Target, pe: int, values: np.ndarray) -> np.ndarray:
    records = np.zeros(len(values), LOAD_RECORD)
    records["target"], records["pe"] = target, pe
    records["address"] = np.arange(len(values))
    records["data"] = values.astype(np.int64).view(np.uint64)
    return records


def junit(board: str, outcomes: list[Outcome]) -> bytes:
    """Outcomes as JUnit XML, the form that regression servers read."""
    counts = {kind: sum(outcome.result == kind for outcome in outcomes)
              for kind in ("failed", "skipped")}
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
