# SPDX-License-Identifier: Apache-2.0
"""Board files: pins, clocks, UART and memory budgets; the top level behind its pins."""
import pytest
from amaranth import ClockSignal, DomainRenamer, Module
from amaranth.sim import Simulator
from openeie.boards import BOARDS, board
from openeie.boards.board import LED_ROLES
from openeie.boards.chip import Pin
from openeie.boards.identity import design_digest, identity
from openeie.boards.pll import ECP5_PLL, GOWIN_PLL, ICE40_PLL, best_pll
from openeie.boards.top import BoardTop
from openeie.core.array.config import ArrayConfig
from openeie.core.array.link_frames import Command, Identity, Reply, Request, Response
from openeie.core.errors import ConfigError

TINY = ArrayConfig(pes=1, queue_depth=4, word_width=32, entry_depth=64, pointer_depth=64,
                   act_depth=16, acc_depth=16, channel_depth=16, max_layers=2, acc_width=32,
                   encodings=("codebook",))
#: PEs and MHz that docs/gateware.md promises: with slack on three seeds of today's gateware. The
#: aim was 4 PEs on icebreaker, 100 MHz on the ULX3S.
BARS = {"icebreaker": (1, 24), "hx8k": (2, 48), "ulx3s-85f": (16, 50), "ulx3s-25f": (8, 75),
        "tangnano9k": (2, 50)}


def test_there_are_eight_boards_of_three_families():
    assert len(BOARDS) == 9
    assert {entry.family.name for entry in BOARDS.values()} == {"ice40", "ecp5", "gowin"}


@pytest.mark.parametrize("entry", BOARDS.values(), ids=BOARDS)
def test_board(entry):
    sites = [pin.site for pin in entry.pins.values()]
    assert len(set(sites)) == len(sites)
    assert all(any(role in port for port in entry.pins) for role in LED_ROLES)
    entry.family.limits.check(entry.pll)
    assert entry.divisor >= 4 and entry.baud_error < 0.02
    assert abs(entry.pll.output_hz / entry.core_hz - 1) < 0.01
    assert sum(entry.memory_budget(entry.config).values()) < entry.memory_bits
    assert entry.expected_multipliers(entry.config) <= entry.resources.dsp
    assert 0 < entry.expected_memories(entry.config) \
        <= entry.resources.bram + entry.resources.spram
    said = identity(entry, entry.config)
    assert Identity.from_words(said.words()) == said and said.board == entry.name
    constraints = entry.family.constraints(entry)
    assert all(site in constraints for site in sites)


@pytest.mark.parametrize("name, bar", BARS.items())
def test_defaults_meet_the_bars(name, bar):
    entry = board(name)
    assert entry.config.pes >= bar[0] and entry.clock_out_hz >= bar[1] * 1e6


@pytest.mark.parametrize("limits, source, wanted, expected", [
    (ICE40_PLL, 12e6, 24e6, (1, 64, 32)),          # as IceStorm's icepll has it
    (ICE40_PLL, 12e6, 48e6, (1, 64, 16)),
    (ECP5_PLL, 25e6, 100e6, (1, 4, 8)),
    (GOWIN_PLL, 27e6, 54e6, (1, 2, 16)),
])
def test_pll(limits, source, wanted, expected):
    pll = best_pll(limits, source, wanted)
    assert (pll.reference, pll.feedback, pll.output) == expected
    assert pll.output_hz == wanted


def test_pll_out_of_reach():
    with pytest.raises(ConfigError, match="no PLL setting makes 5 MHz from 12 MHz; the nearest"):
        best_pll(ICE40_PLL, 12e6, 5e6)
    pll = best_pll(ICE40_PLL, 12e6, 24e6)
    with pytest.raises(ConfigError, match=r"detector must run at 3.125|oscillator|10 .. 400"):
        ECP5_PLL.check(pll)
        ECP5_PLL.check(best_pll(ICE40_PLL, 12e6, 60e6))


