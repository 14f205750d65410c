# SPDX-License-Identifier: Apache-2.0
"""Where the pipeline decides, it decides on what the recipe goes on to do."""
import pytest
import torch
from openeie.core.artefact import artefact
from openeie.sw.compress import steps
from openeie.sw.compress.pipeline import compress
from openeie.sw.compress.recipe import Recipe
from support.pictures import Chain, arrays


class Told(Exception):
    """Carries what a step asked for; nothing need go on after it."""


@pytest.mark.parametrize(("fields", "wanted"), [
    ({"share": {}}, [4, 4]), ({"share": {"slots": 16}}, [4, 4]), ({"share": {"bits": 8}}, [8, 8]),
    ({"share": {"slots": {"3": 256}}}, [4, 8]), ({"share": {"bits": "auto"}}, [4, 4]),
    ({}, [16, 16]), ({"share": {}, "encoding": "csr"}, [16, 16])])
def test_a_weight_is_priced_as_it_will_be_stored(fields, wanted, monkeypatch):
    """Log2 of the slots; 16 bits where weights stay themselves."""
    def choose_ratios(model, *, code_bits, **options):
        raise Told(code_bits)
    monkeypatch.setattr(steps, "choose_ratios", choose_ratios)
    with pytest.raises(Told) as caught:
        compress(Chain, arrays(100, 20), Recipe(train={"epochs": 1, "batch": 50},
                                                prune={"keep": "auto"}, **fields), budget=0.1)
    assert caught.value.args[0] == dict(zip(["1", "3"], wanted))


@pytest.mark.parametrize("init", ["linear", "density", "random"])
def test_bits_are_chosen_with_the_start_that_sharing_has(init, monkeypatch):
    def choose_bits(model, *, init, generator, **options):
        raise Told(init, generator)
    monkeypatch.setattr(steps, "choose_bits", choose_bits)
    with pytest.raises(Told) as caught:
        compress(Chain, arrays(100, 20), {"train": {"epochs": 1, "batch": 50}, "share": {
            "bits": "auto", "init": init}}, budget=0.1)
    assert caught.value.args[0] == init and isinstance(caught.value.args[1], torch.Generator)


def test_bits_chosen_from_a_random_start_follow_from_the_seed():
    first, again = (compress(Chain, arrays(200, 20), {
        "train": {"epochs": 2, "batch": 50}, "share": {"bits": "auto", "init": "random"}},
        budget=0.9) for _ in range(2))
    assert artefact.dumps(first.network) == artefact.dumps(again.network)
