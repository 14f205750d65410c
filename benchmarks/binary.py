# SPDX-License-Identifier: Apache-2.0
"""Networks with real weights, binary weights (BWN) and binary inputs (XNOR-Net), trained alike.

    python benchmarks/binary.py mnist FOLDER [-o OUT] [--seed S] [--modes float,bwn,xnor] [--json]
    python benchmarks/binary.py cifar10 FOLDER ...

FOLDER holds the MNIST files (``*.gz``), or the two JPEG-coded CIFAR-10 files. Each network is
trained, exported as an artefact, and run by the engine golden on all 10,000 test images. All
outputs of all layers are compared with an independent computation of the same integers in torch,
and the answers with those of the float network. With ``-o`` the artefacts and the trained weights
are kept in OUT, and a mode whose weights are there is not trained again. Weights of another
training schedule are refused.
"""
import argparse
import dataclasses
import inspect
import json
import sys
import time
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from openeie.cli.common import one_line_errors
from openeie.cli.outputs import check_writable, make_folder, write_atomically
from openeie.core import golden
from openeie.core.artefact import artefact
from openeie.core.artefact.inspect import inspect as contents_of
from openeie.core.errors import InputError
from openeie.core.network.graph import Network
from openeie.sw.binary.exact import exact_outputs
from openeie.sw.binary.networks import NETWORK_MODES
from openeie.sw.binary.train import TASKS, Task, exported, integer_inputs, tensors, train
from openeie.sw.data.cifar10 import load_cifar10
from openeie.sw.data.mnist import load_mnist
from openeie.sw.importers.torch.weights import load_weights
from rich.console import Console
from rich.table import Table

_LOADERS = {"mnist": load_mnist, "cifar10": load_cifar10}
_BATCH = 250


def float_answers(model: torch.nn.Module, images: torch.Tensor) -> np.ndarray:
    """Answers of the float network, and their margins over the second best output; [n] each."""
    with torch.no_grad():
        outputs = torch.cat([model(part) for part in images.split(_BATCH)])
    best = outputs.topk(2, dim=1).values
    return outputs.numpy().argmax(axis=1), (best[:, 0] - best[:, 1]).numpy()


def compare(network: Network, x: np.ndarray) -> tuple[np.ndarray, dict]:
    """Golden's answers on integer inputs x, and the result of the comparison with torch."""
    answers = []
    words = different = images = 0
    seconds = 0.0
    for part in np.split(x, range(_BATCH, len(x), _BATCH)):
        began = time.perf_counter()
        ours = golden.network(network, part)
        seconds += time.perf_counter() - began
        theirs = exact_outputs(network, part)
        for a, b in zip(ours, theirs):
            words += a.size
            different += int((a != b).sum())
        images += int((ours[-1] != theirs[-1]).any(axis=1).sum())
        answers.append(ours[-1].argmax(axis=1))
    return np.concatenate(answers), {"golden_seconds": seconds, "words_compared": words,
                                     "words_different_from_torch": different,
                                     "pictures_different_from_torch": images}


def sizes(data: bytes) -> dict:
    """Bytes of the binary layers as float32 and as stored, of all weights and biases as float32,
    and of the file."""
    contents = contents_of(data)
    binary = [layer for layer in contents.layers if layer.encoding in ("bwn", "xnor")]
    return {"binary_float_bytes": 4 * sum(layer.weights for layer in binary),
            "binary_bytes": sum(layer.bytes_stored for layer in binary),
            "float_bytes": contents.float_bytes, "file_bytes": contents.file_bytes}


def weights_file(task: Task, mode: str, seed: int, out: Path) -> Path:
    """Path of a mode's trained weights."""
    return out / f"{task.name}-{mode}-{seed}.safetensors"


def schedule_of(task: Task) -> str:
    """The training schedule of a task, as text."""
    return json.dumps(dataclasses.asdict(task.schedule), sort_keys=True)


def ready(task: Task, mode: str, seed: int, out: Path) -> torch.nn.Module | None:
    """The model with the trained weights in ``out``; None if there are none.

    Raises
    ------
    InputError : the file is damaged, or the weights are of another schedule.
    """
    path = weights_file(task, mode, seed, out)
    if not path.exists():
        return None
    model = task.build(mode)
    load_weights(model, path)
    with safetensors.safe_open(path, "pt") as file:
        found = (file.metadata() or {}).get("schedule", "unknown")
    if found != schedule_of(task):
        raise InputError(f"{path} must have the schedule {schedule_of(task)}, but has {found}; "
                         f"use another folder, or remove the file to train again")
    return model.eval()


