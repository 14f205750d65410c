# SPDX-License-Identifier: Apache-2.0
"""``openeie compress``: compress a float network to an artefact, by a recipe."""
import math
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..core.artefact.artefact import save
from ..core.errors import BudgetError, InputError, NumericWarning
from ..core.host.extras import need
from .common import AsJson, Quiet, emit
from .console import PlainConsole
from .outputs import check_writable, write_atomically
from .tables import compression_tables, plain_table, quantisation_table

if TYPE_CHECKING:
    from ..sw.compress.pipeline import Compressed

__all__ = ["command"]

#: A budget without % must be smaller: 0.5 more likely means 0.5 %.
_MOST_BARE = 0.2
#: Seconds between two lines on the epochs, without a terminal.
_SECONDS = 10

Network = Annotated[str, typer.Argument(
    metavar="MODULE:CLASS", help="mynet.py:Net, mypackage.nets:Net, or an .onnx file.")]
Data = Annotated[str, typer.Option(
    help="mnist:FOLDER, mnist-without-demo:FOLDER, cifar10:FOLDER, or an .npz with "
         "train_images, train_labels, test_images, test_labels, and perhaps held_out_images, "
         "held_out_labels.")]
RecipeFile = Annotated[str, typer.Option(
    "--recipe", metavar="R.toml", help="A file, or a recipe in the package: lenet-300-100, "
                                       "lenet-300-100-small, lenet-5, cifar.")]
Weights = Annotated[Path | None, typer.Option(
    help="Weights of the float network: .safetensors, a state_dict (.pt), or Caffe's in an .npz; "
         "without them, the recipe's [train] trains it.")]
Budget = Annotated[str | None, typer.Option(
    metavar="SHARE", help="Most additional images that the integer network may misclassify, as a "
                          "share of the held-out images: 0.5%.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all random choices.")]
OutFile = Annotated[Path, typer.Option(
    "-o", "--out", metavar="NET.eie", help="The artefact to write.")]
Folder = Annotated[Path | None, typer.Option(
    "--checkpoints", metavar="FOLDER", help="Keep the result of each step in this folder; a run "
                                            "that was stopped continues there.")]
HoldOut = Annotated[int | None, typer.Option(
    "--hold-out", metavar="N", help="Number of held-out training images, instead of the recipe's.")]
Device = Annotated[str, typer.Option(help="cpu, or cuda.")]


