# SPDX-License-Identifier: Apache-2.0
"""Which lines of a map a band needs, and the walk through a buffer that holds them."""
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.network.address_walk import AddressWalk
from openeie.core.network.chain import lines_needed
from support.maps import windows


def seen_lines(window, lines):
    """By trying: which lines of the map the window's output lines look at."""
    ones = np.arange(1, window.height + 1)[:, None, None] * np.ones(
        (1, window.width, window.channels), int)
    seen = window.gather(ones.reshape(1, -1)).reshape(window.out_height, -1)
    return sorted(set(seen[lines.start:lines.stop].reshape(-1).tolist()) - {0})


@given(windows(), st.data())
def test_lines_needed(window, data):
    first = data.draw(st.integers(0, window.out_height - 1))
    lines = range(first, data.draw(st.integers(first + 1, window.out_height)))
    seen, needed = seen_lines(window, lines), lines_needed(window, lines)
    if len(seen) == 0:
        return          # only padding, or padding in all columns
    assert needed.start <= seen[0] - 1 and seen[-1] <= needed.stop
    if window.kernel[0] >= window.stride[0] and window.pad[1] < window.width:
        assert [line - 1 for line in seen] == list(needed)


@given(windows(), st.integers(1, 5), st.integers(0, 3), st.data())
def test_the_walk_of_a_band_sees_what_the_window_sees(window, pes, gap, data):
    """Memory holds the needed lines alone; all around is something else."""
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    first = data.draw(st.integers(0, window.out_height - 1))
    lines = range(first, data.draw(st.integers(first + 1, window.out_height)))
    held = lines_needed(window, lines)
    rows = -(-window.channels // pes)
    x = rng.integers(-9, 10, (1, window.inputs))
    padded = np.zeros((window.height * window.width, rows * pes), int)
    padded[:, :window.channels] = x.reshape(-1, window.channels)
    part = padded[held.start * window.width:held.stop * window.width]
    memory = rng.integers(-9, 10, (7 + len(part) * (rows + gap), pes))
    memory[7:].reshape(len(part), rows + gap, pes)[:, :rows] = part.reshape(-1, rows, pes)
    walk = AddressWalk.of_window(window, rows, 7, rows + gap, lines=lines, held=held)
    assert 0 <= walk.pad_top <= window.pad[0]
    address, inside = walk.addresses(walk.positions, 1 << 24)
    assert address[inside].max(initial=0) < len(memory)
    seen = memory[np.where(inside, address, 0)] * inside[..., None]
    seen = seen.reshape(walk.positions, -1, rows * pes)[..., :window.channels]
    wanted = window.gather(x).reshape(window.out_height, window.out_width, -1)
    assert np.array_equal(seen.reshape(len(lines), window.out_width, -1),
                          wanted[lines.start:lines.stop])
