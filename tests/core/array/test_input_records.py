# SPDX-License-Identifier: Apache-2.0
"""Inputs as load records: whatever the memories held, they then hold the map; in few words."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openeie.core.array.config import half_rows, preset
from openeie.core.array.load_port import BROADCAST_PE, Target
from openeie.core.compile.compile import compile_network
from openeie.core.network.graph import INPUT, Network
from openeie.core.network.window import Window
from support.maps import layer, windows

CONFIG = preset("TINY").replace(operations=("linear", "conv"), act_depth=1 << 14, acc_depth=64,
                                pointer_depth=1 << 14, entry_depth=1 << 14, channel_depth=256)
JUNK = -7


def program_of(window, pes, vectors=1):
    net = Network(name="n", layers=(layer(np.random.default_rng(1), window, 2),),
                  input_range=(-300, 300))
    return compile_network(net, CONFIG.replace(pes=pes), vectors=vectors)


def memory_after(program, records):
    """Activations of every PE, int64 [rows, PEs], after ``records`` in their order."""
    memory = np.full((2 * half_rows(program.config), program.config.pes), JUNK)
    for target, _, pe, address, data in records.tolist():
        row = address + half_rows(program.config) * (Target(target) is Target.ACT_B)
        memory[row, slice(None) if pe == BROADCAST_PE else pe] = np.uint64(data).astype(np.int64)
    return memory


def wanted(program, x):
    memory = np.full((2 * half_rows(program.config), program.config.pes), JUNK)
    rows = program.network.layout(INPUT).memory(x, program.config.pes)
    rows = rows.reshape(-1, program.config.pes)
    memory[program.input_origin:program.input_origin + len(rows)] = rows
    return memory, rows


def inputs(rng, program, density):
    shape = program.vectors, program.network.inputs
    return rng.integers(-300, 301, shape) * (rng.random(shape) < density)


@given(windows(), st.integers(1, 20), st.integers(1, 3), st.sampled_from([0, 0.02, 0.2, 1]),
       st.integers(0, 1 << 32))
def test_the_map_is_in_memory_and_nothing_else_is_written(window, pes, vectors, density, seed):
    program = program_of(window, pes, vectors)
    x = inputs(np.random.default_rng(seed), program, density)
    records = program.input_records(x)
    expected, rows = wanted(program, x)
    assert np.array_equal(memory_after(program, records), expected)
    assert len(records) <= rows.size, "more words than the map has"


def test_an_image_takes_four_words_per_pixel():
    program = program_of(Window(height=12, width=10, channels=3, kernel=(3, 3)), 16)
    x = np.random.default_rng(1).integers(1, 256, (1, 360))
    records = program.input_records(x)
    assert len(records) == 4 * 120
    assert np.count_nonzero(records["pe"] == BROADCAST_PE) == 120


@pytest.mark.parametrize(("gap", "written"), [(8, 10), (9, 2)])
def test_short_gaps_are_written(gap, written):
    """So that a link sends one request and not two; a row is a pixel here."""
    program = program_of(Window(height=1, width=30, channels=1, kernel=(1, 1)), 16)
    x = np.zeros((1, 30), int)
    x[0, [3, 4 + gap]] = 5
    records = program.input_records(x)
    assert np.count_nonzero(records["pe"] == 0) == written
    assert len(records) == 30 + written
    assert np.array_equal(memory_after(program, records), wanted(program, x)[0])


def test_a_missing_word_is_caught():
    program = program_of(Window(height=4, width=4, channels=3, kernel=(3, 3)), 16)
    x = inputs(np.random.default_rng(1), program, 1)
    records = program.input_records(x)
    expected, _ = wanted(program, x)
    for lost in (0, len(records) - 1):
        assert not np.array_equal(memory_after(program, np.delete(records, lost)), expected)
    backwards = memory_after(program, records[::-1])
    assert not np.array_equal(backwards, expected), "zeros must come first"
