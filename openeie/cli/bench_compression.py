# SPDX-License-Identifier: Apache-2.0
"""``openeie bench compression``: Deep Compression's tables and figures for our networks."""
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from ..core.errors import InputError, must_be_one_of
from ..sw.seed import check_seed
from .common import AsJson, Quiet, emit, progress, working
from .models import find_model
from .outputs import check_writable, make_folder, write_atomically
from .tables import plain_table

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..sw.study.subject import Effort

    Labelled = tuple[Tensor, Tensor]

__all__ = ["command"]

_NETWORKS = ("lenet-300-100", "lenet-5")
#: Accuracy that the networks in the summary may lose, as a fraction.
_LOST = 0.001
#: The only figure that needs no training and no data.
_SYMBOLS = "symbols"

Data = Annotated[str | None, typer.Option(
    "--data", metavar="mnist:DIR", help="Folder with MNIST's four *.gz files.")]
Weights = Annotated[Path | None, typer.Option(
    "--weights", metavar="FILE.npz", help="Float weights of LeNet-300-100, as -o writes them "
                                          "(float.npz); without them it is trained.")]
Only = Annotated[list[str] | None, typer.Option(
    "--figure", metavar="NAME", help="Make only this figure: rates, initialisation, sensitivity, "
                                     "weights or symbols; repeatable. symbols takes no --data.")]
Seed = Annotated[int | None, typer.Option(
    "--seed", show_default="0", help="Seed of all random choices.")]
Quick = Annotated[bool, typer.Option("--quick", help="Train for fewer epochs.")]
OutFolder = Annotated[Path | None, typer.Option(
    "-o", "--out", metavar="FOLDER", help="Write compression.json, table.csv, float.npz, and each "
                                          "figure as .svg and .csv to this folder.")]


def command(data: Data = None, weights: Weights = None, figure: Only = None, quick: Quick = False,
            seed: Seed = None, out: OutFolder = None, as_json: AsJson = False,
            quiet: Quiet = False) -> None:
    """Reproduce Deep Compression's tables and figures, next to its own numbers."""
    from ..sw.study.figure import NAMES
    names = _chosen(figure, (*NAMES, _SYMBOLS))
    trained = [name for name in names if name != _SYMBOLS]
    seed_given = seed
    seed = check_seed(0 if seed is None else seed, "--seed")
    folder = _mnist_folder(data, trained)
    if not trained:
        _refuse_idle({"--data": data, "--weights": weights, "--quick": quick or None,
                      "--seed": seed_given})
    if out is not None:
        from ..sw.study.draw import check_drawing
        check_drawing()
    given = _read(folder, weights, quick) if folder is not None else None
    if out is not None:             # only now, so that a refused request leaves no folder
        make_folder(out)
        check_writable(out / "compression.json")
    result: dict[str, Any] = {"seed": seed, "quick": quick, "networks": _networks()}
    figures: list = []
    files: dict[str, bytes] = {}
    if _SYMBOLS in names:
        figures += _symbol_figures(result)
    if given is not None:
        figures += _studied(given, trained, seed, result, files, quiet=quiet or as_json)
    result["figures"] = [one.to_dict() for one in figures]
    if out is not None:
        _write(out, result, figures, files)
    emit(result, lambda: _lines(result, figures, out), as_json=as_json, quiet=quiet)


def _chosen(asked: list[str] | None, known: Sequence[str]) -> list[str]:
    """The figures that ``--figure`` asks for, in the order of ``known``; all without it."""
    for name in asked or ():
        if name not in known:
            raise InputError(f"--figure {must_be_one_of(name, known)}")
    return [name for name in known if not asked or name in asked]


def _mnist_folder(data: str | None, trained: list[str]) -> Path | None:
    """The folder that ``--data`` names; figures of a trained network need one."""
    if data is None:
        if trained:
            raise InputError(f"--data mnist:DIR must say where MNIST is: a network is trained for "
                             f"the figures {', '.join(trained)}; or choose --figure {_SYMBOLS}")
        return None
    kind, colon, folder = data.partition(":")
    if kind != "mnist" or not colon or not folder:
        raise InputError(f"--data must be mnist:DIR, not {data!r}")
    return Path(folder)


def _refuse_idle(options: dict[str, Any]) -> None:
    """Refuse options for training if only the figure of the package's files is made.

    Parameters
    ----------
    options : their values, None if an option was not given.

    Raises
    ------
    InputError : one was given.
    """
    idle = [name for name, value in options.items() if value is not None]
    if idle:
        raise InputError(f"{', '.join(idle)}: for figures that train a network, but the figure "
                         f"{_SYMBOLS} trains none; leave the options out")


def _networks() -> list[dict[str, Any]]:
    """The table of each network in the package, with the numbers of the paper."""
    from ..sw.study.table import PAPER_ERRORS, compression_rows
    networks = []
    for name in _NETWORKS:
        rows, contents = compression_rows(name, find_model(name))
        before, after = PAPER_ERRORS[name]
        networks.append({
            "name": name, "file_bytes": contents.file_bytes, "factor": contents.factor,
            "error_float": contents.provenance["float_error"],
            "error": contents.provenance["integer_error"],
            "paper_error_float": before, "paper_error": after,
            "rows": [row.to_dict() for row in rows]})
    return networks


def _symbol_figures(result: dict[str, Any]) -> list:
    """Figures of the distribution of codes and runs; their numbers go to ``result``."""
    from dataclasses import asdict
    from ..sw.study.symbols import symbol_figure, symbols_of
    found = {name: symbols_of(find_model(name)) for name in _NETWORKS}
    result["symbols"] = {}
    for name, symbols in found.items():
        result["symbols"][name] = [asdict(one) for one in symbols]
    return [symbol_figure(symbols, name) for name, symbols in found.items()]


