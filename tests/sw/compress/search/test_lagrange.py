# SPDX-License-Identifier: Apache-2.0
"""Choices at a price: each is the best at its price, against all combinations."""
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.compress.search.lagrange import choices

OPTIONS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=1, max_size=5)


@given(st.lists(OPTIONS, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_every_choice_is_the_best_at_its_price_and_none_is_missing(layers):
    names = [f"l{number}" for number in range(len(layers))]
    loss = {name: [one for one, _ in options] for name, options in zip(names, layers)}
    bits = {name: [one for _, one in options] for name, options in zip(names, layers)}
    found = choices(loss, bits)
    every = [(sum(a for a, _ in chosen), sum(b for _, b in chosen))
             for chosen in itertools.product(*layers)]
    for choice in found:
        assert choice.loss == sum(loss[name][at] for name, at in choice.option.items())
        assert choice.bits == sum(bits[name][at] for name, at in choice.option.items())
        least = min(a + choice.multiplier * b for a, b in every)
        assert choice.loss + choice.multiplier * choice.bits == pytest.approx(least)
    assert found[0].multiplier == 0 and found[-1].bits == min(b for _, b in every)
    assert all(a.bits > b.bits and a.loss <= b.loss and a.multiplier <= b.multiplier
               for a, b in zip(found, found[1:]))
    # Between two prices nothing else is best: also half way, one of the two is.
    for one, other in zip(found, found[1:]):
        price = (one.multiplier + other.multiplier) / 2
        assert one.loss + price * one.bits == pytest.approx(min(a + price * b for a, b in every))


@pytest.mark.parametrize("loss, bits", [({}, {}), ({"a": []}, {"a": []}),
                                        ({"a": [1, 2]}, {"a": [1]})])
def test_refusals(loss, bits):
    with pytest.raises(InputError, match="each layer must have at least one option"):
        choices(loss, bits)
