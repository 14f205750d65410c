# SPDX-License-Identifier: Apache-2.0
"""``openeie zoo``: the networks that have a name."""
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..core.artefact.artefact import dumps
from ..core.artefact.inspect import inspect
from ..core.compile.automatic import compile_for
from ..core.defaults import AskedArray
from ..core.errors import CapacityError, InputError
from ..sim.engines import simulate
from ..sw.data.mnist import demo_images
from ..sw.zoo import ZOO, ZooReport, ZooSubject, entry, report, shipped_subject, squeezenet_subject
from .common import AsJson, Config, Jobs, Quiet, Set, asked_array, emit, working
from .invocation import invocation
from .models import check_images, find_model
from .outputs import check_format, check_writable, write_atomically
from .streams import is_stdout
from .tables import plain_table

__all__ = ["command"]

Name = Annotated[str | None, typer.Argument(
    metavar="[NAME]", help=f"One of {', '.join(ZOO)}; default: all of them.")]
Images = Annotated[int | None, typer.Option(
    "--images", metavar="N", help="Run the first N images on fast; default: 100, or all if fewer.")]
Net = Annotated[Path | None, typer.Option("--net", help="SqueezeNet's compressed weights (.net).")]
Prototxt = Annotated[Path | None, typer.Option(
    "--prototxt", help="SqueezeNet's description (.prototxt).")]
PicturesFile = Annotated[Path | None, typer.Option(
    "--pictures", help="SqueezeNet's images (.npz): 'images', uint8 [n, 227, 227, 3] RGB, and "
                       "perhaps 'labels' and 'float_logits'.")]
Artefact = Annotated[Path | None, typer.Option(
    "-o", "--out", help="The artefact to write for SqueezeNet (.eie).")]


def command(name: Name = None, net: Net = None, prototxt: Prototxt = None,
            pictures: PicturesFile = None, out: Artefact = None, images: Images = None,
            config: Config = "NET16", changes: Set = None, jobs: Jobs = 1,
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """List the networks with their size, errors and cycles; or import SqueezeNet."""
    array = asked_array(config, changes)
    files = {"--net": net, "--prototxt": prototxt, "--pictures": pictures, "-o": out}
    given = [option for option, path in files.items() if path is not None]
    calm = quiet or as_json

    reports: list[ZooReport] = []
    refused: dict[str, str] = {}
    if name == "squeezenet-dc":
        if len(given) < len(files):
            raise InputError(f"{name} needs {', '.join(sorted(set(files) - set(given)))}: "
                             f"{entry(name).needs}")
        check_format(out, (".eie",), text=False)
        check_writable(out, as_json=as_json)
        with working(f"{name}: importing, then images on fast", quiet=calm):
            subject = squeezenet_subject(net, prototxt, pictures, images)
            reports.append(_measured(subject, array, out, jobs, write=True))
    elif given:
        raise InputError(f"{given[0]} is an option of squeezenet-dc; type {invocation()} zoo "
                         f"squeezenet-dc {given[0]} ...")
    else:
        reports, refused = _shipped(name, images, array, jobs, quiet=calm)

    absent = [one for one in ZOO.values() if name is None and one.needs]
    result = {"config": array.config.to_dict(), "networks": [one.to_dict() for one in reports],
              "refused": refused, "to_bring": [asdict(one) for one in absent]}
    emit(result, lambda: [_table(reports, refused, array),
                          "cycles an image: latency, one image a start",
                          *(f"{one.name}: {one.origin}" for one in reports),
                          *(f"{refusal}: {reason}" for refusal, reason in refused.items()),
                          *(f"{one.name} ({one.origin}): {one.needs}" for one in absent),
                          *_agreement(reports)], as_json=as_json, quiet=quiet or is_stdout(out))


def _shipped(name: str | None, images: int | None, array: AskedArray, jobs: int, *,
             quiet: bool) -> tuple[list[ZooReport], dict[str, str]]:
    """Reports of one or all of the package's networks, and why the array cannot run the others."""
    if images is not None:
        check_images(images, len(demo_images()[0]))
    entries = [entry(name)] if name else [one for one in ZOO.values() if not one.needs]

    reports = []
    refused = {}
    for one in entries:
        subject = shipped_subject(one.name, images)
        try:
            compile_for(subject.network, array)
        except (CapacityError, InputError) as error:
            if name:
                raise
            refused[one.name] = str(error)
            continue
        with working(f"{one.name}: images on fast", quiet=quiet):
            reports.append(_measured(subject, array, find_model(one.name), jobs))
    return reports, refused


def _measured(subject: ZooSubject, array: AskedArray, path: Path, jobs: int, *,
              write: bool = False) -> ZooReport:
    """Report of a network run on ``fast``; ``write`` first writes its artefact to ``path``."""
    program = compile_for(subject.network, array)
    data = dumps(subject.network) if write else path.read_bytes()
    if write:
        write_atomically(path, data)
    return report(subject, inspect(data), simulate(program, subject.x, "fast", jobs=jobs))


def _table(reports: list[ZooReport], refused: dict[str, str], array: AskedArray) -> Table:
    """One row for each network, also for those that the array cannot run."""
    table = plain_table(f"openeie zoo: {array.config.pes} PEs", "network", "bytes", "rate",
                        "float\nerror", "error", "on\nimages", "cycles\nan image", "busy",
                        "mean\nof", left=("network",))
    for one in reports:
        table.add_row(one.name, f"{one.file_bytes:,}", f"{one.factor:.1f}x",
                      _percent(one.score.float_error), _percent(one.score.error),
                      f"{one.score.pictures:,}", f"{one.cycles:,.1f}",
                      f"{one.utilisation:.1%}", f"{one.pictures:,}")
    for name in refused:
        table.add_row(name, *["-"] * 8)
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _agreement(reports: list[ZooReport]) -> list[str]:
    """How often the array and the float network give the same answer, where that is known."""
    return [f"{one.name}: the array and the float network give the same answer on "
            f"{one.score.agreement:.1%} of {one.score.pictures:,} images"
            for one in reports if one.score.agreement is not None]
