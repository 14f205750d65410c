# SPDX-License-Identifier: Apache-2.0
"""Checks of a compression before any work, and the identity of a run for its checkpoints."""
import copy
import platform
import re
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch import nn

from ...core.errors import InputError, did_you_mean
from ..data.labelled import Dataset
from ..float.graph import FloatGraph
from ..float.plain_weights import ADVICE, check_real, copied
from ..quantise.options import QuantiseOptions
from ..quantise.quantise import check_graph
from .checkpoint import digest
from .graph_module import GraphModule
from .methods.prune import weighted_layers
from .prunable import check_prunable
from .recipe import Augmentation, Recipe, Training
from .source import Source, code_digest, structure_digest

__all__ = ["check_options", "check_images", "check_network", "identity", "versions"]


def check_options(recipe: Recipe, source: Source, budget: Any, device: Any, teacher: Any) -> None:
    """Refuse options out of range, and a network with both weights and training, or with neither.

    Raises
    ------
    InputError
    """
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, (int, float))
                               or not 0 <= budget <= 1):
        raise InputError(f"budget must be a share in 0 .. 1, not {budget!r}")
    if device not in ("cpu", "cuda"):
        raise InputError(f"device must be cpu or cuda, not {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device must be cpu, not 'cuda': torch finds no CUDA device")
    if teacher is not None and not isinstance(teacher, nn.Module):
        raise InputError(f"teacher must be a torch.nn.Module, not {type(teacher).__name__}")
    if teacher is not None and recipe.distill is None:
        raise InputError("a teacher needs a section [distill] in the recipe")
    if recipe.distill is not None and teacher is None and not recipe.trains_compressed:
        raise InputError("a section [distill] for [train] alone needs a teacher; for the float "
                         "network to be the teacher, add [retrain], [centroids] or prune.between")
    if source.has_weights and recipe.train is not None:
        raise InputError(f"{source.title} has its weights already: leave out the section [train], "
                         f"or {'the weights' if source.weights else 'give its class'}")
    if not source.has_weights and recipe.train is None:
        raise InputError(f"{source.title} has no weights: give a file of them, or a section "
                         f"[train] in the recipe")


def check_images(recipe: Recipe, budget: float | None, count: int) -> None:
    """Refuse ``"auto"`` without a budget, a budget without held-out images, and too few images.

    Parameters
    ----------
    count : number of images to train with.

    Raises
    ------
    InputError
    """
    if recipe.decides and budget is None:
        raise InputError("a recipe with \"auto\" needs a budget: the error that compression may "
                         "cost, e.g. --budget 0.5%")
    if budget is not None and not recipe.data.hold_out:
        raise InputError("a budget is kept on held-out images, and there are none: set "
                         "data.hold_out in the recipe, or give --hold-out N")
    trainings = {"train": recipe.train, "prune.between": _between(recipe),
                 "retrain": recipe.retrain, "centroids": recipe.centroids}
    for key, training in trainings.items():
        if training is not None and training.batch > count:
            raise InputError(f"{key}.batch must be at most the {count} images to train with, "
                             f"not {training.batch}")


def _between(recipe: Recipe) -> Training | None:
    return None if recipe.prune is None else recipe.prune.between


def check_network(source: Source, recipe: Recipe, data: Dataset,
                  teacher: nn.Module | None = None) -> FloatGraph:
    """The graph of the network before compression, if all of it can be compressed.

    Raises
    ------
    InputError : images of another shape than the network takes, in eval mode or in training;
        weights that are not finite, or that two layers have in common; operators that the
        importer or an array does not support, listed at once; labels beyond the outputs; numbers
        out of range; layers in the recipe that do not exist; layers that cannot be pruned;
        augmentation of images that are no maps; a teacher with other outputs.
    """
    module = source.module().eval()
    _check_tied(source.title, module)
    if teacher is not None:
        check_real(teacher)
    example = data.floats(data.train[0][:2])
    two = np.repeat(example[:1], 2, axis=0)
    outputs = _run(source.title, module, two, data)
    most = max(int(labels.max()) for _, labels in data.splits.values())
    if most >= outputs:
        raise InputError(f"labels of data {data.name} must be in 0 .. {outputs - 1}, for the "
                         f"{outputs} outputs of {source.title}, not {most}")
    _check_training(source, recipe, module, data, outputs)
    if teacher is not None:
        answers = _run("teacher", copied(teacher).cpu().eval(), two, data)
        if answers != outputs:
            raise InputError(f"teacher must have the {outputs} outputs of {source.title}, "
                             f"not {answers}")
    graph = source.graph(module, example)
    check_graph(graph)
    if recipe.share is not None:
        GraphModule(graph)              # refuses layers of certain names
    QuantiseOptions(input_range=data.input_range, input_scale=data.scale,
                    act_width=recipe.quantise.act_width, acc_width=recipe.quantise.acc_width,
                    encoding=recipe.encoding)
    _check_layers(source, recipe, module, graph)
    if recipe.prune is not None:
        keep = recipe.prune.keep
        check_prunable(source, module, two, keep if isinstance(keep, dict) else None)
    return graph


def _check_layers(source: Source, recipe: Recipe, module: nn.Module, graph: FloatGraph) -> None:
    """Refuse weights that are no parameters, and names in the recipe that no layer has."""
    layers = weighted_layers(module)
    computed = [name for name, layer in layers.items() if "weight" not in layer._parameters]
    if computed:
        raise InputError(f"weights of {source.title} must be plain parameters, not computed from "
                         f"others, to be pruned: {', '.join(computed)}; {ADVICE}")
    problems = []
    if recipe.prune is not None:
        problems += _unknown_layers("prune.keep", recipe.prune.keep, list(layers))
    if recipe.share is not None:
        shared = [node.name for node in graph.nodes if node.weight is not None]
        problems += _unknown_layers("share.slots", recipe.share.slots, shared)
        problems += _unknown_layers("share.bits", recipe.share.bits, shared)
    if problems:
        count = f"{len(problems)} layers are" if len(problems) > 1 else "a layer is"
        raise InputError("\n  ".join([f"recipe: {count} wrong:", *problems]))


