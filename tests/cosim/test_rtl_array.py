# SPDX-License-Identifier: Apache-2.0
"""The array as a whole through its ports: EIE's example, faults, resets, any initial state."""
import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import openeie
import pytest
from openeie.core import golden
from openeie.core.array.config import preset
from openeie.core.array.load_port import LOAD_RECORD, Control, Fault, Status, Target, load_crc
from openeie.core.compile.compile import compile_network
from openeie.core.errors import ArrayFault, InputError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.fast import fast
from openeie.sim.rtl.drive import read_counters, read_outputs
from openeie.sim.rtl.rtl import Rtl, build, run
from support.examples import eie_example

TINY = preset("TINY")


def small_network(encoding="codebook", seed=1, sizes=(13, 11, 9)):
    """Two layers with enough weights for every block to be busy."""
    rng = np.random.default_rng(seed)
    table = np.concatenate([[0], rng.integers(1, 2000, 15) * np.tile([1, -1], 8)[:15]])
    return Network(name="small", input_range=(-300, 300), layers=tuple(Linear(
        name=f"fc{k}", encoding=encoding, bias=rng.integers(-10**5, 10**5, m),
        weights=SparseWeights.from_codes(
            rng.integers(1, 16, (m, n)) * (rng.random((m, n)) < 0.5), table),
        multiplier=rng.integers(1 << 14, 1 << 15, m), shift=np.full(m, 23), relu=k == 0)
        for k, (n, m) in enumerate(zip(sizes, sizes[1:]))))


def inputs(count, size=13, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(-300, 300, (count, size)) * (rng.random((count, size)) < 0.6)


def test_eie_worked_example_on_the_array():
    """Figure 2's matrix on 4 PEs, with the figure's activations: a2, a4, a5, a7 are non-zero."""
    dense = eie_example()
    net = Network(name="eie", layers=(Linear(
        name="figure-2", weights=SparseWeights.from_dense(dense), bias=np.zeros(16, int),
        multiplier=np.ones(16, int), shift=np.zeros(16, int), encoding="csr"),))
    x = np.array([[0, 0, 3, 0, -5, 7, 0, 2]])
    program = compile_network(net, TINY)
    got = run(program, x)
    assert got.outputs.tolist() == np.maximum(x @ dense.T, 0).tolist()
    got.compare(fast.run(program, x))
    broadcast = [2, 4, 5, 7]
    assert got.tiles[0].counters[0, 0, 0] == sum((2, 2, 2, 2))      # PE 0's entries there
    assert got.tiles[0].total("busy") == np.count_nonzero(dense[:, broadcast])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_initial_state_gives_the_same_result(seed):
    program, x = compile_network(small_network(), TINY), inputs(3)
    run(program, x, seed=seed).compare(run(program, x, seed=seed + 100))


@pytest.mark.parametrize("vectors", [1, 2])
def test_layers_on_their_own_take_the_cycles_of_the_whole(vectors):
    program, x = compile_network(small_network(), TINY, vectors=vectors), inputs(2 * vectors)
    stepped = run(program, x, unattended=False)
    assert stepped.compare(run(program, x, unattended=True)) > 0
    stepped.compare(fast.run(program, x))


@pytest.mark.parametrize(("asked", "most", "whole"), [
    (None, 0, 0), (None, 10_000, 2), (True, 0, 2), (False, 10_000, 0)])
def test_long_programs_run_as_a_whole_on_request(monkeypatch, asked, most, whole):
    monkeypatch.setattr("openeie.sim.rtl.drive.UNATTENDED_CYCLES", most)
    counts, begin = [], Rtl.start

    def start(self, first, count, limit):
        counts.append(count)
        begin(self, first, count, limit)
    monkeypatch.setattr(Rtl, "start", start)
    run(compile_network(small_network(), TINY), inputs(2), unattended=asked)
    assert counts.count(1) == 4 and counts.count(2) == whole


def test_all_pes_share_one_copy_of_their_code():
    """Otherwise a build takes twice as long, and the array runs at half the speed."""
    library = (build(TINY) / "array.so").read_bytes()
    copies = set(re.findall(rb"openeie_pe___nba_\w+?__DOT__pe(\d+)__DOT__pe__\d", library))
    assert copies == {b"0"}


def test_arrays_end_in_any_order():
    """In a process of its own, whose freed memory is overwritten: a mistake there is a hang."""
    code = ("from openeie.core.array.config import preset; from openeie.sim.rtl.rtl import Rtl; "
            "first, second = Rtl(preset('TINY')), Rtl(preset('TINY')); "
            "second.close(); first.close()")
    build(TINY)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120,
                   env=os.environ | {"MALLOC_PERTURB_": "165"})


