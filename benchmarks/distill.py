# SPDX-License-Identifier: Apache-2.0
"""Distillation on MNIST: a small student with and without its teacher, compressed and run; JSON.

    python benchmarks/distill.py --mnist DIR [--seeds N] [--rtl N] [-o FILE.json]
    python benchmarks/distill.py --mnist DIR --sweep        # the temperatures, on held-out pictures

The experiment of Hinton, Vinyals and Dean (2015, section 3) in small. One teacher (784-800-800-10,
dropout) sees distorted pictures; the students (784-30-30-10) never do. For each seed two students
start from the same weights: one learns from the labels, one from the teacher, too. Both are
pruned, shared and quantised, the first with cross-entropy, the second with the distillation as the
loss of every retraining. The integer networks run on EIE16: ``fast`` on all test pictures, and
``rtl`` on the first few of one network, equal in every word, cycle and counter. The teacher's own
seed is ``--seed``; the students' follow it.
"""
import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

import openeie
from openeie.core import artefact
from openeie.core.graph import Network
from openeie.sw.compress.distill import distillation
from openeie.sw.compress.train import (Affine, Loss, Schedule, cross_entropy, deterministic,
                                       error_rate, fit)
from openeie.sw.data import load_mnist
from openeie.sw.quantise import quantise
from openeie.sw.recipe import Course, Labelled, Recipe

TEACHER, STUDENT = (784, 800, 800, 10), (784, 30, 30, 10)
TEMPERATURE, SOFT = 4.0, 0.9
SWEEP = (1.0, 2.0, 4.0, 8.0, 20.0)
STEPS = ("float", "pruned", "shared", "integer")
_PIXEL_SCALE = 1 / 255


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Every hyper-parameter but the loss.

    Attributes
    ----------
    teach, augment, dropout : training of the teacher.
    learn : of a student.
    recipe : of a student's compression.
    """
    teach: Schedule = Schedule(epochs=16, rate=1e-3, final_rate=1e-5, batch=256)
    augment: Affine = Affine(shift=2.0, rotate=10.0, scale=0.1, shear=0.1)
    dropout: float = 0.2
    learn: Schedule = Schedule(epochs=30, rate=3e-3, final_rate=1e-5, batch=256)
    recipe: Recipe = Recipe(
        keep=(0.15, 0.45, 0.6), rounds=4, augment=None,
        between=Schedule(epochs=2, rate=2e-3, final_rate=5e-4, batch=256),
        sparse=Schedule(epochs=12, rate=2e-3, final_rate=1e-5, batch=256),
        centroids=Schedule(epochs=6, rate=5e-4, final_rate=1e-5, batch=256))


def perceptron(sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Linear layers with ReLUs between, each followed by dropout if there is any."""
    modules: list[nn.Module] = []
    for a, b in zip(sizes, sizes[1:]):
        modules += [nn.Linear(a, b), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*modules[:-1 - bool(dropout)])


