# SPDX-License-Identifier: Apache-2.0
"""What ``fast`` believes of the pipeline is what the blocks say of themselves.

Each block's own test holds its ``latency`` to what the block does.
"""
import pytest
from openeie.core.array.config import OPERATIONS, PRESETS
from openeie.core.array.counters import COUNTERS
from openeie.core.array.descriptor import descriptor_layout, descriptor_words
from openeie.core.array.timing import Timing
from openeie.hw.accumulators import Accumulators
from openeie.hw.address import RowAddress
from openeie.hw.broadcast import Broadcast
from openeie.hw.codebook import Codebook
from openeie.hw.counters import Counters
from openeie.hw.entries import EntryReader
from openeie.hw.lnzd import Lnzd
from openeie.hw.multiply import Multiply
from openeie.hw.pe import PE
from openeie.hw.pointers import Pointers
from openeie.hw.queue import ActivationQueue
from openeie.hw.scan import Scan
from openeie.hw.writeback import Writeback

#: Registers: the sequencer's view of ``done``, and of its own state.
REGISTER = 1


@pytest.mark.parametrize("name", PRESETS)
def test_fetch_and_scan(name):
    timing = Timing(PRESETS[name])
    assert timing.fetch == max(descriptor_words(PRESETS[name]), len(COUNTERS)) + REGISTER
    start = timing.fetch - 1                # the scan starts in the fetch's last cycle
    assert timing.first_scan == start + Scan.latency(PRESETS[name]) + Lnzd.latency


def test_item_to_decode():
    assert Timing.broadcast == Broadcast.latency
    assert Timing.queue == ActivationQueue.latency
    assert Timing.pointers == Pointers.latency
    assert Timing.entries + Timing.decode == EntryReader.latency


def test_token_to_writeback():
    """The token follows the last product: it crosses what an entry crosses, and one cycle more,
    and the first row is read in the cycle after ``vector_start``.
    """
    crossed = EntryReader.o_latency + Codebook.latency + RowAddress.latency + Multiply.latency
    assert Timing.token == crossed + 1 + 1
    # An entry decoded one cycle before the token: its sum is in memory when the row is read.
    assert -1 + crossed + Accumulators.latency <= Timing.token


@pytest.mark.parametrize("name", PRESETS)
def test_last_row_to_end(name):
    """From the last row's last cycle: its way to the memory, ``done``, and the sequencer."""
    timing = Timing(PRESETS[name])
    assert timing.commit == Writeback.latency - (Timing.row - 1) + 2 * REGISTER + 1 \
        + timing.exchange


def test_counting():
    # The counters learn that a layer runs later than the sequencer.
    assert Timing.counted == Counters.latency - PE.control_latency
    assert Counters.latency == EntryReader.o_latency + Codebook.latency + RowAddress.latency


@pytest.mark.parametrize("name", PRESETS)
def test_vectors_are_known_before_the_counters_look(name):
    """A PE that does not know yet how many vectors it has may believe that it has had them all."""
    config = PRESETS[name].replace(clusters=2, operations=OPERATIONS, act_depth=1 << 10)
    fields = ("vectors", "cluster_vectors", "cluster_more")
    words = [number for number, word in enumerate(descriptor_layout(config))
             if any(field in fields for field, _ in word)]
    # Fetched a cycle late, registered in the PE; the counters look so long before they count.
    known = max(words) + REGISTER + 1 + PE.control_latency
    assert known <= Timing(config).fetch - Counters.latency
