# SPDX-License-Identifier: Apache-2.0
"""OpenEIE: a compressed network, a cycle count that equals the hardware's, and the hardware.

>>> import openeie
>>> model = openeie.load(openeie.shipped("lenet-300-100"))
>>> model.inputs, model.outputs
(784, 10)
"""
from os import PathLike as _PathLike
from typing import TYPE_CHECKING as _TYPE_CHECKING

from .core.version import VERSION as _VERSION

if _TYPE_CHECKING:
    from .core.array.config import PRESETS, ArrayConfig, preset
    from .core.array.counters import COUNTERS
    from .core.artefact.artefact import load, save
    from .core.artefact.inspect import Contents, inspect
    from .core.compile.balance import balanced
    from .core.compile.automatic import compile_for as compile
    from .core.compile.program import Program
    from .core.errors import (ArrayFault, ArtefactError, BudgetError, CapacityError, ConfigError,
                              EncodingError, InputError, LinkError, Mismatch, NumericWarning,
                              OpenEIEError, ToolError, UntrustedError)
    from .core.golden import column_rates
    from .core.host.table import Table
    from .core.network.array_order import to_array_order
    from .core.network.graph import (INPUT, Add, Conv, Depthwise, Linear, Network, Pool, SignConv,
                                     SignLinear)
    from .core.network.window import Window
    from .core.numbers.signs import SignMatrix
    from .core.numbers.sparse import SparseWeights
    from .core.run import LayerRun, Run
    from .sim.study.energy import Energy, energy
    from .sim.study.workload import LayerTime, Workload
    from .sim.verify import Verdict
    from .sim.views.summary import Summary, summarise
    from .sw.compress.pipeline import Compressed
    from .sw.compress.recipe import Recipe
    from .sw.compress.run_context import Watcher
    from .sw.data.labelled import Dataset
    from .sw.networks.shipped import shipped
    from .sw.quantise.report import QuantiseReport

__version__ = _VERSION

__all__ = [
    # What one does.
    "load", "save", "shipped", "inspect", "compress", "quantise", "balanced", "compile",
    "simulate", "verify", "summarise", "energy", "to_array_order",
    # Networks and their layers.
    "Network", "INPUT", "Linear", "Conv", "Pool", "Depthwise", "Add", "SignLinear",
    "SignConv", "Window", "SparseWeights", "SignMatrix",
    # Arrays, and what ran on them.
    "ArrayConfig", "PRESETS", "preset", "COUNTERS", "Program", "Run", "LayerRun", "Table",
    "Verdict", "Summary", "Contents", "Workload", "LayerTime", "Energy", "column_rates",
    # Compression.
    "Recipe", "Dataset", "Compressed", "Watcher", "QuantiseReport",
    # What can go wrong.
    "OpenEIEError", "ConfigError", "InputError", "UntrustedError", "BudgetError",
    "EncodingError", "CapacityError", "ArtefactError", "ToolError", "ArrayFault", "LinkError",
    "Mismatch", "NumericWarning"]

#: Every other public name, and its module. They load when they are asked for: ``openeie --help``
#: needs none of them, and numpy, torch and Amaranth take their time.
_LATER = {
    "ArrayConfig": "core.array.config", "PRESETS": "core.array.config",
    "preset": "core.array.config", "COUNTERS": "core.array.counters",
    "load": "core.artefact.artefact", "save": "core.artefact.artefact",
    "Contents": "core.artefact.inspect", "inspect": "core.artefact.inspect",
    "balanced": "core.compile.balance", "compile": "core.compile.automatic",
    "Program": "core.compile.program",
    "ArrayFault": "core.errors", "ArtefactError": "core.errors", "BudgetError": "core.errors",
    "CapacityError": "core.errors", "ConfigError": "core.errors", "EncodingError": "core.errors",
    "InputError": "core.errors", "LinkError": "core.errors", "Mismatch": "core.errors",
    "NumericWarning": "core.errors", "OpenEIEError": "core.errors", "ToolError": "core.errors",
    "UntrustedError": "core.errors",
    "column_rates": "core.golden", "Table": "core.host.table",
    "to_array_order": "core.network.array_order",
    "Add": "core.network.graph", "Conv": "core.network.graph", "Depthwise": "core.network.graph",
    "INPUT": "core.network.graph", "Linear": "core.network.graph",
    "Network": "core.network.graph", "Pool": "core.network.graph",
    "SignConv": "core.network.graph", "SignLinear": "core.network.graph",
    "Window": "core.network.window", "SignMatrix": "core.numbers.signs",
    "SparseWeights": "core.numbers.sparse", "LayerRun": "core.run", "Run": "core.run",
    "Energy": "sim.study.energy", "energy": "sim.study.energy",
    "LayerTime": "sim.study.workload", "Workload": "sim.study.workload",
    "Verdict": "sim.verify", "Summary": "sim.views.summary", "summarise": "sim.views.summary",
    "Compressed": "sw.compress.pipeline", "Recipe": "sw.compress.recipe",
    "Watcher": "sw.compress.run_context", "Dataset": "sw.data.labelled",
    "shipped": "sw.networks.shipped", "QuantiseReport": "sw.quantise.report"}

