# SPDX-License-Identifier: Apache-2.0
"""Pruning ratios chosen automatically and by hand, for LeNet-300-100; one JSON object.

    python benchmarks/ratios.py MNIST [--weights FLOAT.safetensors] [--seed 0] [--markdown]

One float network, trained here unless its weights are given, is pruned to four sets of ratios, all
with the same rounds and the same training, then shared and quantised:

``hand``: the ratios of the recipe lenet-300-100.
``automatic``: those of :func:`~openeie.sw.compress.search.keep_ratios.choose_ratios`. Its budget is
the held-out error of the ratios by hand after their rounds, so it can win only by a smaller size.
``one threshold`` and ``one threshold by rms``: what
:func:`~openeie.sw.compress.methods.prune.prune_global` leaves of each layer of the float network,
for as many weights as ``automatic`` keeps.

All choices are made on the last training images; the test set is only measured at the end.
``file_bytes`` is without the provenance, whose length depends on the recipe.
"""
import argparse
import copy
import dataclasses
import inspect
import json
import sys
import time
from pathlib import Path

import torch
from openeie.cli.common import one_line_errors
from openeie.core.artefact import artefact
from openeie.sw.compress.methods.prune import kept, prune, prune_global, weighted_layers
from openeie.sw.compress.methods.prune_schedule import keep_schedule
from openeie.sw.compress.methods.train import cross_entropy, deterministic, error_rate, fit
from openeie.sw.compress.pipeline import compress
from openeie.sw.compress.recipe import Recipe, Training
from openeie.sw.compress.recipe_file import read_recipe
from openeie.sw.compress.search.keep_ratios import Ratios, choose_ratios
from openeie.sw.data.labelled import Dataset, load_dataset
from openeie.sw.importers.torch.weights import load_weights
from openeie.sw.networks.lenet import Lenet300
from torch import nn

ROUNDS = 6
BETWEEN = Training(epochs=2, rate=1e-3, final_rate=3e-4)
RETRAIN = Training(epochs=12, rate=1e-3, final_rate=1e-5)
CENTROIDS = Training(epochs=3, rate=5e-4, final_rate=1e-5, batch=256)
_CODE_BITS = 3.5            # bits of a code for one of 16 slots, as in the shipped network


class Bench:
    """A data set, and training and measurements on it."""

    def __init__(self, data: Dataset, hold_out: int, seed: int) -> None:
        base = read_recipe("lenet-300-100")
        self.hand = dict(base.prune.keep)
        self.base = base
        self.data = data
        self.hold_out = hold_out
        self.seed = seed
        train, held = data.held_out(hold_out)
        self.x, self.held_x = (torch.from_numpy(data.floats(images)) for images, _ in (train, held))
        self.y, self.held_y = (torch.from_numpy(labels).long() for _, labels in (train, held))
        self.began = time.monotonic()

    def say(self, *words: object) -> None:
        """Print a line of progress, with the seconds so far."""
        print(f"[{time.monotonic() - self.began:5.0f} s]", *words, file=sys.stderr, flush=True)

    def error(self, model: nn.Module) -> float:
        """Error rate on the held-out images."""
        return error_rate(model, self.held_x, self.held_y)

    def loss(self, model: nn.Module) -> float:
        """Cross-entropy on the held-out images."""
        model.eval()
        with torch.no_grad():
            return float(cross_entropy(model, self.held_x, self.held_y))

    def learn(self, model: nn.Module, training: Training, generator: torch.Generator) -> None:
        """Train by a schedule."""
        fit(model, self.x, self.y, training.schedule, generator=generator,
            augment=self.base.data.augment.affine)

    def float_network(self, weights: Path | None) -> nn.Module:
        """The float network, trained or with the weights of a file."""
        with deterministic(self.seed) as generator:
            model = Lenet300()
            if weights is None:
                self.learn(model, self.base.train, generator)
            else:
                load_weights(model, weights)
        self.say(f"float network: held-out error {self.error(model):.2%}")
        return model.eval()

    def budget(self, model: nn.Module) -> float:
        """Held-out error after the rounds with the ratios by hand."""
        trial = copy.deepcopy(model)
        with deterministic(self.seed) as generator:
            for number in range(ROUNDS):
                prune(trial, {name: keep_schedule(keep, ROUNDS)[number]
                              for name, keep in self.hand.items()})
                self.learn(trial, BETWEEN, generator)
        return self.error(trial)

    def automatic(self, model: nn.Module, budget: float) -> Ratios:
        """The ratios of the smallest network within the budget."""
        def measured(trial: nn.Module) -> float:
            error = self.error(trial)
            self.say(f"  {error:.2%} with {' '.join(map(str, kept(trial).values()))} weights")
            return error

        with deterministic(self.seed) as generator:
            return choose_ratios(model, measure=measured, loss=self.loss, budget=budget,
                                 retrain=lambda trial: self.learn(trial, BETWEEN, generator),
                                 code_bits=_CODE_BITS)

    def row(self, model: nn.Module, keep: dict[str, float]) -> dict:
        """The network pruned to ``keep``, retrained, shared and quantised: its sizes and errors."""
        recipe = Recipe(
            name="lenet-300-100", quantise=self.base.quantise, share=self.base.share,
            data=self.base.data.model_copy(update={"hold_out": self.hold_out}),
            prune={"keep": keep, "rounds": ROUNDS, "between": BETWEEN.model_dump()},
            retrain=RETRAIN, centroids=CENTROIDS)
        done = compress(model, self.data, recipe, seed=self.seed)
        bare = dataclasses.replace(done.network, provenance={})
        row = {"keep": {name: round(share, 4) for name, share in keep.items()},
               "weights": done.contents.total.kept, "file_bytes": len(artefact.dumps(bare)),
               "held_out_error": done.held_out_errors, "test_error": done.errors}
        self.say(f"{row['weights']} weights, {row['file_bytes']} bytes, held-out error "
                 f"{done.held_out_errors['integer']:.2%}")
        return row


