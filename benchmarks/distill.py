# SPDX-License-Identifier: Apache-2.0
"""Distillation on MNIST: a small student with and without a teacher, compressed and run; JSON.

    python benchmarks/distill.py --mnist DIR [--seeds N] [--rtl N] [-o FILE.json]
    python benchmarks/distill.py --mnist DIR --sweep        # the temperatures, on held-out images

A small form of the experiment of Hinton, Vinyals and Dean (2015, section 3). One teacher
(784-800-800-10, dropout) is trained with distorted images; the students (784-30-30-10) are not.
For each seed two students start with the same weights: one learns from the labels, the other from
the teacher as well. Both are pruned, shared and quantised; every retraining uses cross-entropy for
the first and the distillation loss for the second. The integer networks run on EIE16 with queues of
8, their channels as they are: ``fast`` on all test images, and for one network ``rtl`` on the first
few, equal in every word, cycle and counter. ``--seed`` is the teacher's seed and the first seed of
the students.
"""
import argparse
import json
import statistics
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

import openeie
from openeie.cli.common import one_line_errors
from openeie.cli.outputs import check_writable, write_atomically
from openeie.core.network.graph import Network
from openeie.sw.compress.methods.distill import distillation
from openeie.sw.compress.methods.train import (Affine, Loss, Schedule, cross_entropy, deterministic,
                                               error_rate, fit, labelled_tensors)
from openeie.sw.data.mnist import load_mnist

Labelled = tuple[np.ndarray, np.ndarray]

#: Sizes of the layers.
TEACHER = (784, 800, 800, 10)
STUDENT = (784, 30, 30, 10)
DISTILL = {"temperature": 4.0, "soft": 0.9}
#: Weight of the teacher's part of the loss, and temperature; at 0 only the labels count.
SWEEP = ((0.0, 1.0), *((0.9, temperature) for temperature in (1.0, 2.0, 4.0, 8.0, 20.0)),
         (0.5, 4.0), (1.0, 4.0))
STEPS = ("float", "pruned", "shared", "integer")
#: Training of the teacher, and of a student in float.
TEACH = Schedule(epochs=12, rate=1e-3, final_rate=1e-5, batch=256)
AUGMENT = Affine(shift=2.0, rotate=10.0, scale=0.1, shear=0.1)
DROPOUT = 0.2
LEARN = {"epochs": 20, "rate": 3e-3, "final_rate": 1e-5, "batch": 256}
#: A student, from random weights to the integer network; its images are not distorted.
RECIPE = {
    "name": "student", "data": {"hold_out": 0}, "train": LEARN,
    "prune": {"keep": {"ip1": 0.15, "ip2": 0.45, "ip3": 0.6}, "rounds": 4,
              "between": {"epochs": 1, "rate": 2e-3, "final_rate": 5e-4, "batch": 256}},
    "retrain": {"epochs": 10, "rate": 2e-3, "final_rate": 1e-5, "batch": 256},
    "share": {"slots": 16},
    "centroids": {"epochs": 4, "rate": 5e-4, "final_rate": 1e-5, "batch": 256},
}


class Remembering(nn.Module):
    """A teacher that keeps its answers, since undistorted images come again every epoch."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher
        self.answers: dict[bytes, torch.Tensor] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, classes]."""
        keys = [blake2b(row, digest_size=16).digest() for row in images.numpy()]
        new = [number for number, key in enumerate(keys) if key not in self.answers]
        if new:
            for number, answer in zip(new, self.teacher(images[new])):
                self.answers[keys[number]] = answer.clone()
        return torch.stack([self.answers[key] for key in keys])


