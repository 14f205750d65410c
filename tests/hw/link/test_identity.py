# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.hw.link.identity import IdentityMemory

from ..bench import trace

def test_worked_example():
    """The word 0x12345678 at address 0, byte by byte; bytes 4 to 7 are 0, and so is address 1."""
    steps = [{"address": 0, "byte": byte} for byte in range(5)] + [{"address": 1}, {}, {}]
    rows = trace(IdentityMemory([0x1234_5678]), steps, "data")
    assert [row["data"] for row in rows[2:]] == [0x78, 0x56, 0x34, 0x12, 0, 0]


ADDRESSES = [0, 1, 2, 26, 27, 31, 32, 63, 64, 255, 256, 1 << 29, 1 << 30, (1 << 32) - 1]


@pytest.mark.parametrize("count", [1, 2, 27, 32, 256])
def test_words_and_zeros_beyond(count, rng):
    words = rng.integers(1 << 32, size=count).tolist()
    steps = [{"address": address, "byte": byte} for address in ADDRESSES for byte in range(8)]
    latency = IdentityMemory.latency
    rows = trace(IdentityMemory(words), [*steps, *[{}] * latency], "data")
    for step, row in zip(steps, rows[latency:]):
        word = words[step["address"]] if step["address"] < count else 0
        assert row["data"] == word.to_bytes(8, "little")[step["byte"]]


@pytest.mark.parametrize(("words", "message"), [
    ([], "an identity has 1 to 256 words, not 0"),
    ([0] * 257, "an identity has 1 to 256 words, not 257"),
    ([1, 1 << 32], "an identity's words have 32 bits, not 4294967296"),
    ([-1], "an identity's words have 32 bits, not -1")])
def test_words_that_are_refused(words, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        IdentityMemory(words)
