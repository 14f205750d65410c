# SPDX-License-Identifier: Apache-2.0
"""What a compression checks before any work, and what its result follows from."""
import difflib
import platform
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch import nn

from ...core.errors import InputError
from ..float_graph import FloatGraph
from ..quantise_graph import check_graph
from ..quantise_options import QuantiseOptions
from .checkpoint import digest
from .dataset import Dataset
from .prune import weighted_layers
from .recipe import Recipe
from .source import Source, structure_digest

__all__ = ["check_options", "check_pictures", "check_network", "identity", "versions"]


def check_options(recipe: Recipe, source: Source, budget: Any, seed: Any, device: Any,
                  teacher: Any) -> None:
    """Refuse options out of range, and a network without weights or training.

    Raises
    ------
    InputError
    """
    if not isinstance(seed, int) or not 0 <= seed < 1 << 63:
        raise InputError(f"seed must be an integer in 0 .. 2**63 - 1, not {seed!r}")
    if budget is not None and not (isinstance(budget, (int, float)) and 0 <= budget <= 1):
        raise InputError(f"budget must be a share in 0 .. 1, not {budget!r}")
    if device not in ("cpu", "cuda"):
        raise InputError(f"device must be cpu or cuda, not {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device must be cpu, not 'cuda': torch finds no CUDA device")
    if teacher is not None and not isinstance(teacher, nn.Module):
        raise InputError(f"teacher must be a torch.nn.Module, not {type(teacher).__name__}")
    if teacher is not None and recipe.distill is None:
        raise InputError("a teacher needs a section [distill] in the recipe")
    if not source.has_weights and recipe.train is None:
        raise InputError(f"{source.title} has no weights: give a file of them, or a section "
                         f"[train] in the recipe")


def check_pictures(recipe: Recipe, budget: float | None, count: int) -> None:
    """Refuse decisions without pictures or a budget to decide by, and too few pictures.

    Raises
    ------
    InputError
    """
    if recipe.decides and budget is None:
        raise InputError("a recipe with \"auto\" needs a budget: the error that compression may "
                         "cost, e.g. --budget 0.5%")
    if budget is not None and not recipe.data.hold_out:
        raise InputError("a budget is kept on held-out pictures, and there are none: set "
                         "data.hold_out in the recipe, or give --hold-out N")
    prune = recipe.prune
    for key, training in (("train", recipe.train), ("prune.between", prune and prune.between),
                          ("retrain", recipe.retrain), ("centroids", recipe.centroids)):
        if training is not None and training.batch > count:
            raise InputError(f"{key}.batch must be at most the {count} pictures to train with, "
                             f"not {training.batch}")


def check_network(source: Source, recipe: Recipe, data: Dataset) -> FloatGraph:
    """The graph of the network as it starts.

    Raises
    ------
    InputError : pictures of another shape than it takes; weights that are not finite; what the
        importer or an array cannot do, all at once; labels that are no output; numbers out of
        range; layers in the recipe that it has not.
    """
    module = source.module().eval()
    example = data.floats(data.train[0][:2])
    outputs = _run(source, module, example, data)
    most = max(int(labels.max()) for _, labels in (data.train, data.test))
    if most >= outputs:
        raise InputError(f"labels of data {data.name} must be in 0 .. {outputs - 1}, for the "
                         f"{outputs} outputs of {source.title}, not {most}")
    graph = source.graph(module, example)
    check_graph(graph)
    QuantiseOptions(input_range=data.input_range, input_scale=data.scale,
                    act_width=recipe.quantise.act_width, acc_width=recipe.quantise.acc_width,
                    encoding=recipe.encoding)
    layers = weighted_layers(module)
    computed = [name for name, layer in layers.items() if "weight" not in layer._parameters]
    if computed:
        raise InputError(f"weights of {source.title} must be plain parameters, not computed from "
                         f"others, to be pruned: {', '.join(computed)}")
    _check_layers(recipe, list(layers),
                  [node.name for node in graph.nodes if node.weight is not None])
    return graph


def _run(source: Source, module: nn.Module, example: np.ndarray, data: Dataset) -> int:
    """Outputs of the module on a picture."""
    shape = list(data.shape)
    try:
        with torch.no_grad():
            outputs = module(torch.from_numpy(np.repeat(example[:1], 2, axis=0)))
    except Exception as error:          # whatever the module's own code raises
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{source.title} must run on pictures of shape {shape} as data "
                         f"{data.name} has them, but raises {type(error).__name__}: {reason}; "
                         f"data.shape in the recipe gives them another shape") from error
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != 2:
        found = list(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise InputError(f"{source.title} must return one tensor [batch, classes], not {found} of "
                         f"a batch of 2")
    return outputs.shape[1]


def _check_layers(recipe: Recipe, pruned: list[str], shared: list[str]) -> None:
    """Refuses names in the recipe that no layer has."""
    problems = []
    for key, given, known in (
            ("prune.keep", recipe.prune and recipe.prune.keep, pruned),
            ("share.slots", recipe.share and recipe.share.slots, shared),
            ("share.bits", recipe.share and recipe.share.bits, shared)):
        for name in given if isinstance(given, dict) else ():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                problems.append(f"{key}.{name} is no layer; "
                                + (f"did you mean {near[0]}? " if near else "")
                                + f"the layers are {', '.join(known)}")
    if problems:
        count = f"{len(problems)} layers are" if len(problems) > 1 else "a layer is"
        raise InputError("\n  ".join([f"recipe: {count} wrong:", *problems]))


def identity(source: Source, graph: FloatGraph, recipe: Recipe, data: Dataset, *, seed: int,
             device: str, budget: float | None, teacher: nn.Module | None) -> dict[str, Any]:
    """Everything that a run's result follows from, as JSON values."""
    return {"recipe": recipe.model_dump(mode="json", exclude_none=True),
            "network": structure_digest(graph), "weights": source.weights_digest,
            "data": data.digest, "seed": seed, "device": device,
            "budget": budget if recipe.decides else None,
            "teacher": "" if teacher is None else digest(teacher.state_dict()),
            "versions": versions()}


def versions() -> dict[str, str]:
    """Of the tools that a result depends on."""
    try:
        ours = metadata.version("openeie")
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        ours = "unknown"
    return {"python": platform.python_version(), "numpy": np.__version__,
            "torch": torch.__version__, "openeie": ours}


