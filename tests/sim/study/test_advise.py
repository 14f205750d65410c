# SPDX-License-Identifier: Apache-2.0
"""Advice: every number is that of a run with the change, and what does not run is not advised."""
import numpy as np
import openeie
import pytest
from openeie.core.compile.automatic import compile_for
from openeie.core.defaults import AskedArray
from openeie.sim.fast import fast
from openeie.sim.fast.predict import drawn, predict, seen_in
from openeie.sim.study.advise import Advice, Change, Setting, advise, all_together
from support.networks import CONFIG, branched


@pytest.fixture(scope="module")
def lenet():
    return openeie.load(openeie.shipped("lenet-300-100"))


def on_drawn(network, setting):
    program = setting.compile(network)
    return lambda count: drawn(program, batch=count)


def test_every_number_is_a_prediction_with_the_change(lenet):
    setting = Setting(array=AskedArray.of("EIE16"), balance=False)
    found = advise(lenet, setting, 1, on_drawn(lenet, setting))
    assert {one.change.kind for one in found} >= {"balance", "inputs a start", "PEs"}
    shares = [one.cycles / one.before for one in found]
    assert shares == sorted(shares) and shares[-1] < 1
    for one in found:
        program = one.change.applied(setting).compile(lenet)
        cycles = sum(tile.cycles for tile in predict(program)) / program.vectors
        assert one.cycles == cycles, one.change


def test_the_best_are_those_of_all_that_can_be_changed(lenet):
    """No queue, and no other number of vectors, saves more than the advice of its kind."""
    setting = Setting(array=AskedArray.of("EIE16"))
    found = {one.change.kind: one
             for one in advise(lenet, setting, 1, on_drawn(lenet, setting))}
    assert found["inputs a start"].change.options == {"vectors": 8}
    assert found["inputs a start"].change.fields == {"act_depth": 512}      # 49 rows an input
    assert found["PEs"].change.fields == {"pes": 32}
    assert found["PEs"].memory > 1.5 and found["PEs"].luts > 1.5


def test_on_given_inputs_it_is_the_run(rng):
    network = branched(rng)
    setting = Setting(array=AskedArray(CONFIG.replace(pes=4, acc_banks=1)))
    x = rng.integers(-3, 4, (6, network.inputs))
    program = setting.compile(network)
    present = seen_in(program, fast.run(program, x), x)
    found = advise(network, setting, 6, lambda count: present if count == 6 else None)
    assert {"clusters", "PEs", "inputs a start"} <= {one.change.kind for one in found}
    for one in found:
        other = one.change.applied(setting).compile(network)
        assert one.cycles == pytest.approx(fast.run(other, x).cycles.sum() / 6, rel=1e-12)
        assert one.before == pytest.approx(fast.run(program, x).cycles.sum() / 6, rel=1e-12)
    together = all_together(network, setting, found[:3], 6,
                            lambda count: present if count == 6 else None)
    assert together is not None and together.saved > found[0].saved


def test_what_does_not_run_is_not_advised(lenet):
    """Wider runs of a codebook stand seven and not eight in a word, which fit no more. More inputs
    need more memory, which is then part of the change."""
    plain = compile_for(lenet, "EIE16", encoding="codebook")
    words = plain.entries.shape[1]
    tight = openeie.preset("EIE16").replace(entry_depth=words + words % 2, act_depth=50)
    setting = Setting(array=AskedArray(tight), encoding="codebook")
    found = {one.change.kind: one.change
             for one in advise(lenet, setting, 1, on_drawn(lenet, setting))}
    assert "run width" not in found and "PEs" in found
    assert found["inputs a start"].fields == {"act_depth": 400}
    roomier = Setting(array=AskedArray(tight.replace(entry_depth=2 * words)), encoding="codebook")
    assert "run width" in {one.change.kind for one in advise(lenet, roomier, 1,
                                                             on_drawn(lenet, roomier))}


def test_changes_that_contradict_the_array_are_left_out(lenet):
    """48 bits of a word hold no run of 4 and a weight of 16 thrice; 1,024 PEs cannot be doubled."""
    setting = Setting(array=AskedArray(openeie.preset("EIE64").replace(pes=1024, queue_depth=256)))
    kinds = {one.change.kind for one in advise(lenet, setting, 1, on_drawn(lenet, setting))}
    assert not kinds & {"PEs", "queue"}


def test_a_saving_is_a_difference():
    one = Advice(change=Change(kind="queue", fields={"queue_depth": 32}), before=200.0,
                 cycles=150.0, memory=1.0, luts=1.25)
    assert one.to_dict() == {
        "kind": "queue", "fields": {"queue_depth": 32}, "options": {}, "cycles_before": 200.0,
        "cycles": 150.0, "saved": 50.0, "saved_share": 0.25, "memory": 1.0, "luts": 1.25}


def test_progress_counts_the_changes(lenet):
    seen = []
    setting = Setting(array=AskedArray.of("EIE16"))
    advise(lenet, setting, 1, on_drawn(lenet, setting), progress=lambda *both: seen.append(both))
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))
    assert np.unique([total for _, total in seen]).size == 1
