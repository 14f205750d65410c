# SPDX-License-Identifier: Apache-2.0
import pytest
from openeie.core.array.config import preset
from openeie.hw.pointers import Pointers

from .bench import cycles_of, trace, transfer

CONFIG = preset("TINY")


def test_worked_example():
    """Pointers 0, 3, 3, 10: column 0 has entries 0 to 2, column 1 none, column 2 entries 3 to 9.

    Two items and a token come in one after the other; each answer follows a cycle later.
    """
    steps = [{"load_en": 1, "load_address": address, "load_data": pointer}
             for address, pointer in enumerate([0, 3, 3, 10])]
    steps += [
        {"o.ready": 1, "i.valid": 1, "i.payload": {"act": 7, "column": 2}},
        {"o.ready": 1, "i.valid": 1, "i.payload": {"act": -8, "column": 1}},
        {"o.ready": 1, "i.valid": 1, "i.payload": {"token": 1}},
        {"o.ready": 1},
        {"o.ready": 1},
    ]
    rows = trace(Pointers(CONFIG), steps, "o.valid", "o.payload")[4:]
    assert cycles_of(rows, "o.valid") == [0, 1, 1, 1, 0]
    columns = cycles_of(rows, "o.payload")
    assert columns[1] == {"act": 7, "start": 3, "end": 10, "token": 0}
    assert columns[2] == {"act": -8, "start": 3, "end": 3, "token": 0}
    assert columns[3]["token"] == 1


def load_all(dut, pointers):
    async def prepare(ctx):
        ctx.set(dut.load_en, 1)
        for address, value in enumerate(pointers):
            ctx.set(dut.load_address, address)
            ctx.set(dut.load_data, value)
            await ctx.tick()
        ctx.set(dut.load_en, 0)
    return prepare


def draw(rng, count):
    pointers = rng.integers(0, 1 << CONFIG.pointer_width, CONFIG.pointer_depth).tolist()
    columns = rng.integers(0, CONFIG.pointer_depth - 1, count)
    columns[:4] = [0, CONFIG.pointer_depth - 2, 1, CONFIG.pointer_depth - 3]
    items = [{"act": int(a), "column": int(c), "token": 0}
             for a, c in zip(rng.integers(-32768, 32768, count), columns)]
    return pointers, items


def reference(pointers, items):
    return [{"act": item["act"], "start": pointers[item["column"]],
             "end": pointers[item["column"] + 1], "token": item["token"]} for item in items]


@pytest.mark.parametrize("stalled", [False, True], ids=["full-rate", "stalled"])
def test_both_ends_of_even_and_odd_columns(stalled, rng):
    pointers, items = draw(rng, 120)
    dut = Pointers(CONFIG)
    got, _ = transfer(dut, items, len(items), rngs=[rng if stalled else None] * 2,
                      prepare=load_all(dut, pointers))
    assert got == reference(pointers, items)


def test_columns_in_order_one_a_cycle(rng):
    pointers, _ = draw(rng, 4)
    items = [{"act": 1, "column": c, "token": 0} for c in range(CONFIG.pointer_depth - 1)]
    dut = Pointers(CONFIG)
    got, cycles = transfer(dut, items, len(items), prepare=load_all(dut, pointers))
    assert got == reference(pointers, items)
    assert cycles == Pointers.latency + len(items)


def test_tokens_pass_between_columns(rng):
    pointers, items = draw(rng, 40)
    for item in items[::3]:
        item["token"] = 1
    dut = Pointers(CONFIG)
    got, _ = transfer(dut, items, len(items), rngs=(rng, rng), prepare=load_all(dut, pointers))
    wanted = reference(pointers, items)
    assert [column["token"] for column in got] == [column["token"] for column in wanted]
    assert [column for column in got if not column["token"]] == \
        [column for column in wanted if not column["token"]]
