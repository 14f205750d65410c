# SPDX-License-Identifier: Apache-2.0
"""The recipe of LeNet-300-100, on small pictures: repeatable to the byte."""
import dataclasses

import numpy as np
from openeie.core import artefact
from openeie.sw.compress.train import Affine, Schedule
from openeie.sw.lenet import LenetRecipe, compress_lenet


def small_set(count, seed):
    """Ten classes of 8 x 8 pictures that differ in where they are bright."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    centres = np.random.default_rng(0).integers(0, 256, (10, 64))
    images = np.clip(centres[labels] + rng.normal(0, 40, (count, 64)), 0, 255).astype(np.uint8)
    return images, labels


def test_the_same_seed_gives_the_same_bytes():
    recipe = LenetRecipe(
        hidden=(24, 12), keep=(0.4, 0.5, 0.8), rounds=2,
        dense=Schedule(epochs=8, batch=50, rate=1e-2),
        between=Schedule(epochs=1, batch=50), sparse=Schedule(epochs=4, batch=50, rate=1e-2),
        centroids=Schedule(epochs=1, batch=50), calibration=100, augment=Affine(shift=0.5))
    train, test = small_set(600, 1), small_set(200, 2)
    first, again, other = (artefact.dumps(compress_lenet(train, test, recipe=recipe, seed=seed))
                           for seed in (5, 5, 6))
    assert first == again and first != other
    provenance = artefact.loads(first).provenance
    assert provenance["integer_error"] < 0.2 and provenance["seed"] == 5
    assert provenance["recipe"] == dataclasses.asdict(recipe) | {
        "hidden": [24, 12], "keep": [0.4, 0.5, 0.8]}