def test_names():
    assert board("ULX3S-85F") is board("ulx3s85f")
    assert board("colorlight-5a-75b").name == "colorlight-5a75b"
    with pytest.raises(ConfigError, match="unknown board 'de10'; the boards are icebreaker, hx8k"):
        board("de10")


@pytest.mark.parametrize("changes, message", [
    ({"name": "much-too-long-a-name"}, "1 .. 16 ASCII characters, not 'much-too-long-a-name'"),
    ({"rx": Pin("9")}, "icebreaker: pin 9 is used twice"),
    ({"leds": {"idle": Pin("37")}}, "leds must have idle and error"),
    ({"baud": 12_000_000}, "divisor of at least 4 within 2%, not 2"),
    ({"baud": 4_400_000}, r"not 5 \(9.1% off\)"),
])
def test_bad_boards(changes, message):
    with pytest.raises(ConfigError, match=message):
        board("icebreaker").replace(**changes)


def test_the_digest_is_of_the_sources_alone():
    assert design_digest() == design_digest() < 1 << 64


def cobs(frame: bytes) -> bytes:
    """A frame of at most 254 bytes, encoded by hand: the project's own codec is elsewhere."""
    return b"".join(bytes([len(part) + 1]) + part for part in frame.split(b"\0")) + b"\0"


def uncobs(frame: bytes) -> bytes:
    parts, place = [], 0
    while place < len(frame):
        parts.append(frame[place + 1:place + frame[place]])
        place += frame[place]
    return b"\0".join(parts)


@pytest.mark.slow
def test_the_top_level_answers_at_its_pins(monkeypatch):
    """Reset ends, the LEDs show it through active-low pins, and IDENTIFY says what was built."""
    monkeypatch.setattr("openeie.boards.top._BLINK_BITS", 6)
    entry = board("icebreaker").replace(baud=6_000_000)
    top = BoardTop(entry, TINY, pll=False)
    words = identity(entry, TINY).words()
    request = Request(sequence=7, command=Command.IDENTIFY, word_bytes=4, count=len(words))
    answer = bytearray()
    lights = []

    async def send(ctx):
        ctx.set(top.rx, 1)
        ctx.set(top.reset, 1)
        await ctx.tick().repeat(1400)
        lights.append([ctx.get(getattr(top, f"led_{role}")) for role in LED_ROLES])
        for byte in b"\0" + cobs(request.pack()):
            for bit in (0, *(byte >> k & 1 for k in range(8)), 1):
                ctx.set(top.rx, bit)
                await ctx.tick().repeat(entry.divisor)

    async def receive(ctx):
        await ctx.tick().repeat(1400)
        for _ in range(4 * len(words) + 20):
            for _ in range(4000):
                if not ctx.get(top.tx):
                    break
                await ctx.tick()
            else:
                raise AssertionError("no answer")
            await ctx.tick().repeat(entry.divisor // 2)
            byte = 0
            for bit in range(8):
                await ctx.tick().repeat(entry.divisor)
                byte |= ctx.get(top.tx) << bit
            await ctx.tick().repeat(entry.divisor)
            if byte == 0:
                lights.append([ctx.get(getattr(top, f"led_{role}")) for role in LED_ROLES])
                return
            answer.append(byte)
    simulator = Simulator(clocked(top))
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.add_testbench(receive)
    simulator.run()
    response = Response.unpack(uncobs(bytes(answer)))
    assert (response.sequence, response.command) == (7, Command.IDENTIFY)
    assert response.reply == Reply.OK
    assert response.data == b"".join(word.to_bytes(4, "little") for word in words)
    # Idle, then at work; idle and error are active low, busy is not.
    assert lights == [[0, 0, 1], [1, 1, 1]]


def clocked(top):
    """The top level with the simulator's clock at its pin."""
    m = Module()
    m.submodules.top = DomainRenamer({"sync": "board"})(top)
    m.d.comb += top.clk.eq(ClockSignal())
    return m