#: Those of them whose modules call them otherwise.
_CALLED = {"compile": "compile_for"}

#: Those of them whose modules cannot load without torch.
_TRAINING = ("Compressed", "Recipe", "Watcher")


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module
    if name in _TRAINING:
        from .core.host.extras import need
        need("train", f"openeie.{name}", "torch")
    module = import_module(f"{__name__}.{_LATER[name]}")
    found = globals()[name] = getattr(module, _CALLED.get(name, name))
    return found


def __dir__() -> list[str]:
    """The public names, without those that an extra has to bring first."""
    from .core.host.extras import is_installed
    hidden = () if is_installed("torch") else _TRAINING
    basics = [name for name in globals() if name.startswith("__")]
    return sorted({*basics, *__all__} - {*hidden})


def compress(network, data, recipe, *, weights=None, budget: float | None = None, seed: int = 0,
             device: str = "cpu", checkpoints=None, teacher=None, watch=None) -> "Compressed":
    """Train if need be, prune, share, quantise and measure a network; needs the extra ``train``.

    Parameters
    ----------
    network : a live ``torch.nn.Module``, which is copied; a class or function that makes one;
        ``FILE.py:CLASS`` or ``MODULE:CLASS``; or the path of an ONNX file (extra ``onnx``).
    data : a :class:`Dataset`; ``mnist:FOLDER``, ``mnist-without-demo:FOLDER``,
        ``cifar10:FOLDER`` or an ``.npz`` file; or a mapping with ``train_images``,
        ``train_labels``, ``test_images`` and ``test_labels``.
    recipe : a :class:`Recipe`; a mapping of its fields; a TOML file; or the name of a recipe that
        comes with the package. ``docs/compress.md`` has every key.
    weights : file with the network's weights, ``.safetensors``, a ``state_dict`` or ``.npz``.
    budget : the most by which the integer network's error on the held-out pictures may exceed
        the float network's, as a share.
    seed : of every random choice; on the CPU the same seed gives the same bytes.
    device : of training, ``"cpu"`` or ``"cuda"``.
    checkpoints : folder for each step's result, from which a run that was stopped goes on.
    teacher : a module for distillation, instead of the float network itself.
    watch : told how it goes on, see :class:`openeie.sw.compress.run_context.Watcher`.

    Raises
    ------
    InputError : whatever cannot work, as far as possible all at once and before any work.
    BudgetError : the budget is not met; its ``best`` is the :class:`Compressed`.
    ToolError : an extra that is needed is not installed.
    """
    from .core.host.extras import need
    need("train", "compress", "torch")
    from .sw.compress.pipeline import compress as run
    return run(network, data, recipe, weights=weights, budget=budget, seed=seed, device=device,
               checkpoints=checkpoints, teacher=teacher, watch=watch)


def quantise(source, calibration, *, input_range: tuple[int, int], input_scale: float = 1.0,
             act_width: int = 16, acc_width: int = 48, report=None) -> "Network":
    """The integer network of a trained float network; needs the extra ``train``.

    Parameters
    ----------
    source : a live ``torch.nn.Module``, which is traced in eval mode and left as it was; the path
        of an ONNX file (extra ``onnx``); or a graph of :mod:`openeie.sw.importers`.
    calibration : float inputs like those the network will see, [batch, channels, height, width]
        or [batch, length]; activations are scaled by what they reach on these.
    input_range : smallest and largest integer input, e.g. (0, 255) for pixels.
    input_scale : what one unit of an integer input is worth to ``source``, e.g. 1 / 255.
    act_width, acc_width : bits of the array's activations and accumulators.
    report : a function that is given a :class:`openeie.sw.quantise.report.QuantiseReport` of each
        layer's error on calibration inputs; ``print`` shows it as a table.

    Returns
    -------
    A network that takes integers [batch, n]; of maps in (row, column, channel) order.

    Warns
    -----
    NumericWarning : naming layer and channel, where much is lost; ``docs/numerics.md`` has the
        thresholds.

    Raises
    ------
    InputError : what is not supported, all at once; an option out of range; calibration inputs of
        another shape than the network takes, or outside ``input_range`` times ``input_scale``.
    ToolError : an extra that is needed is not installed.
    """
    from .sw.importers.source import as_graph
    from .sw.quantise.options import QuantiseOptions
    options = QuantiseOptions(input_range=input_range, input_scale=input_scale,
                              act_width=act_width, acc_width=acc_width)
    inputs = options.calibration(calibration)
    graph = as_graph(source, inputs)
    from .sw.quantise.quantise import quantise_graph
    return quantise_graph(graph, inputs, report=report, **vars(options))


