# SPDX-License-Identifier: Apache-2.0
"""``openeie compress``: a float network through a recipe to an artefact."""
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

_MOST_BARE = 0.2                # a budget without %, above which it is asked for
_SECONDS = 10                   # between two lines on an epoch, where there is no terminal

Network = Annotated[str, typer.Argument(
    metavar="MODULE:CLASS", help="mynet.py:Net, mypackage.nets:Net, or an .onnx file.")]
Data = Annotated[str, typer.Option(
    help="mnist:FOLDER, mnist-without-demo:FOLDER, cifar10:FOLDER, or an .npz with "
         "train_images, train_labels, test_images, test_labels, and perhaps held_out_images, "
         "held_out_labels.")]
RecipeFile = Annotated[str, typer.Option(
    "--recipe", metavar="R.toml", help="A file, or a recipe that comes with the package: "
                                       "lenet-300-100, lenet-300-100-small, lenet-5, cifar.")]
Weights = Annotated[Path | None, typer.Option(
    help="The float network's: .safetensors, a state_dict (.pt), or Caffe's in an .npz; without "
         "it the recipe's [train] makes them.")]
Budget = Annotated[str | None, typer.Option(
    metavar="SHARE", help="The most that the integer network may misread more than the float one, "
                          "of the held-out pictures: 0.5%.")]
Seed = Annotated[int, typer.Option("--seed", help="What random choices start from.")]
OutFile = Annotated[Path, typer.Option("-o", "--out", metavar="NET.eie", help="The artefact.")]
Folder = Annotated[Path | None, typer.Option(
    "--checkpoints", metavar="FOLDER", help="Keep each step's result there; a run that was stopped "
                                            "goes on there.")]
HoldOut = Annotated[int | None, typer.Option(
    "--hold-out", metavar="N", help="Held-out training pictures, instead of the recipe's.")]
Device = Annotated[str, typer.Option(help="cpu, or cuda.")]