def _read(folder: Path, weights: Path | None, quick: bool
          ) -> tuple["Effort", "nn.Sequential | None", "Labelled", "Labelled"]:
    """Input of a study: effort, network if there are weights, training and test images."""
    from ..sw.compress.methods.train import labelled_tensors
    from ..sw.data.mnist import load_mnist
    from ..sw.study.subject import FULL, QUICK, read_weights
    effort = QUICK if quick else FULL
    model = None if weights is None else read_weights(weights)
    train, test = (labelled_tensors(*load_mnist(folder, split)) for split in ("train", "test"))
    smallest = max(effort.dense.batch, effort.retrain.batch)
    if len(train[0]) < smallest or not len(test[0]):
        raise InputError(f"{folder} must have at least {smallest} training images and one test "
                         f"image, not {len(train[0])} and {len(test[0])}")
    return effort, model, train, test


def _studied(given: tuple["Effort", "nn.Sequential | None", "Labelled", "Labelled"],
             names: list[str], seed: int, result: dict[str, Any], files: dict[str, bytes], *,
             quiet: bool) -> list:
    """Train the float network, unless there are weights, and make the figures of a study.

    Parameters
    ----------
    given : the result of :func:`_read`.
    result, files : get the study's numbers and the weights.
    """
    from ..sw.study.study import run_study, steps, train_float
    from ..sw.study.subject import Subject, weights_of
    effort, model, train, test = given
    if model is None:
        with working("training LeNet-300-100", quiet=quiet):
            model = train_float(train, effort, seed)

    subject = Subject(model=model, train=train, test=test, effort=effort, seed=seed)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **weights_of(model))
    files["float.npz"] = buffer.getvalue()

    done = 0
    with progress("measuring", quiet=quiet) as update:
        def note(line: str) -> None:
            nonlocal done
            done += 1
            update(done, steps(effort, names))

        study = run_study(subject, names, note)
    result["study"] = study.to_dict()
    return list(study.figures)


def _write(out: Path, result: dict[str, Any], figures: list, files: dict[str, bytes]) -> None:
    """Write the figures, the table, the weights and the result."""
    from ..sw.study.draw import draw
    for figure in figures:
        write_atomically(out / f"{figure.name}.svg", draw(figure))
        write_atomically(out / f"{figure.name}.csv", figure.to_csv().encode())
    for name, data in files.items():
        write_atomically(out / name, data)
    write_atomically(out / "table.csv", _table_csv(result["networks"]).encode())
    write_atomically(out / "compression.json", (json.dumps(result, indent=1) + "\n").encode())


def _table_csv(networks: list[dict[str, Any]]) -> str:
    """All rows, with our columns first and then the paper's."""
    rows = [row for network in networks for row in network["rows"]]
    ours = [name for name in rows[0] if name != "paper"]
    paper = list(rows[0]["paper"])
    lines = [",".join([*ours, *(f"paper_{name}" for name in paper)])]
    for row in rows:
        values = [row[name] for name in ours]
        values += [row["paper"][name] for name in paper]
        lines.append(",".join(map(str, values)))
    return "\n".join(lines) + "\n"


def _lines(result: dict[str, Any], figures: list, out: Path | None) -> list:
    """Tables of the networks, the study's summary, and where the figures are."""
    lines: list = [_table(network) for network in result["networks"]]
    if "study" in result:
        lines += _study_lines(result["study"])
    if out is not None:
        lines.append(f"figures: {out}/" + ", ".join(f"{figure.name}.svg" for figure in figures))
    return lines


def _table(network: dict[str, Any]) -> Table:
    """One row a layer: our numbers, and the paper's in brackets."""
    table = plain_table(
        f"{network['name']}: {network['file_bytes']:,} bytes, {network['factor']:.1f}x smaller; "
        f"misclassified: {network['error_float']:.2%} in float, {network['error']:.2%} compressed "
        f"({network['paper_error_float']:.2%}, {network['paper_error']:.2%})",
        "layer", "weights", "kept", "weight bits", "Huffman", "index bits", "Huffman ", "rate P+Q",
        "rate P+Q+H")
    for row in network["rows"]:
        paper = row["paper"]
        bits = [f"{row[name]:.{digits}f} ({paper[name]:g})" for name, digits in (
            ("weight_bits", 1), ("weight_bits_huffman", 2), ("index_bits", 1),
            ("index_bits_huffman", 2))]
        rates = [f"{row[name]:.2%} ({paper[name]:.2%})" for name in ("rate_shared", "rate_stored")]
        table.add_row(row["layer"], f"{row['weights']:,}",
                      f"{row['kept']:.1%} ({paper['kept']:.0%})", *bits, *rates)
    return table


def _study_lines(study: dict[str, Any]) -> list[str]:
    """The smallest network of each method that loses almost no accuracy on the test images."""
    lines = [f"LeNet-300-100 in float: {study['error_float']:.2%} misclassified"]
    for method in dict.fromkeys(point["method"] for point in study["rates"]):
        fits = [point for point in study["rates"] if point["method"] == method
                and point["error"] <= study["error_float"] + _LOST]
        best = min(fits, key=lambda point: point["rate"], default=None)
        if best is None:
            lines.append(f"{method}: none loses less than {_LOST:.1%}")
        else:
            lines.append(f"{method}: {best['rate']:.2%} of the size, {best['error']:.2%} "
                         f"misclassified ({best['setting']})")
    return lines
