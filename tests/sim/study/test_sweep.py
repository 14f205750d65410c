# SPDX-License-Identifier: Apache-2.0
"""A sweep's rows equal single timings; its front equals a brute-force one; the LUT estimate."""
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from openeie.core.array.config import ArrayConfig, preset
from openeie.core.array.counters import COUNTERS
from openeie.core.errors import InputError
from openeie.core.network.graph import Linear, Network
from openeie.core.numbers.sparse import SparseWeights
from openeie.sim.study.area import array_luts, pe_luts
from openeie.sim.study.energy import energy
from openeie.sim.study.grid import RandomLayer, Sweep
from openeie.sim.study.journal import open_journal
from openeie.sim.study.pareto import pareto_front
from openeie.sim.study.sweep import STALLS, _owner, columns_of, run_sweep
from openeie.sim.study.workload import random_workload

def small_network():
    weights = SparseWeights.from_codes(np.array([[1, 0, 2], [0, 3, 1]]), np.array([0, 5, -7, 2]))
    one = np.ones(2, int)
    return Network(name="n", input_range=(-128, 127), act_width=16, layers=(Linear(
        name="fc", weights=weights, bias=0 * one, multiplier=one, shift=0 * one),))


SPEC = RandomLayer(name="a", inputs=200, outputs=150, weight_density=0.1, act_density=0.5,
                   vectors=2)


def test_points_are_single_answers():
    sweep = Sweep(grid={"queue_depth": [1, 8], "pes": [2, 16], "run_width": [2, 4]}, layer=[SPEC],
                  seed=3)
    rows = run_sweep(sweep, {})
    layer = random_workload("a", (150, 200), weight_density=0.1, act_density=0.5, vectors=2, seed=3)
    assert len(rows) == 8
    for row, point in zip(rows, sweep.points(), strict=True):
        time = layer.time(preset("EIE64").replace(**point))
        assert tuple(row) == columns_of(sweep)
        assert {name: row[name] for name in point} == point
        assert (row["cycles"], row["balance"], row["fillers"], row["energy_pj"], row["us"]) == (
            time.cycles, time.balance, time.total("filler"), energy(time).total,
            time.cycles / 800)


def test_a_points_order_is_the_grids_and_progress_reaches_all():
    sweep = Sweep(grid={"pes": [4, 1], "acc_banks": [2, 1]}, layer=[SPEC])
    seen = []
    rows = run_sweep(sweep, {}, progress=lambda done, total: seen.append((done, total)))
    assert [(row["pes"], row["acc_banks"]) for row in rows] == [(4, 2), (4, 1), (1, 2), (1, 1)]
    assert seen == [(2, 4), (4, 4)]