def _program(model, config, vectors: int, encoding: str | None, balance: bool | None, *,
             linear: str) -> "Program":
    """Compiled for ``config``; None: for the default array, ``linear`` if its layers are such."""
    from .core.artefact.artefact import load
    from .core.compile.automatic import compile_for
    from .core.compile.program import Program
    from .core.defaults import default_preset
    if isinstance(model, Program):
        return model
    if isinstance(model, (str, _PathLike)):
        model = load(model)
    if config is None:
        config = default_preset(model, linear=linear)
    return compile_for(model, config, vectors=vectors, encoding=encoding, balance=balance)


def simulate(model, x, *, config: "str | ArrayConfig | None" = None, engine: str = "fast",
             vectors: int = 1, encoding: str | None = None, balance: bool | None = None,
             **options) -> "Run":
    """Run inputs through one engine.

    Parameters
    ----------
    model : a :class:`Network`, the path of an artefact, or a :class:`Program` (then ``config``,
        ``vectors``, ``encoding`` and ``balance`` do not apply).
    x : integers [batch, n]; see :meth:`Network.check_inputs`.
    config : a preset's name, whose run the compiler may widen, or an :class:`ArrayConfig`, which is
        taken as it is; None, as on the command line: ``"EIE64"``, ``"NET16"`` for a network with
        more than linear layers, or no array at all for a binary network, which the engine
        ``"golden"`` alone runs.
    engine : ``"golden"`` (values), ``"fast"`` or ``"rtl"`` (values, cycles, counters).
    vectors : inputs of one start; the batch must be a multiple. One input a start gives the
        latency, many the throughput.
    encoding : of every layer, instead of the layers' own.
    balance : order the channels inside the network so that the PEs have similar loads; None:
        unless it then does not fit. All outputs are as without it, those of inner layers, too,
        unless ``model`` is a :class:`Program`: then theirs are in its order.
    options : ``jobs`` of ``fast``; ``trace`` and ``seed`` of ``rtl``.

    Raises
    ------
    OpenEIEError : one of its kinds, saying what is wrong.

    Warns
    -----
    NumericWarning : more than one in 10,000 of a layer's outputs saturated; ``Run.warnings``
        has the same lines.
    """
    from .core.artefact.artefact import load
    from .core.compile.given_order import in_given_order
    from .core.golden import run as run_golden
    from .core.network.graph import Network, beyond_arrays
    from .sim.engines import simulate as execute
    if isinstance(model, (str, _PathLike)):
        model = load(model)
    if engine == "golden" and config is None and isinstance(model, Network) \
            and beyond_arrays(model):
        return _told(run_golden(model, x))
    program = _program(model, config, vectors, encoding, balance, linear="EIE64")
    run = execute(program, x, engine, **options)
    return _told(run if program is model else in_given_order(program, run))


def _told(run: "Run") -> "Run":
    """The run, after a Python warning for each of its own."""
    from warnings import warn

    from .core.errors import NumericWarning
    for line in run.warnings:
        warn(line, NumericWarning, stacklevel=3)
    return run


def verify(model, x, *, config: "str | ArrayConfig | None" = None, vectors: int = 1,
           encoding: str | None = None, balance: bool | None = None,
           engines: tuple[str, ...] = ("golden", "fast", "rtl")):
    """Run inputs through several engines and compare every word, cycle and counter.

    Parameters
    ----------
    model, x, vectors, encoding, balance : as for :func:`simulate`.
    config : a preset's name or an :class:`ArrayConfig`; None, as on the command line: ``"EIE16"``,
        or ``"NET16"`` for a network with more than linear layers.
    engines : two or more; ``"rtl"`` compiles the array's gateware, which takes a C++ compiler.

    Returns
    -------
    A :class:`openeie.sim.verify.Verdict`: how much was compared.

    Raises
    ------
    Mismatch : naming the first difference.
    """
    from .sim.verify import verify as compare
    return compare(_program(model, config, vectors, encoding, balance, linear="EIE16"), x,
                   engines=engines)
