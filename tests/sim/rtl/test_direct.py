# SPDX-License-Identifier: Apache-2.0
"""Memories written and read directly: the same as the ports, and a build that differs is none."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from openeie.core.array.config import preset
from openeie.core.array.load_port import (BROADCAST_PE, LOAD_RECORD, Control, Fault, Target,
                                          load_crc)
from openeie.core.errors import ArrayFault, ToolError
from openeie.sim.fast import fast
from openeie.sim.random.cases import case
from openeie.sim.rtl import memories, proof, rtl
from openeie.sim.rtl.rtl import Rtl

TINY = preset("TINY")
WRITTEN = range(Target.DESCRIPTOR, Target.ACT_B + 1)


def contents(array):
    """Every word of every memory, and the CRC."""
    words = {target: np.concatenate([array.memory(target, pe) for pe in range(TINY.pes)])
             for target in range(Target.DESCRIPTOR, Target.CYCLES + 1)}
    return array.crc, words


def by_port(array, records):
    array.direct = False
    array.write(records)
    array.direct = True


def some(count, seed=1):
    """Records to the words of all targets and PEs."""
    rng = np.random.default_rng(seed)
    records = np.zeros(count, LOAD_RECORD)
    records["target"] = rng.choice(WRITTEN, count)
    records["pe"] = rng.choice([*range(TINY.pes), BROADCAST_PE], count)
    records["address"] = rng.integers(64, size=count)
    records["data"] = rng.integers(1 << 64, size=count, dtype=np.uint64)
    return records


RECORDS = st.lists(st.tuples(
    st.sampled_from([*WRITTEN, Target.COUNTER, 11, 15]), st.just(0),
    st.sampled_from([0, 1, 2, 3, 4, 77, BROADCAST_PE]),
    st.integers(0, 200) | st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)),
    min_size=16, max_size=60)


@given(RECORDS, st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_any_records_give_what_the_port_gives(rows, seed):
    records = np.array(rows, LOAD_RECORD)
    with Rtl(TINY, seed=seed) as ported, Rtl(TINY, seed=seed) as direct:
        by_port(ported, records)
        direct.write(records)
        assert direct.crc == ported.crc
        ours = contents(direct)[1]
        for target, theirs in contents(ported)[1].items():
            assert np.array_equal(ours[target], theirs)
        for array in (ported, direct):
            array.command(Control.CHECK, load_crc(records))
            assert array.fault is Fault.NONE


@pytest.mark.parametrize("target", [Target.ACT_A, Target.ACT_B, Target.COUNTER, Target.CYCLES])
def test_what_is_read_directly_is_what_the_port_answers(target):
    with Rtl(TINY) as array:
        array.write(some(300))
        for pe in range(TINY.pes):
            ours = array.memory(target, pe)
            array.direct = False
            assert len(ours) and np.array_equal(ours, array.read(target, pe, 0, len(ours)))
            array.direct = True


def test_a_damaged_record_is_caught_by_the_crc():
    records = some(100)
    with Rtl(TINY) as array:
        for place in (0, 50, 98, 99):
            damaged = records.copy()
            damaged["data"][place] ^= np.uint64(1 << 40)
            array.write(damaged)
            array.command(Control.CHECK, load_crc(records))
            assert array.fault is Fault.BAD_CRC
            array.command(Control.CLEAR)


def test_many_records_take_few_cycles():
    with Rtl(TINY) as array:
        begin = array.cycles
        array.write(some(1000))
        assert array.cycles - begin < 8000


def test_a_write_ends_what_a_check_said():
    with Rtl(TINY) as array:
        array.load(some(100))
        array.write(some(100))
        with pytest.raises(ArrayFault, match="UNCHECKED"):
            array.start(0, 1, 100)


def test_nothing_is_written_while_the_array_is_busy():
    drawn = next(drawn for drawn in (case(1, 0, index, TINY) for index in range(50))
                 if fast.run(drawn.program, drawn.x).cycles[0] > 300)
    program = drawn.program
    records = some(40)
    with Rtl(TINY) as array:
        array.load(np.concatenate([program.records(),
                                   program.input_records(drawn.x[:program.vectors])]))
        before = contents(array)
        array.command(Control.START, len(program.tiles) << 16)
        with pytest.raises(ArrayFault, match="took 0 of 2 words: the array is busy"):
            array.write(records[:2])
        taken = array._library.openeie_load_direct(array._handle, records.ctypes.data, 40, 9)
        assert taken == 0
        array.wait(100_000)
        assert array.crc == before[0]
        for target in (Target.ENTRY, Target.POINTER, Target.CHANNEL, Target.DESCRIPTOR):
            assert np.array_equal(contents(array)[1][target], before[1][target])


def test_a_waveform_shows_the_port(tmp_path):
    with Rtl(TINY, trace=tmp_path / "wave.vcd") as array:
        begin = array.cycles
        array.write(some(100))
        assert array.cycles - begin == 800


def swapped(found):
    """The pointers' banks are exchanged."""
    return [place._replace(bank=1 - place.bank) if place.target is Target.POINTER else place
            for place in found]


def one_further(found):
    """Memory B begins a row late."""
    return [place._replace(first=place.first + 1) if place.target is Target.ACT_B else place
            for place in found]


def unsigned(found):
    """Activations are read as natural numbers."""
    return [place._replace(signed=False) for place in found]


@pytest.mark.parametrize(("wrong", "message"), [
    (swapped, "POINTER of PE 0 differs between the load port and memories written directly"),
    (one_further, "ACT_B of PE 0 differs"),
    (unsigned, "ACT_A of PE . when it is read, differs".replace(" . ", r" \d, "))])
def test_a_build_that_differs_is_refused(tmp_path, monkeypatch, wrong, message):
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    found = memories.places
    monkeypatch.setattr(memories, "places", lambda config: wrong(found(config)))
    with pytest.raises(ToolError, match=message):
        rtl.build(TINY)
    assert not [path for path in (tmp_path / "rtl").iterdir() if (path / "array.so").exists()]


def test_a_crc_that_differs_is_refused(monkeypatch):
    monkeypatch.setattr(Rtl, "crc", property(lambda array: array.direct))
    with Rtl(TINY) as by_port, Rtl(TINY) as directly:
        with pytest.raises(ToolError, match="the CRC register differs"):
            proof.prove(by_port, directly)


def test_a_memory_that_verilator_names_otherwise_is_an_error(tmp_path):
    (tmp_path / "Vopeneie_openeie_pe.h").write_text("VlUnpacked<QData/*63:0*/, 8> other;")
    (tmp_path / "Vopeneie___024root.h").write_text("")
    with pytest.raises(ToolError, match="0 memories that could be blocks.writeback.channels"):
        memories.write_places([memories.Place(Target.CHANNEL, "blocks.writeback.channels")], 4,
                              tmp_path)