def perceptron(sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Linear layers ip1, ip2, ... on maps, with a ReLU and, if given, dropout between them."""
    modules: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
    for number, (a, b) in enumerate(pairwise(sizes), 1):
        if number > 1:
            modules += [(f"relu{number}", nn.ReLU()), (f"dropout{number}", nn.Dropout(dropout))]
        modules.append((f"ip{number}", nn.Linear(a, b)))
    return nn.Sequential(OrderedDict(one for one in modules
                                     if dropout or not isinstance(one[1], nn.Dropout)))


def student() -> nn.Sequential:
    """A student with random weights."""
    return perceptron(STUDENT)


def maps_of(data: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels in 0 .. 1, float32 maps, and labels, int64."""
    return labelled_tensors(data[0].reshape(-1, 1, 28, 28), data[1])


def taught(train: Labelled, seed: int) -> nn.Sequential:
    """A trained teacher."""
    with deterministic(seed) as generator:
        teacher = perceptron(TEACHER, DROPOUT)
        fit(teacher, *maps_of(train), TEACH, generator=generator, augment=AUGMENT)
    return teacher


def on_the_array(network: Network, test: Labelled, rtl_images: int) -> dict:
    """Cycles and errors on EIE16; ``rtl`` is compared with ``fast`` on the first images."""
    array = openeie.preset("EIE16").replace(queue_depth=8)
    run = openeie.simulate(network, test[0], config=array, balance=False, engine="fast")
    result = {"cycles_per_picture": float(run.cycles.sum()) / len(test[0]),
              "error": float(np.mean(run.outputs.argmax(1) != test[1]))}
    if rtl_images:
        few = test[0][:rtl_images]
        truth = openeie.simulate(network, few, config=array, balance=False, engine="rtl")
        again = openeie.simulate(network, few, config=array, balance=False, engine="fast")
        result["rtl"] = {"pictures": rtl_images, "equal": True, "compared": truth.compare(again)}
    return result


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and sample standard deviation."""
    return {"mean": statistics.fmean(values),
            "deviation": statistics.stdev(values) if len(values) > 1 else 0.0}


def run(train: Labelled, test: Labelled, *, seeds: Sequence[int], rtl_images: int,
        progress: Callable[[str], None]) -> dict:
    """The whole experiment, as plain values."""
    teacher = taught(train, seeds[0])
    teacher_error = error_rate(teacher, *maps_of(test))
    progress(f"teacher: {teacher_error:.2%} misclassified")
    data = {"train_images": train[0].reshape(-1, 1, 28, 28), "train_labels": train[1],
            "test_images": test[0].reshape(-1, 1, 28, 28), "test_labels": test[1]}
    rows = []
    for seed in seeds:
        for name in ("labels", "distilled"):
            is_distilled = name == "distilled"
            made = openeie.compress(
                student, data, RECIPE | ({"distill": DISTILL} if is_distilled else {}), seed=seed,
                teacher=Remembering(teacher) if is_distilled else None)
            on_rtl = rtl_images if is_distilled and seed == seeds[0] else 0
            row = {"student": name, "seed": seed, **made.errors, "bytes": made.file_bytes}
            row |= on_the_array(made.network, test, on_rtl)
            assert row["error"] == made.integer_error       # fast equals the golden model
            rows.append(row)
            progress(json.dumps(row))

    summary: dict = {}
    for name in ("labels", "distilled"):
        of_kind = [row for row in rows if row["student"] == name]
        summary[name] = {column: spread([row[column] for row in of_kind])
                         for column in (*STEPS, "bytes", "cycles_per_picture")}
    return DISTILL | {
        "teacher": {"sizes": TEACHER, "parameters": _parameters(TEACHER), "error": teacher_error},
        "student": {"sizes": STUDENT, "parameters": _parameters(STUDENT)}, "students": rows,
        "summary": summary}


def sweep(train: Labelled, *, seeds: Sequence[int], hold_out: int,
          progress: Callable[[str], None]) -> dict:
    """Errors of float students on held-out training images, by temperature and weight."""
    images, labels = train
    rest = images[:-hold_out], labels[:-hold_out]
    held = images[-hold_out:], labels[-hold_out:]
    teacher = taught(rest, seeds[0])
    remembering = Remembering(teacher)

    def error(loss: Loss, seed: int) -> float:
        with deterministic(seed) as generator:
            model = student()
            fit(model, *maps_of(rest), Schedule(**LEARN), generator=generator, loss=loss)
        return error_rate(model, *maps_of(held))

    result = {"teacher": error_rate(teacher, *maps_of(held)), "rows": []}
    for soft, temperature in SWEEP:
        loss = cross_entropy
        if soft:
            loss = distillation(remembering, temperature=temperature, soft=soft)
        errors = [error(loss, seed) for seed in seeds]
        result["rows"].append({"temperature": temperature, "soft": soft, "errors": errors}
                              | spread(errors))
        progress(json.dumps(result["rows"][-1]))
    return result


def _parameters(sizes: Sequence[int]) -> int:
    """Number of weights and biases."""
    return sum(a * b + b for a, b in pairwise(sizes))


def main() -> None:
    """Print one JSON object; progress goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", required=True, metavar="DIR", help="the four *.gz files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, metavar="N",
                        help="number of students of each kind")
    parser.add_argument("--rtl", type=int, default=5, metavar="N", help="images for the gateware")
    parser.add_argument("--sweep", action="store_true", help="compare temperatures instead, on "
                                                             "5,000 held-out training images")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE",
                        help="also write the JSON to this file")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, not {options.seeds}")
    if options.out:
        check_writable(options.out)
    began = time.monotonic()

    def progress(line: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {line}", file=sys.stderr, flush=True)

    train = load_mnist(options.mnist, "train")
    seeds = range(options.seed, options.seed + options.seeds)
    if options.sweep:
        result = sweep(train, seeds=seeds, hold_out=5000, progress=progress)
    else:
        result = run(train, load_mnist(options.mnist, "test"), seeds=seeds,
                     rtl_images=options.rtl, progress=progress)
    text = json.dumps({"schema_version": 1, "seed": options.seed, "torch": torch.__version__,
                       "seconds": round(time.monotonic() - began)} | result, indent=2)
    if options.out:
        write_atomically(options.out, (text + "\n").encode())
    print(text)


if __name__ == "__main__":
    with one_line_errors():
        main()
