# SPDX-License-Identifier: Apache-2.0
"""What comes with the package was made by its own code from its own recipes: nothing of others."""
from pathlib import Path

import openeie
import pytest
from openeie.sw.compress.recipe_file import read_recipe

ASSETS = Path(openeie.__file__).parent / "sw" / "assets"
#: Most bytes of the file, and most of MNIST's 10,000 test images that it misclassifies, as a share.
LIMITS = {"lenet-300-100": (18_980, 0.0117), "lenet-5": (20_545, 0.0071)}


def test_networks_and_nothing_else_come_with_the_package():
    assert sorted(file.name for file in ASSETS.rglob("*")) \
        == sorted(f"{name}.eie" for name in LIMITS)


@pytest.mark.parametrize("name", LIMITS)
def test_a_network_was_trained_by_its_recipe(name):
    made = openeie.load(openeie.shipped(name)).provenance
    recipe = read_recipe(name)
    assert recipe.train is not None and "weights" not in made
    assert made["source"].startswith("openeie.sw.networks.") and made["seed"] == 0
    assert made["data"] == "mnist-without-demo"
    seen = {"hold_out": recipe.data.hold_out, "scale": 1 / 255, "offset": 0, "shape": [1, 28, 28]}
    assert made["recipe"] == recipe.resolved(data=seen).model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize("name", LIMITS)
def test_a_network_is_as_small_and_as_good_as_it_was(name):
    path = openeie.shipped(name)
    size, error = LIMITS[name]
    assert path.stat().st_size <= size
    assert openeie.load(path).provenance["integer_error"] <= error