def weights_of(task: Task, mode: str, train_set: tuple, seed: int, out: Path | None
               ) -> tuple[torch.nn.Module, float]:
    """The trained model, and the seconds of training: 0 if its weights are in ``out``."""
    model = None if out is None else ready(task, mode, seed, out)
    if model is not None:
        return model, 0.0

    began = time.perf_counter()
    model = train(task, mode, *train_set, seed=seed)
    if out is not None:
        write_atomically(weights_file(task, mode, seed, out),
                         safetensors.torch.save(model.state_dict(),
                                                {"schedule": schedule_of(task)}))
    return model, time.perf_counter() - began


def measure(task: Task, mode: str, train_set: tuple, test: tuple, seed: int, out: Path | None
            ) -> dict:
    """One mode's row."""
    model, seconds = weights_of(task, mode, train_set, seed, out)
    images, labels = test
    answers, margins = float_answers(model, tensors(task, images, labels)[0])
    accuracy = float((answers == labels).mean())
    network = exported(task, mode, model, train_set[0], seed=seed, float_accuracy=accuracy)
    data = artefact.dumps(network)
    if out is not None:
        write_atomically(out / f"{network.name}.eie", data)
    # Run what was written, not what was exported.
    ours, compared = compare(artefact.loads(data), integer_inputs(task, images))
    moved = np.flatnonzero(ours != answers)
    return {"network": task.name, "mode": mode, "seed": seed, "train_seconds": seconds,
            "float_accuracy": accuracy, "golden_accuracy": float((ours == labels).mean()),
            "pictures": len(labels), "answers_different_from_float": len(moved),
            "largest_float_margin_of_these": float(margins[moved].max(initial=0)),
            "median_float_margin": float(np.median(margins))} | compared | sizes(data)


def table(rows: list[dict]) -> Table:
    """The rows as a table."""
    result = Table(title=f"{rows[0]['network']}, {rows[0]['pictures']:,} test images, "
                         f"seed {rows[0]['seed']}")
    for head in ("mode", "float\naccuracy", "golden\naccuracy", "other answer\nthan float",
                 "golden != torch,\nwords", "binary layers,\nfloat32 bytes", "1-bit\nbytes",
                 "network,\nfloat32 bytes", "file\nbytes", "training,\ns"):
        result.add_column(head, justify="left" if head == "mode" else "right")
    for row in rows:
        result.add_row(
            row["mode"], f"{row['float_accuracy']:.2%}", f"{row['golden_accuracy']:.2%}",
            str(row["answers_different_from_float"]),
            f"{row['words_different_from_torch']} of {row['words_compared']:,}",
            *(f"{row[name]:,}" for name in ("binary_float_bytes", "binary_bytes", "float_bytes",
                                            "file_bytes")), f"{row['train_seconds']:.0f}")
    return result


def modes(text: str) -> list[str]:
    """The modes in the value of ``--modes``."""
    names = text.split(",")
    if wrong := [name for name in names if name not in NETWORK_MODES]:
        raise argparse.ArgumentTypeError(f"a mode must be one of {', '.join(NETWORK_MODES)}, "
                                         f"not {wrong[0]!r}")
    return names


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, metavar="OUT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modes", type=modes, default=list(NETWORK_MODES))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    task = TASKS[options.task]
    if options.out is not None:
        make_folder(options.out)
        check_writable(*(options.out / f"{task.name}-{mode}.eie" for mode in options.modes),
                       *(weights_file(task, mode, options.seed, options.out)
                         for mode in options.modes))
        for mode in options.modes:              # check all weights before any training
            ready(task, mode, options.seed, options.out)
    torch.set_num_threads(1)
    load = _LOADERS[options.task]
    train_set = tensors(task, *load(options.folder, "train"))
    test = load(options.folder, "test")
    rows = []
    for mode in options.modes:
        rows.append(measure(task, mode, train_set, test, options.seed, options.out))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps({"task": options.task, "rows": rows}))
    else:
        Console(width=140 if not sys.stdout.isatty() else None).print(table(rows))


if __name__ == "__main__":
    with one_line_errors():
        main()