def _unknown_layers(key: str, given: Any, known: list[str]) -> list[str]:
    """Messages about layers in a table of the recipe that do not exist."""
    names = given if isinstance(given, dict) else ()
    return [f"{key}.{name} is no layer; {did_you_mean(name, known)}"
            f"the layers are {', '.join(known)}" for name in names if name not in known]


def _run(title: str, module: nn.Module, images: np.ndarray, data: Dataset,
         advice: str = "data.shape in the recipe gives them another shape") -> int:
    """Number of outputs of the module on images float32 [batch, ...]; refuses a module that does
    not run, or returns anything but one vector per image."""
    mode = " while it is trained" if module.training else ""
    try:
        with torch.no_grad():
            outputs = module(torch.from_numpy(images))
    except (Exception, SystemExit) as error:        # whatever the module's own code raises
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{title} must run{mode} on images of shape {list(data.shape)} as data "
                         f"{data.name} has them, but raises {type(error).__name__}: {reason}; "
                         f"{advice}") from error
    found: Any = type(outputs).__name__
    if isinstance(outputs, torch.Tensor):
        if outputs.ndim == 2 and len(outputs) == len(images):
            return outputs.shape[1]
        found = list(outputs.shape)
    raise InputError(f"{title} must return{mode} one tensor [batch, classes], not {found} of a "
                     f"batch of {len(images)}")


def _check_training(source: Source, recipe: Recipe, module: nn.Module, data: Dataset,
                    outputs: int) -> None:
    """Refuse a module that does not run in training mode on the smallest batch that it will see,
    or then has other outputs. Training of centroids is not checked: it uses the graph, which runs
    as in eval mode."""
    if recipe.data.augment is not None:
        _check_augmented(recipe.data.augment, data)
    trainings = {"train": None if source.has_weights else recipe.train,
                 "prune.between": _between(recipe), "retrain": recipe.retrain}
    batches = {key: training.batch for key, training in trainings.items() if training is not None}
    if not batches:
        return
    key = min(batches, key=lambda one: batches[one])
    if not any(one.requires_grad for one in module.parameters()):
        raise InputError(f"{source.title} has no parameter to train: leave out the section {key}")
    trained = copy.deepcopy(module).train()
    found = _run(source.title, trained, data.floats(data.train[0][:batches[key]]), data,
                 f"{key}.batch in the recipe is {batches[key]}")
    if found != outputs:
        raise InputError(f"{source.title} must have the same outputs while it is trained, "
                         f"{outputs}, not {found}")


def _check_augmented(augment: Augmentation, data: Dataset) -> None:
    """Refuse images that cannot be augmented."""
    image = torch.from_numpy(data.floats(data.train[0][:1]))
    try:
        augment.affine(image, torch.Generator())
    except InputError as error:
        raise InputError(f"data.augment: {error}; data.shape in the recipe gives them another "
                         f"shape") from error


def _check_tied(title: str, module: nn.Module) -> None:
    """Refuse weights that belong to several layers: each step treats layers independently."""
    places: dict[object, list[str]] = {}
    for name, one in module.named_parameters(remove_duplicate=False):
        places.setdefault(one.data_ptr() or id(one), []).append(name)
    tied = [" = ".join(names) for names in places.values() if len(names) > 1]
    if tied:
        raise InputError(f"every weight of {title} must belong to one layer, to be pruned and "
                         f"shared there; these are the same tensor: {', '.join(tied)}")


def identity(source: Source, graph: FloatGraph, data: Dataset, *, seed: int, device: str,
             teacher: nn.Module | None) -> dict[str, Any]:
    """Everything except the recipe that a run's result depends on, as JSON values.

    A module is identified by its graph, the code of its classes, its printed form, its plain
    attributes, and its initial weights for this seed.
    """
    torch.manual_seed(seed)                 # as at the beginning of the first step
    module = source.make()
    weights_name = "" if source.weights is None else source.weights.name
    taught_by = "" if teacher is None else _teacher_digest(teacher)
    return {"network": structure_digest(graph), "module": digest({}, _description(module)),
            "code": code_digest(source.make, module), "weights": source.weights_digest(module),
            "data": data.digest, "source": source.title, "data_name": data.name,
            "weights_name": weights_name, "seed": seed, "device": device, "teacher": taught_by,
            "versions": versions()}


def _description(module: nn.Module) -> str:
    """The printed form of a module, without addresses, and the plain attributes of its parts."""
    printed = re.sub(r"\b0x[0-9a-fA-F]+", "", repr(module))
    plain = {}
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if key != "training" and isinstance(value, (bool, int, float, str)):
                plain[f"{name}.{key}"] = value
    return printed + repr(sorted(plain.items()))


def _teacher_digest(teacher: nn.Module) -> str:
    """SHA-256 of a teacher's weights and buffers, its code and its description, hex."""
    tensors = dict(teacher.named_buffers()) | teacher.state_dict()
    return digest(tensors, code_digest(None, teacher) + _description(teacher))


def versions() -> dict[str, str]:
    """Versions of the tools that a result depends on."""
    try:
        ours = metadata.version("openeie")
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        ours = "unknown"
    return {"python": platform.python_version(), "numpy": np.__version__,
            "torch": torch.__version__, "openeie": ours}