def test_reset_in_mid_layer():
    program, x = compile_network(small_network("huffman"), TINY), inputs(1)
    wanted = fast.run(program, x)
    records = program.input_records(x)
    rng = np.random.default_rng(7)
    with Rtl(TINY) as rtl:
        for _ in range(20):
            rtl.load(np.concatenate([program.records(), records]))
            rtl.command(Control.START, 2 << 16)
            rtl.tick(int(rng.integers(1, int(wanted.cycles[0]))))
            rtl.reset()
            # Programs survive a reset; the host confirms that with a CHECK.
            rtl.load(records)
            rtl.start(0, 2, 10_000)
            assert np.array_equal(read_outputs(rtl, program, 1), wanted.outputs)
            for layer in range(2):
                cycles, counters, saturated = read_counters(rtl, layer)
                assert cycles == wanted.tiles[layer].cycles[0]
                assert np.array_equal(counters, wanted.tiles[layer].counters[0])
                assert np.array_equal(saturated, wanted.tiles[layer].saturated[0])


def test_a_wrong_crc_refuses_the_start():
    program = compile_network(small_network(), TINY)
    with Rtl(TINY) as rtl:
        rtl.write(program.records())
        rtl.command(Control.CHECK, load_crc(program.records()) ^ 1)
        with pytest.raises(ArrayFault, match="the array reports BAD_CRC"):
            rtl.check_fault()
        rtl.command(Control.START, 1 << 16)
        assert rtl.wait(10) == 0 and rtl.fault is Fault.BAD_CRC
        rtl.command(Control.CLEAR)
        with pytest.raises(ArrayFault, match="the array reports UNCHECKED"):
            rtl.start(0, 1, 1000)
        rtl.command(Control.CLEAR)
        rtl.load(program.records())
        rtl.start(0, 1, 1000)


@pytest.mark.parametrize(("first", "count"), [(0, 0), (0, 5), (4, 1), (3, 2), (0, 65535)])
def test_layers_that_do_not_exist_are_refused(first, count):
    with Rtl(TINY) as rtl:
        rtl.load(compile_network(small_network(), TINY).records())
        with pytest.raises(ArrayFault, match="BAD_LAYERS"):
            rtl.start(first, count, 100)


def test_the_watchdog_names_the_place_and_leaves_no_trace():
    net = small_network()
    good, x = compile_network(net, TINY), inputs(1)
    x[0, 5] = 1
    bad = dataclasses.replace(good, pointers=good.pointers.copy())
    bad.pointers[2, 6] |= 9         # no word has a slot 9, so column 5 of PE 2 never ends
    records = good.input_records(x)
    with Rtl(TINY) as rtl:
        rtl.load(np.concatenate([bad.records(), records]))
        with pytest.raises(ArrayFault, match="WATCHDOG in layer 0 at PE 2"):
            rtl.start(0, 2, 10_000)
        assert int(rtl.read(Target.CONTROL, 0, Status.STATE, 1)[0]) & 0xFF == Fault.WATCHDOG
        rtl.command(Control.CLEAR)
        rtl.load(np.concatenate([good.records(), records]))
        rtl.start(0, 2, 10_000)
        assert np.array_equal(read_outputs(rtl, good, 1), golden.network(net, x)[1])


def test_a_flipped_load_word_is_caught_by_the_crc():
    records = compile_network(small_network(), TINY).records()
    crc = load_crc(records)
    rng = np.random.default_rng(3)
    with Rtl(TINY) as rtl:
        for _ in range(20):
            damaged = records.copy()
            field = rng.choice(["data", "address"])
            damaged[field][rng.integers(len(damaged))] ^= np.uint64(1) if field == "data" \
                else np.uint32(1)
            rtl.write(damaged)
            rtl.command(Control.CHECK, crc)
            assert rtl.fault is Fault.BAD_CRC
            rtl.command(Control.CLEAR)


def test_the_array_identifies_its_configuration():
    with Rtl(TINY) as rtl:
        word = rtl.read(Target.CONTROL, 0, Status.CONFIG, 1).view(np.uint64)[0]
        assert f"{int(word):016x}" == TINY.digest[:16]


def test_activations_read_back_as_written():
    with Rtl(TINY) as rtl:
        x = np.random.default_rng(1).integers(-32768, 32768, (4, 16))
        rtl.load(np.array([(Target.ACT_A, 0, pe, row, int(x[pe, row]) & (1 << 64) - 1)
                           for pe in range(4) for row in range(16)], LOAD_RECORD))
        assert np.array_equal([rtl.read(Target.ACT_A, pe, 0, 16) for pe in range(4)], x)


def test_batches_that_do_not_divide_are_refused():
    program = compile_network(small_network(), TINY, vectors=2)
    for engine in ("fast", "rtl"):
        with pytest.raises(InputError, match="multiple"):
            openeie.simulate(program, inputs(3), engine=engine)
