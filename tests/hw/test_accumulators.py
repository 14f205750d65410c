# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from openeie.core.array.config import preset
from openeie.hw.accumulators import Accumulators

from .bench import cycles_of, trace

CONFIG = preset("TINY").replace(pes=1, acc_depth=8)
WIPE = [{"wipe": 1, "wipe_row": row} for row in range(CONFIG.acc_depth)]


def product(value, row, bank):
    return {"i_valid": 1, "i": {"value": int(value), "row": int(row), "bank": int(bank)}}


def read(row, bank):
    return {"read_en": 1, "read_bank": bank, "read_row": row}


def read_all(bank):
    return [read(row, bank) for row in range(CONFIG.acc_depth)]


def sums(steps, config=CONFIG):
    """Wipe, run ``steps``, and return both banks' sums."""
    steps = [*WIPE, *steps, *[{}] * Accumulators.latency]
    rows = trace(Accumulators(config), [*steps, *read_all(0), *read_all(1), {}], "acc")
    got = [row["acc"] for row in rows[len(steps) + 1:]]
    return got[:CONFIG.acc_depth], got[CONFIG.acc_depth:]


def test_worked_example():
    """One product for row 3, two for row 2, then the writeback reads row 2 and clears it.

    The products 5 and 7 come in successive cycles: the second one's sum takes 5 from the adder,
    not from memory (the bypass). It came in cycle 2, so memory has 12 from cycle 2 + 3 on. The
    read in cycle 5 answers in cycle 6 and leaves 0, which the read in cycle 6 finds.
    """
    steps = [
        product(-1, row=3, bank=0),
        product(5, row=2, bank=0),
        product(7, row=2, bank=0),
        {},
        {},
        read(row=2, bank=0) | {"clear": 1},
        read(row=2, bank=0),
        read(row=3, bank=0),
        {},
    ]
    rows = trace(Accumulators(CONFIG), [*WIPE, *steps], "acc")[len(WIPE):]
    assert cycles_of(rows, "acc")[6:] == [12, 0, -1]


def test_random_products_one_a_cycle(rng):
    """Few rows, so that every distance between two products of a row is met."""
    wanted = np.zeros((2, CONFIG.acc_depth), np.int64)
    steps = []
    for _ in range(400):
        value = rng.integers(-1 << 31, 1 << 31)
        row = rng.integers(3)
        bank = rng.integers(2)
        steps.append(product(value, row, bank))
        wanted[bank, row] += value
        steps += [{"i": steps[-1]["i"]}] * int(rng.integers(6) == 0)      # not valid: no sum
    assert sums(steps) == tuple(wanted.tolist())


@pytest.mark.parametrize("bank", [0, 1])
@pytest.mark.parametrize("between", ["another row", "another bank", "nothing"])
@pytest.mark.parametrize("distance", [1, 2, 3, 4])
def test_the_same_row_again_after(distance, between, bank):
    """The bypass, at every distance the pipeline can see; other rows and gaps in between."""
    other = {"another row": product(1000, 5, bank), "another bank": product(1000, 2, 1 - bank),
             "nothing": {}}[between]
    steps = []
    for value in (3, -7, 11, 40):
        steps += [product(value, 2, bank), *[other] * (distance - 1)]
    got = sums(steps)
    others = 4 * (distance - 1)
    assert got[bank][2] == 47
    assert got[bank][5] == 1000 * others * (between == "another row")
    assert got[1 - bank][2] == 1000 * others * (between == "another bank")


def test_the_same_row_of_the_other_bank_is_another_row():
    got = sums([product(1, 4, 0), product(2, 4, 1), product(4, 4, 0), product(8, 4, 1)])
    assert (got[0][4], got[1][4]) == (5, 10)


def test_sums_use_every_bit():
    high = (1 << CONFIG.act_width + CONFIG.weight_width - 1) - 1
    count = 1 << CONFIG.acc_width - CONFIG.act_width - CONFIG.weight_width
    got = sums([product(high, 0, 0), product(-high - 1, 1, 0)] * count)
    assert got[0][:2] == [high * count, (-high - 1) * count]


@pytest.mark.parametrize("apart", [0, 3])
@pytest.mark.parametrize("bank", [0, 1])
def test_read_and_clear_beside_adding_to_the_other_bank(bank, apart, rng):
    """The writeback empties one bank while the next vector fills the other, ``apart`` rows on."""
    depth = CONFIG.acc_depth
    first = rng.integers(-1000, 1000, depth)
    second = rng.integers(-1000, 1000, (2, depth))
    fill = [product(value, row, bank) for row, value in enumerate(first)]
    drain = []
    for row in range(depth):
        there = (row + apart) % depth
        drain.append(read(row, bank) | product(second[0, there], there, 1 - bank))
        drain.append(read(row, bank) | {"clear": 1})
    behind = [product(second[1, row], row, 1 - bank) for row in range(depth)]
    again = read_all(bank)
    idle = [{}] * Accumulators.latency
    steps = [*WIPE, *fill, *idle, *drain, *behind, *idle]
    at = len(WIPE) + depth + len(idle)
    rows = trace(Accumulators(CONFIG), [*steps, *again, *read_all(1 - bank), {}], "acc")
    got = [row["acc"] for row in rows]
    assert got[at + 1:at + 1 + 2 * depth:2] == first.tolist()
    assert got[len(steps) + 1:len(steps) + 1 + depth] == [0] * depth, "clearing leaves zero"
    assert got[len(steps) + 1 + depth:] == second.sum(axis=0).tolist()


def test_a_sum_can_be_read_three_cycles_after_its_last_product():
    steps = [*WIPE, product(21, 3, 1), *[{}] * (Accumulators.latency - 1), read(3, 1), {}]
    rows = trace(Accumulators(CONFIG), steps, "acc")
    assert rows[-1]["acc"] == 21


def test_wipe_clears_both_banks():
    steps = [product(9, row, bank) for row in range(CONFIG.acc_depth) for bank in (0, 1)]
    zeros = [0] * CONFIG.acc_depth
    assert sums([*steps, {}, {}, {}, *WIPE]) == (zeros, zeros)


def test_one_bank_serves_both_sides_in_turn(rng):
    """Both bank numbers mean the same rows; adding goes on when the writeback has ended."""
    config = CONFIG.replace(acc_banks=1)
    values = rng.integers(-1000, 1000, (2, CONFIG.acc_depth))
    fill = [product(value, row, 0) for row, value in enumerate(values[0])]
    clear = [read(row, 0) | {"clear": 1} for row in range(CONFIG.acc_depth // 2)]
    again = [product(value, row, 1) for row, value in enumerate(values[1])]
    got = sums([*fill, {}, {}, {}, *clear, *again], config)
    wanted = values[1] + values[0] * (np.arange(CONFIG.acc_depth) >= CONFIG.acc_depth // 2)
    assert got == (wanted.tolist(), wanted.tolist())