def tensors(pictures: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels in 0 .. 1, float32, and labels, int64."""
    return (torch.from_numpy(pictures[0].astype(np.float32)) * _PIXEL_SCALE,
            torch.from_numpy(pictures[1].astype(np.int64)))


def taught(train: Labelled, experiment: Experiment, seed: int) -> nn.Sequential:
    """The teacher."""
    with deterministic(seed) as generator:
        teacher = perceptron(TEACHER, experiment.dropout)
        fit(teacher, *tensors(train), experiment.teach, generator=generator,
            augment=experiment.augment)
    return teacher


def student(train: Labelled, test: Labelled, experiment: Experiment, seed: int, loss: Loss,
            progress: Callable[[str], None]) -> Course:
    """A student's course after its training in float, the error measured."""
    with deterministic(seed) as generator:
        course = Course(model=perceptron(STUDENT), train=train, test=test, loss=loss,
                        pixel_scale=_PIXEL_SCALE, recipe=experiment.recipe, generator=generator,
                        progress=progress)
        course.learn(experiment.learn)
        course.measure("float")
    return course


def compressed(course: Course, seed: int) -> Network:
    """The integer network of a trained student."""
    with deterministic(seed):
        course.compress()
    network = quantise(course.model, name="student", layer_names=("ip1", "ip2", "ip3"),
                       calibration=course.train[0][:course.recipe.calibration],
                       input_range=(0, 255), input_scale=_PIXEL_SCALE)
    return course.finish(network, seed=seed)


def on_the_array(network: Network, test: Labelled, rtl_images: int) -> dict:
    """Bytes of the artefact, cycles and errors on EIE16; ``rtl`` compared on the first pictures."""
    run = openeie.simulate(network, test[0], config="EIE16", engine="fast")
    result = {"bytes": len(artefact.dumps(network)),
              "cycles_per_picture": float(run.cycles.sum()) / len(test[0]),
              "error": float(np.mean(run.outputs.argmax(1) != test[1]))}
    if rtl_images:
        few = test[0][:rtl_images]
        truth = openeie.simulate(network, few, config="EIE16", engine="rtl")
        again = openeie.simulate(network, few, config="EIE16", engine="fast")
        result["rtl"] = {"pictures": rtl_images, "equal": True, "compared": truth.compare(again)}
    return result


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and, of the sample, standard deviation."""
    return {"mean": statistics.fmean(values),
            "deviation": statistics.stdev(values) if len(values) > 1 else 0.0}


def run(train: Labelled, test: Labelled, experiment: Experiment, *, seeds: Sequence[int],
        rtl_images: int, progress: Callable[[str], None]) -> dict:
    """The whole experiment, as plain values."""
    teacher = taught(train, experiment, seeds[0])
    teacher_error = error_rate(teacher, *tensors(test))
    progress(f"teacher  test error {teacher_error:.2%}")
    losses = {"labels": cross_entropy,
              "distilled": distillation(teacher, temperature=TEMPERATURE, soft=SOFT)}
    rows = []
    for seed in seeds:
        for name, loss in losses.items():
            progress(f"seed {seed}, {name}:")
            course = student(train, test, experiment, seed, loss, progress)
            network = compressed(course, seed)
            shown = rtl_images if name == "distilled" and seed == seeds[0] else 0
            rows.append({"student": name, "seed": seed, "parameters": _parameters(STUDENT)}
                        | {step: course.errors[f"{step}_error"] for step in STEPS}
                        | on_the_array(network, test, shown))
            assert rows[-1]["error"] == rows[-1]["integer"]     # fast is the golden model
    summary = {name: {column: spread([row[column] for row in rows if row["student"] == name])
                      for column in (*STEPS, "bytes", "cycles_per_picture")} for name in losses}
    return {"temperature": TEMPERATURE, "soft": SOFT, "teacher": {
        "sizes": TEACHER, "parameters": _parameters(TEACHER), "error": teacher_error},
        "student_sizes": STUDENT, "students": rows, "summary": summary}


def sweep(train: Labelled, experiment: Experiment, *, seeds: Sequence[int], hold_out: int,
          progress: Callable[[str], None]) -> dict:
    """Errors of float students on held-out training pictures, over temperatures and shares."""
    rest, held = (tuple(array[part] for array in train)
                  for part in (slice(-hold_out), slice(-hold_out, None)))
    teacher = taught(rest, experiment, seeds[0])
    result = {"teacher": error_rate(teacher, *tensors(held)), "rows": []}
    for soft in (0.0, 0.5, 0.9, 1.0):
        for temperature in SWEEP if soft else (1.0,):
            loss = distillation(teacher, temperature=temperature, soft=soft)
            errors = [student(rest, held, experiment, seed, loss, lambda line: None).errors[
                "float_error"] for seed in seeds]
            result["rows"].append({"temperature": temperature, "soft": soft} | spread(errors))
            progress(json.dumps(result["rows"][-1]))
    return result


def _parameters(sizes: Sequence[int]) -> int:
    return sum(a * b + b for a, b in zip(sizes, sizes[1:]))


def main() -> None:
    """Print one JSON object; progress goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", required=True, metavar="DIR", help="the four *.gz files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="students of each kind")
    parser.add_argument("--rtl", type=int, default=5, metavar="N", help="pictures for the gateware")
    parser.add_argument("--sweep", action="store_true", help="temperatures instead, on 5,000 "
                                                             "training pictures held out")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="write the JSON there, too")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, not {options.seeds}")
    began = time.monotonic()

    def progress(line: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {line}", file=sys.stderr, flush=True)
    train, seeds = load_mnist(options.mnist, "train"), range(options.seed,
                                                             options.seed + options.seeds)
    if options.sweep:
        result = sweep(train, Experiment(), seeds=seeds, hold_out=5000, progress=progress)
    else:
        result = run(train, load_mnist(options.mnist, "test"), Experiment(), seeds=seeds,
                     rtl_images=options.rtl, progress=progress)
    text = json.dumps({"schema_version": 1, "seed": options.seed, "torch": torch.__version__,
                       "seconds": round(time.monotonic() - began)} | result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
