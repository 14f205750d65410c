# SPDX-License-Identifier: Apache-2.0
"""The time on the link is that of the bytes which the driver really sends and gets."""
import pytest
from cobs import cobs
from openeie.boards import board, channel
from openeie.boards.driver import Device
from openeie.boards.identity import identity
from openeie.boards.link_time import link_seconds
from openeie.core.array.config import preset
from openeie.core.array.load_port import Status, Target
from openeie.sim.random.cases import case
from openeie.sim.rtl.drive import read_outputs
from support.link_reference import Reference

BOARD, CONFIG = board("icebreaker"), preset("TINY")


class CountedPort:
    """A perfect line that counts the bytes of what it carries, both ways."""
    def __init__(self, url, baud):
        self.reference = Reference(identity(BOARD, CONFIG).words())
        self.bytes = 0

    def close(self):
        pass

    def send(self, frame):
        self.reference.words[Target.CONTROL, 0, Status.STATE] = 0       # idle, no fault
        self.answer = self.reference.answer(frame)
        self.bytes += sum(len(cobs.encode(one)) + 1 for one in (frame, self.answer))

    def receive(self, deadline):
        return self.answer


@pytest.mark.parametrize("index", range(3))
def test_equals_the_bytes_on_the_wire(monkeypatch, seed, index):
    monkeypatch.setattr(channel, "Port", CountedPort)
    monkeypatch.setattr("openeie.boards.driver.CREDITS", 1)     # this line holds one answer
    drawn = case(seed, 0, index, CONFIG)
    program, x = drawn.program, drawn.x[:drawn.program.vectors]
    with Device("fake") as device:
        port = device._channel._port
        begun = port.bytes
        device.load(program.input_records(x))
        device.start(0, len(program.tiles), 0)
        read_outputs(device, program, len(program.tiles) - 1)
        assert link_seconds(BOARD, program, x) == (port.bytes - begun) * 10 / BOARD.baud