def threshold_ratios(model: nn.Module, weights: int, *, normalise: bool) -> dict[str, float]:
    """Share of the weights that one threshold for all layers keeps of each."""
    trial = copy.deepcopy(model)
    sizes = {name: layer.weight.numel() for name, layer in weighted_layers(trial).items()}
    prune_global(trial, weights / sum(sizes.values()), normalise=normalise)
    return {name: count / sizes[name] for name, count in kept(trial).items()}


def markdown(rows: dict[str, dict]) -> str:
    """The table in docs/pruning.md."""
    lines = ["| ratios | ip1, ip2, ip3 kept | weights | bytes | held-out, pruned | held-out, "
             "integer | test, integer |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, row in rows.items():
        shares = ", ".join(f"{share:.1%}" for share in row["keep"].values())
        held = row["held_out_error"]
        test = row["test_error"]
        lines.append(f"| {name} | {shares} | {row['weights']:,} | {row['file_bytes']:,} | "
                     f"{held['pruned']:.2%} | {held['integer']:.2%} | {test['integer']:.2%} |")
    return "\n".join(lines)


def main() -> None:
    """Print the result."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path, help="folder with the four *.gz files")
    parser.add_argument("--weights", type=Path, help="weights of the float network")
    parser.add_argument("--hold-out", type=int, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", action="store_true", help="print the table instead")
    options = parser.parse_args()
    bench = Bench(load_dataset(f"mnist:{options.mnist}"), options.hold_out, options.seed)
    model = bench.float_network(options.weights)
    budget = bench.budget(model)
    bench.say(f"budget: {budget:.2%} of the held-out images after the rounds")
    found = bench.automatic(model, budget)
    weights = sum(kept(found.model).values())
    ratios = {"hand": bench.hand, "automatic": found.keep,
              "one threshold": threshold_ratios(model, weights, normalise=False),
              "one threshold by rms": threshold_ratios(model, weights, normalise=True)}
    rows = {}
    for name, keep in ratios.items():
        bench.say(name)
        rows[name] = bench.row(model, keep)
    if options.markdown:
        print(markdown(rows))
    else:
        print(json.dumps({"budget": budget, "search": found.to_dict(), "rows": rows}))


if __name__ == "__main__":
    with one_line_errors():
        main()
