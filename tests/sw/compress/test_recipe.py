# SPDX-License-Identifier: Apache-2.0
"""Recipes: read, checked whole, and written again."""
import os
import io
import tomllib
from importlib import resources
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openeie.core.errors import InputError
from openeie.sw.compress.recipe import Prune, Recipe, Share, Training
from openeie.sw.compress.recipe_file import dump_recipe, read_recipe
from pydantic import ValidationError

SHIPPED = sorted(file.name.removesuffix(".toml") for file in
                 (resources.files("openeie.sw") / "recipes").iterdir())


def test_every_wrong_key_is_told_at_once(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text("""
sahre = 3
[prune]
kep = 0.1
keep = {conv1 = 1.5}
rounds = 0
[retrain]
rate = "fast"
[quantise]
act_width = 12
[share]
slots = 1
init = "liner"
[data]
augment = {flipp = true}
""")
    with pytest.raises(InputError) as caught:
        read_recipe(path)
    first, *lines = str(caught.value).split("\n  ")
    assert first == f"{path}: 10 keys are wrong:"
    assert sorted(lines) == sorted([
        "prune.keep must be \"auto\", a number above 0 and at most 1 (of the whole network), or a "
        "table of such numbers by layer, not {'conv1': 1.5}",
        "prune.rounds must be greater than or equal to 1, not 0",
        "prune.kep is unknown; did you mean keep? [prune] has keep, schedule, rounds, balance, "
        "between",
        "retrain.epochs is missing",
        "retrain.rate must be a valid number, not 'fast'",
        "share.slots must be \"auto\", an integer in 2 .. 256, or a table of such integers by "
        "layer, not 1",
        "share.init must be 'linear', 'density' or 'random', not 'liner'",
        "quantise.act_width must be 8 or 16, not 12",
        "sahre is unknown; did you mean share? a recipe has name, encoding, data, train, prune, "
        "retrain, share, centroids, distill, quantise",
        "data.augment.flipp is unknown; did you mean flip? [data.augment] has shift, rotate, "
        "scale, shear, flip"])


EPOCH = {"epochs": 1}


@pytest.mark.parametrize("fields, message", [
    ({"centroids": {"epochs": 1}}, r"\[centroids\] trains the values of \[share\], which is miss"),
    ({"share": {"slots": 4, "bits": 2}}, "slots and bits say the same; give one of them"),
    ({"prune": {"keep": 0.5, "balance": 4}}, "balance spreads the weights of single layers"),
    ({"prune": {"keep": {}}}, "prune.keep must be"),
    ({"prune": {"keep": True}}, "prune.keep must be"),
    ({"share": {"bits": 9}}, r"share.bits must be \"auto\", an integer in 1 .. 8"),
    ({"retrain": {"epochs": 1, "rate": float("nan")}}, "retrain.rate must be"),
    ({"prune": {"keep": "auto", "rounds": 7}}, "prune: keep = \"auto\" chooses its own rounds"),
    ({"prune": {"keep": "auto", "schedule": "gradual"}}, "leave out rounds and schedule"),
    ({"prune": {"keep": 0.5, "schedule": "gradual"}}, "a schedule, 'gradual', needs rounds of 2"),
    ({"train": EPOCH, "distill": {}, "prune": {"keep": 0.5}, "retrain": EPOCH | {"epochs": True}},
     "retrain.epochs must be a valid integer, not True"),
    ({"train": EPOCH | {"batch": "20"}}, "train.batch must be a valid integer, not '20'"),
    ({"train": EPOCH | {"rate": "1e-3"}}, "train.rate must be a valid number, not '1e-3'"),
    ({"data": {"augment": {"flip": 1}}}, "data.augment.flip must be a valid boolean, not 1"),
    ({"data": {"offset": [1, 2.5]}}, r"recipe: a key is wrong:\n  data.offset must be an integer, "
                                     r"or a list of one for each channel, not \[1, 2.5\]$"),
    ({"data": {"shape": 64}}, r"a key is wrong:\n  data.shape must be a list of integers, not 64$"),
    ({"retrain": EPOCH}, r"\[retrain\] trains what \[prune\] keeps, which is missing"),
    ({"prune": {"keep": 0.5}, "distill": {}}, r"\[distill\] is for training, and nothing is tr"),
    ({"encoding": "codebook"}, "encoding \"codebook\" is for layers with shared weights: add"),
    ({"prune": {"keep": 0.5}, "data": {"augment": {"flip": True}}}, "data.augment is for training, "
                                                                    "and nothing is trained"),
    ({"encoding": "zip"}, "encoding must be 'csr', 'codebook' or 'huffman', not 'zip'"),
])
def test_what_cannot_be(fields, message):
    with pytest.raises(InputError, match=message):
        read_recipe(fields)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="cannot read the recipe no.toml: .*No such file"):
        read_recipe("no.toml")
    with pytest.raises(InputError, match="no recipe 'lenet' comes with the package; .* lenet-300"):
        read_recipe("lenet")
    with pytest.raises(InputError, match="no recipe 'xxx"):
        read_recipe("x" * 5000)             # no file system has such a name
    (tmp_path / "bad.toml").write_text("a = = 3")
    with pytest.raises(InputError, match=r"cannot read the recipe .*bad.toml: Invalid value"):
        read_recipe(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_text("name = " + "[" * 100_000)
    with pytest.raises(InputError, match=r"cannot read the recipe .*bad.toml: lists and"):
        read_recipe(tmp_path / "bad.toml")
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(InputError, match=r"pipe.toml: it must be a regular file, not a pipe"):
        read_recipe(tmp_path / "pipe.toml")


def test_a_recipe_is_frozen_and_can_be_python():
    recipe = Recipe(prune=Prune(keep={"a": 0.5}), retrain=Training(epochs=2))
    assert read_recipe(recipe) is recipe
    assert read_recipe({"prune": {"keep": {"a": 0.5}}, "retrain": {"epochs": 2}}) == recipe
    with pytest.raises(ValidationError):
        recipe.name = "other"
    changed = recipe.resolved(data={"hold_out": 7}, share={"slots": 3})
    assert changed.data.hold_out == 7 and changed.share is None and recipe.data.hold_out is None


def test_integers_for_real_numbers_and_tuples_are_taken():
    recipe = read_recipe(MappingProxyType({"train": {"epochs": 1, "rate": 1}, "prune": {"keep": 1},
                                           "data": {"offset": (1, 2), "shape": (2, 4, 4)}}))
    assert recipe.train.rate == 1.0 and recipe.data.offset == [1, 2]
    assert recipe.data.shape == [2, 4, 4] and isinstance(recipe.prune.keep, float)


def test_files_are_utf8_wherever_they_are_read(tmp_path, monkeypatch):
    (tmp_path / "r.toml").write_text("name = 'größer'", encoding="utf-8")
    monkeypatch.setattr(io, "text_encoding", lambda encoding, level=2: encoding or "latin-1")
    assert read_recipe(tmp_path / "r.toml").name == "größer"


def test_slots_of_layers():
    names = ["a", "b"]
    assert Share().by_layer(names) == {"a": 16, "b": 16}
    assert Share(slots={"b": 5}).by_layer(names) == {"a": 16, "b": 5}
    assert Share(bits=3).by_layer(names) == {"a": 8, "b": 8}
    assert Share(bits={"a": 1}).by_layer(names) == {"a": 2, "b": 16}
    assert Share(bits="auto").auto and Share(slots="auto").auto and not Share().auto


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes(name):
    recipe = read_recipe(name)
    assert recipe.name == name and recipe.prune and recipe.share and not recipe.decides


TRAINING = st.builds(Training, epochs=st.integers(1, 99), rate=st.floats(1e-9, 1e3),
                     batch=st.integers(1, 1 << 20))
RECIPES = st.builds(
    Recipe, name=st.none() | st.text(min_size=1, max_size=9),
    train=st.none() | TRAINING,
    prune=st.none() | st.builds(Prune, keep=st.just("auto") | st.floats(1e-9, 1) | st.dictionaries(
        st.text(max_size=9), st.floats(1e-9, 1), min_size=1, max_size=3),
        between=st.none() | TRAINING),
    share=st.none() | st.builds(Share, slots=st.none() | st.integers(2, 256)))


@given(RECIPES)
@settings(max_examples=60)
def test_what_is_written_is_read(recipe):
    assert Recipe.model_validate(tomllib.loads(dump_recipe(recipe))) == recipe