def command(network: Network, data: Data, recipe: RecipeFile, out: OutFile,
            weights: Weights = None, budget: Budget = None, seed: Seed = 0,
            checkpoints: Folder = None, hold_out: HoldOut = None, device: Device = "cpu",
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Train, prune, share and quantise a network of your own; report its errors and sizes."""
    need("train", "compress", "torch")
    if out.suffix != ".eie" or not out.parent.is_dir():
        raise InputError(f"--out must be an .eie file in a folder that exists, not {out}: the "
                         f"recipe as it is run is written to the same folder")

    best = out.with_suffix(".best.eie")
    check_writable(out, best, _recipe_file(out), _recipe_file(best))
    if Path(recipe).resolve() in {_recipe_file(one).resolve() for one in (out, best)}:
        raise InputError(f"the recipe as it is run would be written to {recipe}, next to the "
                         f"artefact: give yours another name, or --out another")
    share = None if budget is None else _share(budget)
    from ..sw.compress.pipeline import compress
    from ..sw.compress.recipe_file import read_recipe
    read = read_recipe(recipe)
    if hold_out is not None:
        if hold_out < 0:
            raise InputError(f"--hold-out must not be negative, not {hold_out}")
        read = read.resolved(data={"hold_out": hold_out})

    failure = None
    with _Progress(quiet=quiet or as_json) as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericWarning)       # printed below, in our own form
        try:
            result = compress(network, data, read, weights=weights, budget=share, seed=seed,
                              device=device, checkpoints=checkpoints, watch=watch)
        except BudgetError as error:
            result = cast("Compressed", error.best)
            older = f"; {out} is from an earlier run, and is unchanged" if out.exists() else ""
            out = best
            failure = BudgetError(f"{error}. The best network is in {out}{older}", result)

    files = _write(result, out)
    told = [*result.quantisation.warnings, *filter(None, [result.held_out_warning])]
    emit(files | result.to_dict() | {"warnings": told}, lambda: _tables(result, files),
         as_json=as_json, quiet=quiet, failure=failure)


def _share(text: str) -> float:
    """The value of ``0.5%`` or ``0.005``. Without %, 0.2 or more is taken for a mistake.

    Raises
    ------
    InputError : it is no share, or probably lacks its %.
    """
    match = re.fullmatch(r"((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?) ?(%?)",
                         text.strip())
    number = float(match[1]) if match else math.inf
    has_percent = match is not None and match[2] == "%"
    if not has_percent and _MOST_BARE <= number < math.inf:
        readings = _readings(number)
        advice = f"; write {', or '.join(readings)}" if readings else ""
        raise InputError(f"--budget must be a share below {_MOST_BARE} or have a %, such as 0.5% "
                         f"or 0.005, not {text!r}{advice}")

    value = number / 100 if has_percent else number
    if value > 1:
        raise InputError(f"--budget must be a share such as 0.5% or 0.005, not {text!r}")
    return value


def _readings(number: float) -> list[str]:
    """What a number without its % may have meant: that many percent, or that share."""
    readings = []
    if number <= 100:
        in_percent = f"{number:g}%"
        if number < 100 * _MOST_BARE:
            in_percent += f" or {number / 100:g}"
        readings.append(in_percent)
    if number <= 1:
        readings.append(f"{100 * number:g}%")
    return readings


def _recipe_file(out: Path) -> Path:
    """Path of the recipe as it was run, in the folder of the artefact."""
    return out.with_suffix(".recipe.toml")


def _write(result: "Compressed", out: Path) -> dict[str, str]:
    """Write the artefact and the recipe as it was run; returns their paths."""
    from ..sw.compress.recipe_file import dump_recipe
    recipe_file = _recipe_file(out)
    save(result.network, out)
    chosen = "".join(f"# chosen: {key} = {by_layer}\n"
                     for key, by_layer in _chosen(result).items())
    write_atomically(recipe_file, (dump_recipe(result.recipe) + chosen).encode())
    return {"artefact": str(out), "recipe_file": str(recipe_file)}


def _chosen(result: "Compressed") -> dict[str, str]:
    """The values that the pipeline chose for each layer, as TOML tables with four digits."""
    chosen = {}
    for key, by_layer in result.chosen.items():
        values = ", ".join(f'"{name}" = {value:.4g}' for name, value in by_layer.items())
        chosen[key] = "{" + values + "}"
    return chosen


def _tables(result: "Compressed", files: dict[str, str]) -> list:
    """Errors after each stage, sizes, quantisation errors, and what was chosen and written."""
    stages = list(result.errors)
    table = plain_table("errors", "misclassified", *stages, left=("misclassified",))
    for name, errors in (("of the held-out images", result.held_out_errors),
                         ("of the test set", result.errors)):
        if errors:
            table.add_row(name, *(f"{errors[stage]:.2%}" for stage in stages))

    lines = [f"{name.replace('_', ' ')}: {path}" for name, path in files.items()]
    lines += [f"chosen: {key} = {by_layer}" for key, by_layer in _chosen(result).items()]
    if result.budget is not None and result.excess is not None:
        lines.append(f"budget: {result.budget:.2%} more errors on the held-out images; used: "
                     f"{result.excess:+.2%}")
    return [table, *compression_tables(result.contents), quantisation_table(result.quantisation),
            *lines]


class _Progress:
    """Shows progress on stderr: a line for each step, and on a terminal a bar."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = PlainConsole(stderr=True, highlight=False)
        self._bar = Progress(TextColumn("{task.description}", markup=False), BarColumn(),
                             TimeElapsedColumn(), console=self._console, transient=True,
                             disable=quiet or not self._console.is_terminal)
        self._task: Any = None
        self._title = ""
        self._told = time.monotonic()

    def __enter__(self) -> "_Progress":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def step(self, number: int, total: int, name: str) -> None:
        """Called when a step begins."""
        self._title = f"[{number}/{total}] {name:<9}"
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(self._title, total=None)

    def epoch(self, done: int, total: int, loss: float) -> None:
        """Called at the end of an epoch."""
        self._bar.update(self._task, completed=done, total=total,
                         description=f"{self._title}  loss {loss:.4f}")
        if not self._console.is_terminal and time.monotonic() - self._told > _SECONDS:
            self._print(f"{self._title}  epoch {done}/{total}  loss {loss:.4f}")

    def finished(self, facts: dict) -> None:
        """Called at the end of a step."""
        self._print(f"{self._title}{_told(facts)}")

    def _print(self, line: str) -> None:
        self._told = time.monotonic()
        if not self._quiet:
            self._console.print(line, soft_wrap=True)


def _told(facts: dict) -> str:
    """The results of a step as one line."""
    parts = []
    if facts.get("loss") is not None:
        parts.append(f"loss {facts['loss']:.4f}")
    for split in ("held_out", "test"):
        if facts.get(f"{split}_error") is not None:
            parts.append(f"{split.replace('_', '-')} accuracy {1 - facts[f'{split}_error']:.2%}")
    if "kept" in facts:
        parts.append(f"{facts['kept']:,} of {facts['weights']:,} weights")
    if "bits" in facts:
        parts.append("bits " + ", ".join(f"{name} {bits}"
                                         for name, bits in facts["bits"].items()))
    if "estimated_bytes" in facts:
        parts.append(f"about {facts['estimated_bytes']:,} bytes")
    if "bytes" in facts:
        parts.append(f"{facts['bytes']:,} bytes without provenance")
    return "".join(f"  {part}" for part in parts)