def test_a_journal_that_cannot_be_read_or_written(tmp_path):
    sweep = Sweep(grid={"pes": [4]}, layer=[SPEC])
    with pytest.raises(InputError, match="cannot read the journal"):
        run_sweep(sweep, {}, journal=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write the journal"):
        run_sweep(sweep, {}, journal=tmp_path / "file" / "points.jsonl")


def test_a_journal_is_one_sweeps_at_a_time_and_damage_is_named(tmp_path):
    sweep, path = Sweep(grid={"pes": [4]}, layer=[SPEC]), tmp_path / "points.jsonl"
    with open_journal(path, "somebody", lambda *row: True) as journal:
        journal.add([(0, {"name": "a"})])
        kept = path.read_bytes()
        for restart in (False, True):
            with pytest.raises(InputError, match="another sweep is writing"):
                run_sweep(sweep, {}, journal=path, restart=restart)
        assert path.read_bytes() == kept
    rows = run_sweep(sweep, {}, journal=path, restart=True)
    for damage in ('[[1, 2]]', '[[99, {"name": "a"}]]', '[[0, {"name": "b", "status": "ok"}]]',
                   '[[0, {"name": "a", "status": "ok", "cycles": "x"}]]', '[[0, {', "7"):
        path.write_text(path.read_text() + damage + "\n")
        assert run_sweep(sweep, {}, journal=path) == rows       # a bad row is worked out again
        path.write_text(path.read_text().splitlines()[0] + "\n" + damage)
        assert run_sweep(sweep, {}, journal=path) == rows
    for notes in ("my precious notes", "my precious notes\n"):
        path.write_text(notes)
        with pytest.raises(InputError, match="has the points of another sweep"):
            run_sweep(sweep, {}, journal=path)
        assert path.read_text() == notes


def test_arrays_too_narrow_for_a_layer_are_refused():
    grid = {"code_width": [2, 4], "weight_width": [4, 8], "act_width": [8, 16]}
    rows = run_sweep(Sweep(base="EIE16", grid=grid, layer=[SPEC]), {})
    for row in rows:
        narrow = [name for name, least in (("code_width", 4), ("weight_width", 8),
                                           ("act_width", 8)) if row[name] < least]
        assert row["status"].startswith(f"refused: {narrow[0]} must be" if narrow else "ok")
    lone = run_sweep(Sweep(base="EIE16", grid={"counter_width": [16, 24]},
                           layer=[SPEC.model_copy(update={"vectors": 900})]), {})
    assert "counter_width must hold" in lone[0]["status"] and lone[1]["status"] == "ok"


def test_a_layers_memory_is_counted_as_the_array_holds_it():
    codes, weights = run_sweep(Sweep(base="EIE16", grid={"encodings": [["codebook"], ["csr"]]},
                                     layer=[SPEC]), {})
    assert codes["memory_bits"] < weights["memory_bits"]
    assert codes["energy_pj"] < weights["energy_pj"]


def test_a_task_is_at_most_sixteen_points(tmp_path):
    path = tmp_path / "points.jsonl"
    run_sweep(Sweep(grid={"queue_depth": list(range(1, 41))}, layer=[SPEC]), {}, journal=path)
    assert [len(json.loads(line)["line"])
            for line in path.read_text().splitlines()[1:]] == [16, 16, 8]


def test_a_network_that_changed_is_another_sweep(tmp_path):
    """The network changes, its name does not."""
    sweep = Sweep(base="TINY", grid={"queue_depth": [2]}, networks=["n"])
    network, journal = small_network(), tmp_path / "points.jsonl"
    x = np.ones((2, network.inputs), int)
    before = run_sweep(sweep, {"n": (network, x)}, journal=journal)
    for changed in ((dataclasses.replace(network, name="other"), x), (network, 2 * x)):
        with pytest.raises(InputError, match="changed since"):
            run_sweep(sweep, {"n": changed}, journal=journal)
    assert run_sweep(sweep, {"n": (network, x)}, journal=journal) == before


def test_a_networks_energy_is_the_mean_of_its_inputs():
    sweep = Sweep(base="TINY", grid={"queue_depth": [2]}, networks=["n"])
    network = small_network()
    x = np.array([[1] * network.inputs, [0] * (network.inputs - 1) + [1]])
    both, first, second = (run_sweep(sweep, {"n": (network, part)})[0]["energy_pj"]
                           for part in (x, x[:1], x[1:]))
    assert first > second > 0 and both == pytest.approx((first + second) / 2)


@given(st.integers(0, 12).flatmap(lambda n: arrays(int, (n, 3), elements=st.integers(0, 3))))
def test_front_is_the_brute_force_one(costs):
    def beats(a, b):
        return np.all(a <= b) and np.any(a < b)
    assert pareto_front(costs).tolist() == [not any(beats(other, point) for other in costs)
                                            for point in costs]


#: Fields changed in a PE of 32-bit words and what it took, LUT4, as sim/study/area.py tells.
MEASURED = [({}, 1370), ({"acc_banks": 1}, 1171), ({"encodings": ("csr", "codebook")}, 1374),
            ({"encodings": ("huffman",)}, 3203), ({"queue_depth": 2}, 1357),
            ({"queue_depth": 64}, 1597), ({"queue_depth": 256}, 2417), ({"acc_width": 48}, 1466),
            ({"word_width": 64}, 1412), ({"weight_width": 8}, 1287), ({"counter_width": 32}, 1436),
            ({"operations": ("linear", "conv", "pool")}, 1767)]


@pytest.mark.parametrize("changes, luts", MEASURED)
def test_the_estimate_meets_what_was_synthesised(changes, luts):
    base = {"pes": 16, "word_width": 32, "acc_width": 36, "counter_width": 24, "acc_banks": 2,
            "encodings": ("codebook",), "act_depth": 64}
    assert abs(pe_luts(ArrayConfig(**base | changes)) - luts) <= 0.01 * luts


def test_an_array_is_its_pes_and_what_is_around_them():
    config = preset("EIE16")
    around = array_luts(config) - 16 * pe_luts(config)
    assert around == pytest.approx(array_luts(config.replace(pes=32)) - 32 * pe_luts(config), abs=1)


def test_where_a_layers_cycles_went():
    sweep = Sweep(grid={"queue_depth": [1, 8]}, layer=[SPEC], seed=3)
    layer = random_workload("a", (150, 200), weight_density=0.1, act_density=0.5, vectors=2, seed=3)
    for row in run_sweep(sweep, {}):
        time = layer.time(preset("EIE64").replace(queue_depth=row["queue_depth"]))
        for name, counter in zip(("utilisation", *STALLS), COUNTERS, strict=True):
            assert row[name] == time.total(counter) / (64 * time.cycles)


def test_points_without_the_stalls_are_worked_out_again(tmp_path):
    """A journal from a version without these columns."""
    sweep, journal = Sweep(grid={"pes": [4, 16]}, layer=[SPEC]), tmp_path / "points.jsonl"
    rows = run_sweep(sweep, {})
    owner = _owner(sweep, {})
    with open_journal(journal, owner, lambda *row: True) as kept:
        kept.add([(number, {key: value for key, value in row.items() if key != "starved"})
                  for number, row in enumerate(rows)])
    assert run_sweep(sweep, {}, journal=journal) == rows


def test_inputs_are_part_of_what_points_follow_from():
    sweep = Sweep(base="TINY", grid={"queue_depth": [2]}, networks=["n"], input="a.npy")
    network = small_network()
    x = np.ones((2, network.inputs), int)
    owner = _owner(sweep, {"n": (network, x)})
    assert owner != _owner(sweep, {"n": (network, 2 * x)})
    assert owner == _owner(sweep.model_copy(update={"input": "b.npy"}), {"n": (network, x)})
