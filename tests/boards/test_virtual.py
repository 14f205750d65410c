# SPDX-License-Identifier: Apache-2.0
"""The virtual board: the host's driver, the link's gateware and the array, over a terminal."""
import errno
import time

import numpy as np
import pytest
import serial
from openeie.boards import board
from openeie.boards.driver import Device
from openeie.boards.faults import BadCable
from openeie.boards.virtual import Terminal, VirtualBoard
from openeie.core.array.config import preset
from openeie.core.array.load_port import LOAD_RECORD, Control, Fault, Target, load_crc
from openeie.core.errors import ArrayFault, LinkError
from openeie.sim.fast import fast
from openeie.sim.random.cases import case
from openeie.sim.rtl.drive import execute

# A fast line: the board is simulated bit by bit.
BOARD = board("icebreaker").replace(baud=6_000_000)
CONFIG = preset("TINY").replace(word_width=32)


@pytest.fixture(scope="module")
def virtual():
    with VirtualBoard(BOARD, CONFIG) as virtual:
        yield virtual


@pytest.fixture(scope="module")
def device(virtual):
    with Terminal(virtual) as terminal, \
            Device(terminal.url, BOARD.baud, expect=CONFIG) as device:
        yield device


def wait_until_quiet(virtual):
    """Until all that was sent has arrived, however slow the simulation is: nothing is under way
    for as long as the simulation of some more bytes takes."""
    until = virtual.cycles + 100_000
    while virtual.cycles <= until:
        if virtual.pending:
            until = virtual.cycles + 100_000
        time.sleep(0.01)


def acts(pe, address, values):
    return np.array([(Target.ACT_A, 0, pe, address + k, int(value) & 0xFFFF)
                     for k, value in enumerate(values)], LOAD_RECORD)


def test_identity(device):
    assert device.identity.board == "icebreaker" and device.config == CONFIG
    assert device.identity.clock_hz == BOARD.clock_out_hz


@pytest.mark.parametrize("index", range(4))
def test_networks_equal_fast(device, index, seed):
    drawn = case(seed, 0, index, CONFIG)
    run = execute(device, drawn.program, drawn.x, engine="board")
    run.compare(fast.run(drawn.program, drawn.x))


def test_memory(device, rng):
    for pe in range(CONFIG.pes):
        values = rng.integers(-32768, 32768, CONFIG.act_depth)
        device.load(acts(pe, 0, values))
        assert device.read(Target.ACT_A, pe, 0, CONFIG.act_depth).tolist() == values.tolist()


def test_errors_of_the_array_are_errors_here(device):
    records = acts(0, 0, [1, 2, 3])
    device.write(records)
    device.command(Control.CHECK, load_crc(records) ^ 1)
    with pytest.raises(ArrayFault, match="BAD_CRC"):
        device.check_fault()
    device.command(Control.CLEAR)
    assert device.fault is Fault.NONE
    device.reset()
    with pytest.raises(ArrayFault, match="UNCHECKED"):
        device.start(0, 1, 100)
    device.command(Control.CLEAR)


def test_refused_and_foreign(device):
    with pytest.raises(LinkError, match="refuses READ of 1 words at target 2"):
        device.read(Target.ENTRY, 0, 0, 1)
    url = device._channel.url
    with pytest.raises(LinkError, match="is in use by another program; close that first"):
        Device(url, BOARD.baud)
    device.close()
    with pytest.raises(LinkError, match=r"has pes = 4, not 2: .* build and program"):
        Device(url, BOARD.baud, expect=CONFIG.replace(pes=2))
    device.reconnect()


def test_no_such_port():
    with pytest.raises(LinkError, match="cannot open port /dev/nowhere: .*serial ports here"):
        Device("/dev/nowhere")


@pytest.mark.parametrize("error, message", [
    (PermissionError(errno.EACCES, "Permission denied"),
     "no permission to open port /dev/ttyUSB7; join the group that owns it"),
    (serial.SerialException(errno.EBUSY, "Device or resource busy"),
     "port /dev/ttyUSB7 is in use by another program; close that first"),
])
def test_ports_that_may_not_be_opened(monkeypatch, error, message):
    def refuse(*arguments, **options):
        raise error
    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(LinkError, match=message):
        Device("/dev/ttyUSB7")


def test_nobody_answers():
    begun = time.monotonic()
    with pytest.raises(LinkError, match="no answer from port loop:// to IDENTIFY in 0.5 s"):
        Device("loop://", timeout=0.5)
    assert time.monotonic() - begun < 2


def test_garbage_leaves_the_board_idle_and_whole(virtual, device, rng):
    values = rng.integers(-32768, 32768, CONFIG.act_depth)
    device.load(acts(1, 0, values))
    for _ in range(40):
        device._channel._port._serial.write(rng.integers(0, 256, 400, np.uint8).tobytes())
        time.sleep(0.01)
    wait_until_quiet(virtual)
    device.identify()
    assert device.fault is Fault.NONE
    assert device.read(Target.ACT_A, 1, 0, CONFIG.act_depth).tolist() == values.tolist()


@pytest.mark.slow
def test_nothing_is_silently_wrong_on_a_bad_line(rng):
    """Every write that ends without an error is there; every failure is typed and soon."""
    failures = 0
    with BadCable(BOARD, CONFIG, rng=rng) as virtual, Terminal(virtual) as terminal, \
            Device(terminal.url, BOARD.baud) as device:
        virtual.rate = 0.001
        for round_number in range(60):
            values = rng.integers(-32768, 32768, CONFIG.act_depth)
            pe = int(rng.integers(CONFIG.pes))
            if round_number == 30:          # a second without a cable
                virtual.connected = False
                time.sleep(1)
                virtual.connected = True
            begun = time.monotonic()
            try:
                device.load(acts(pe, 0, values))
                got = device.read(Target.ACT_A, pe, 0, CONFIG.act_depth)
            except (LinkError, ArrayFault):
                assert time.monotonic() - begun < 20        # of up to ten requests
                failures += 1
                device.reconnect()
                continue
            assert got.tolist() == values.tolist()
            assert time.monotonic() - begun < 20
        assert virtual.damage > 20, "the line was not bad"
    assert failures < 10
