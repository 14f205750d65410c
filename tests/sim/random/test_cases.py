# SPDX-License-Identifier: Apache-2.0
"""The random cases: reproducible, they fit, and together they hit every corner bin."""
import numpy as np
import pytest
from openeie.core.errors import InputError, Mismatch, OpenEIEError
from openeie.sim import engines
from openeie.sim.random.cases import case, cases, configuration, configurations, parse_case
from openeie.sim.random.coverage import BINS
from openeie.sim.verify import verify_random


def same(a, b):
    """Whether two cases are the same, down to the last bit of the image."""
    return (a.program.config == b.program.config and np.array_equal(a.x, b.x)
            and np.array_equal(a.program.records(), b.program.records()))


def test_a_case_depends_on_its_number_alone():
    drawn = list(cases(3, 2, 12))
    assert sum(len(one.program.tiles) for one in drawn) >= 12
    for one in drawn:
        assert same(one, case(3, 2, one.index))
    assert not same(drawn[0], drawn[1])
    assert not same(drawn[0], case(4, 2, 0))


def test_configurations_vary_and_their_memories_are_filled():
    drawn = configurations(0, 30)
    assert drawn[7] == configuration(0, 7)
    assert len({config.digest for config in drawn}) == 30
    for name, values in (("act_width", {8, 16}), ("word_width", {16, 32, 64}),
                         ("code_width", {4, 8}), ("acc_banks", {1, 2}),
                         ("counter_width", {24, 32})):
        assert {getattr(config, name) for config in drawn} == values
    assert {config.run_width for config in drawn} >= {4, 5, 8}
    assert min(config.pes for config in drawn) <= 2 and max(c.pes for c in drawn) > 32
    assert any(len(config.encodings) < 3 for config in drawn)
    full = verify_random(200, 1, 8, engines=("golden", "fast")).bins
    assert {name for name in full if name.endswith("full")} == {
        "entry memory full", "pointer memory full", "activation memory full",
        "accumulators full", "channel memory full"}


@pytest.mark.slow
def test_every_bin_is_reached():
    verdict = verify_random(4200, 1, 60, engines=("golden", "fast"))
    assert verdict.missed == (), "a corner that the generator no longer reaches"
    assert set(verdict.bins) == set(BINS)
    assert verdict.layers >= 4200 and verdict.configurations == 60
    assert verdict.words > 100_000


def test_a_difference_names_the_command_that_replays_it(monkeypatch):
    honest = engines.ENGINES["golden"]
    calls = 0

    def broken(program, x):
        nonlocal calls
        calls += 1
        run = honest(program, x)
        if calls == 8:
            run.tiles[-1].outputs[-1, -1] ^= 1
        return run
    monkeypatch.setitem(engines.ENGINES, "golden", broken)
    with pytest.raises(Mismatch, match=r"--random 1 --seed 5 --only 0\.7 --engines golden,fast$"):
        verify_random(40, 5, 1, engines=("golden", "fast"))
    calls = 7
    with pytest.raises(Mismatch, match=r"--only 0\.7 --engines golden,fast$"):
        verify_random(1, 5, only="0.7", engines=("golden", "fast"))
    assert verify_random(1, 5, only="0.7", engines=("golden", "fast")).networks == 1


def test_an_error_of_an_engine_names_the_case_too(monkeypatch):
    def broken(program, x):
        raise OpenEIEError("out of order")

    def crashing(program, x):
        raise ZeroDivisionError("oops")
    monkeypatch.setitem(engines.ENGINES, "golden", broken)
    with pytest.raises(OpenEIEError, match=r"out of order; replay with: .*--only 0\.0"):
        verify_random(1, 5, engines=("golden", "fast"))
    monkeypatch.setitem(engines.ENGINES, "golden", crashing)
    with pytest.raises(ZeroDivisionError) as caught:
        verify_random(1, 5, engines=("golden", "fast"))
    assert "--only 0.0" in caught.value.__notes__[0]


def test_processes_count_the_same_as_one():
    seen = []
    alone = verify_random(60, 2, 3, engines=("golden", "fast"))
    spread = verify_random(60, 2, 3, engines=("golden", "fast"), jobs=2,
                           progress=lambda done, total: seen.append((done, total)))
    assert (spread.layers, spread.words, spread.bins) == (alone.layers, alone.words, alone.bins)
    assert seen[-1] == (alone.layers, 60) and len(seen) == 3


def test_what_it_refuses():
    for text in ("3", "3.", "a.b", "-1.2", "1.2.3"):
        with pytest.raises(InputError, match=r"a case is written C\.K"):
            parse_case(text)
    assert parse_case("3.17") == (3, 17)
    with pytest.raises(InputError, match="must be positive"):
        verify_random(0)
    for chosen in ((), ("fast",), ("fast", "fast"), ("fast", "board")):
        with pytest.raises(InputError, match="engines must be two or more"):
            verify_random(1, engines=chosen)
    with pytest.raises(InputError, match="engine must be one of golden, fast, rtl, not 'x'"):
        engines.simulate(None, None, "x")