def command(network: Network, data: Data, recipe: RecipeFile, out: OutFile,
            weights: Weights = None, budget: Budget = None, seed: Seed = 0,
            checkpoints: Folder = None, hold_out: HoldOut = None, device: Device = "cpu",
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Train, prune, share and quantise a network of your own; report what it costs and saves."""
    need("train", "compress", "torch")
    if out.suffix != ".eie" or not out.parent.is_dir():
        raise InputError(f"--out must be a file .eie in a folder that exists, not {out}: the "
                         f"recipe as it is run is written beside it")
    best = out.with_suffix(".best.eie")
    check_writable(out, best, _recipe_file(out), _recipe_file(best))
    if Path(recipe).resolve() in {_recipe_file(one).resolve() for one in (out, best)}:
        raise InputError(f"the recipe as it is run is written beside the artefact, to {recipe}: "
                         f"give yours another name, or --out another")
    share = None if budget is None else _share(budget)
    from ..sw.compress.pipeline import compress
    from ..sw.compress.recipe_file import read_recipe
    read = read_recipe(recipe)
    if hold_out is not None:
        if hold_out < 0:
            raise InputError(f"--hold-out must not be negative, not {hold_out}")
        read = read.resolved(data={"hold_out": hold_out})
    failure = None
    with _Lines(quiet=quiet or as_json) as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericWarning)       # shown below, without Python's line
        try:
            result = compress(network, data, read, weights=weights, budget=share, seed=seed,
                              device=device, checkpoints=checkpoints, watch=watch)
        except BudgetError as error:
            result = cast("Compressed", error.best)
            older = f"; {out} is of an earlier run, and was left as it was" if out.exists() else ""
            out = best
            failure = BudgetError(f"{error}. The best network is in {out}{older}", result)
    files = _write(result, out)
    told = [*result.quantisation.warnings, *filter(None, [result.held_out_warning])]
    emit(files | result.to_dict() | {"warnings": told}, lambda: _tables(result, files),
         as_json=as_json, quiet=quiet, failure=failure)


def _share(text: str) -> float:
    """``0.5%`` or ``0.005``. A share of 0.2 or more without % is one that has lost it."""
    match = re.fullmatch(r"((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?) ?(%?)",
                         text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else math.inf
    if match and not match[2] and _MOST_BARE <= value < math.inf:
        number = float(match[1])
        readings = [f"{number:g}%" + f" or {number / 100:g}" * (number < 100 * _MOST_BARE)] \
            * (number <= 100) + [f"{100 * number:g}%"] * (number <= 1)
        raise InputError(f"--budget must be a share below {_MOST_BARE} or have a %, such as 0.5% "
                         f"or 0.005, not {text!r}"
                         + (f"; write {', or '.join(readings)}" if readings else ""))
    if value > 1:
        raise InputError(f"--budget must be a share such as 0.5% or 0.005, not {text!r}")
    return value


def _recipe_file(out: Path) -> Path:
    """Beside an artefact, the recipe as it was run."""
    return out.with_suffix(".recipe.toml")


def _write(result: "Compressed", out: Path) -> dict[str, str]:
    """The artefact, and beside it the recipe as it was run."""
    from ..sw.compress.recipe_file import dump_recipe
    beside = _recipe_file(out)
    save(result.network, out)
    chosen = "".join(f"# chosen: {key} = {by_layer}\n"
                     for key, by_layer in _chosen(result).items())
    write_atomically(beside, (dump_recipe(result.recipe) + chosen).encode())
    return {"artefact": str(out), "recipe_file": str(beside)}


def _chosen(result: "Compressed") -> dict[str, str]:
    """What the pipeline chose, for people: a table by layer, to four digits."""
    return {key: "{" + ", ".join(f'"{name}" = {value:.4g}' for name, value in by_layer.items())
            + "}" for key, by_layer in result.chosen.items()}


def _tables(result: "Compressed", files: dict[str, str]) -> list:
    stages = list(result.errors)
    table = plain_table("errors", "misread of", *stages, left=("misread of",))
    for name, errors in (("the held-out pictures", result.held_out_errors),
                         ("the test set", result.errors)):
        if errors:
            table.add_row(name, *(f"{errors[stage]:.2%}" for stage in stages))
    lines = [f"{name.replace('_', ' ')}: {path}" for name, path in files.items()]
    lines += [f"chosen: {key} = {by_layer}" for key, by_layer in _chosen(result).items()]
    if result.budget is not None and result.excess is not None:
        lines.append(f"budget: {result.budget:.2%} more errors on the held-out pictures; used: "
                     f"{result.excess:+.2%}")
    return [table, *compression_tables(result.contents), quantisation_table(result.quantisation),
            *lines]


class _Lines:
    """Tells on stderr how a run goes on: a bar on a terminal, and a line for each step."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = PlainConsole(stderr=True, highlight=False)
        self._bar = Progress(TextColumn("{task.description}", markup=False), BarColumn(),
                             TimeElapsedColumn(), console=self._console, transient=True,
                             disable=quiet or not self._console.is_terminal)
        self._task: Any = None
        self._title, self._told = "", time.monotonic()

    def __enter__(self) -> "_Lines":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def step(self, number: int, total: int, name: str) -> None:
        """A step begins."""
        self._title = f"[{number}/{total}] {name:<9}"
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(self._title, total=None)

    def epoch(self, done: int, total: int, loss: float) -> None:
        """An epoch is done."""
        self._bar.update(self._task, completed=done, total=total,
                         description=f"{self._title}  loss {loss:.4f}")
        if not self._console.is_terminal and time.monotonic() - self._told > _SECONDS:
            self._print(f"{self._title}  epoch {done}/{total}  loss {loss:.4f}")

    def finished(self, facts: dict) -> None:
        """A step is done."""
        self._print(f"{self._title}{_told(facts)}")

    def _print(self, line: str) -> None:
        self._told = time.monotonic()
        if not self._quiet:
            self._console.print(line, soft_wrap=True)


def _told(facts: dict) -> str:
    """A step's numbers in one line."""
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
