# SPDX-License-Identifier: Apache-2.0
"""A step's key holds all that the step reads of the recipe."""
import pytest
from openeie.sw.compress import pipeline
from openeie.sw.compress.keys import keys_of
from openeie.sw.compress.pipeline import compress
from openeie.sw.compress.recipe import Recipe
from support.pictures import Chain, arrays

QUICK = {"epochs": 1, "batch": 50}
ALL = {"name": "n", "train": QUICK, "prune": {"keep": 0.5, "rounds": 2, "between": QUICK},
       "retrain": QUICK, "share": {"bits": 3}, "centroids": QUICK, "distill": {}}


def read_by_steps(recipe, monkeypatch, teacher):
    """For each step the fields of the recipe that it asks for while it runs."""
    found = {}
    original = pipeline.steps_of

    def watched(name, step):
        def run(context, state):
            asked = found.setdefault(name, set())

            class Watched(Recipe):
                def __getattribute__(self, field):
                    if field in Recipe.model_fields:
                        asked.add(field)
                    return super().__getattribute__(field)
            before = context.recipe
            context.recipe = Watched(**before.model_dump())
            asked.clear()                           # what its own checks asked for
            try:
                return step(context, state)
            finally:
                context.recipe = before
        return run
    monkeypatch.setattr(pipeline, "steps_of", lambda recipe: {
        name: watched(name, step) for name, step in original(recipe).items()})
    compress(Chain, arrays(100, 20), recipe, budget=0.9, teacher=teacher)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("changes", [
    {}, {"prune": {"keep": "auto"}}, {"share": {"bits": "auto"}},
    {"prune": {"keep": {"1": 0.5}}, "distill": None, "encoding": "codebook"}])
@pytest.mark.parametrize("teacher", [None, Chain()])
def test_a_step_reads_nothing_that_its_key_does_not_hold(changes, teacher, monkeypatch):
    fields = ALL | changes
    if fields["distill"] is None:
        teacher = None
    recipe = Recipe(**fields)
    found = read_by_steps(recipe, monkeypatch, teacher)
    known = set()
    keys = keys_of(recipe, budget=0.9, taught=teacher is not None)
    assert list(keys) == list(found)
    for name, key in keys.items():
        known |= set(key) | {field for field in Recipe.model_fields
                             if getattr(recipe, field) is None}
        # A section that only says how another is done is asked for where that is absent, too.
        idle = {"distill"} if name == "float" and teacher is None else set()
        assert found[name] <= known | idle, name


@pytest.mark.parametrize("changes, differ", [
    ({"quantise": {"act_width": 8}}, ["quantise"]),
    ({"prune": {"keep": 0.4, "rounds": 2, "between": QUICK}}, ["prune"]),
    ({"encoding": "csr"}, ["quantise"]), ({"share": {"bits": 4}}, ["share"]),
    ({"distill": {"soft": 0.1}}, ["prune", "retrain", "centroids"]),
    ({"data": {"hold_out": 7}}, ["float"])])
def test_keys_hold_no_more_than_a_step_reads(changes, differ):
    first, second = (keys_of(Recipe(**ALL | more), budget=None, taught=False)
                     for more in ({}, changes))
    assert [name for name in first if first[name] != second[name]] == differ


def test_a_budget_is_of_the_steps_that_choose_by_it():
    def differing(**changes):
        one, other = (keys_of(Recipe(**ALL | changes), budget=budget, taught=False)
                      for budget in (0.1, 0.2))
        return [name for name in one if one[name] != other[name]]
    assert differing() == []
    assert differing(share={"bits": "auto"}) == ["bits"]
    assert differing(prune={"keep": "auto"}) == ["prune"]
