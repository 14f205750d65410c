# SPDX-License-Identifier: Apache-2.0
"""A sweep's points are single answers; the front is the brute-force one; the LUT estimate."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from openeie.core.config import ArrayConfig, preset
from openeie.core.errors import InputError
from openeie.sim.study.area import array_luts, pe_luts
from openeie.sim.study.energy import energy
from openeie.sim.study.grid import Layer, Sweep
from openeie.sim.study.pareto import pareto_front
from openeie.sim.study.sweep import columns_of, run_sweep
from openeie.sim.study.workload import random_workload

SPEC = Layer(name="a", inputs=200, outputs=150, weight_density=0.1, act_density=0.5, vectors=2)


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
    with pytest.raises(InputError, match="cannot write the journal"):
        run_sweep(sweep, {}, journal=tmp_path / "nowhere" / "points.jsonl")


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
    assert around == pytest.approx(array_luts(config.replace(pes=32)) - 32 * pe_luts(config))
