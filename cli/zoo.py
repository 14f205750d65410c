# SPDX-License-Identifier: Apache-2.0
"""``openeie zoo``: the networks that are known by name."""
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from ..core.artefact import save
from ..core.compile import compile_network
from ..core.config import ArrayConfig
from ..core.errors import InputError
from ..core.inspect import inspect
from ..sim.engines import simulate
from ..sw.zoo import ZOO, Report, Subject, entry, report, shipped_subject, squeezenet_subject
from .common import AsJson, Config, Jobs, Quiet, Set, emit, resolve_config, working
from .models import find_model

__all__ = ["command"]

Name = Annotated[str | None, typer.Argument(
    metavar="[NAME]", help=f"One of {', '.join(ZOO)}; without it, all of them.")]
Images = Annotated[int | None, typer.Option(
    "--images", help="Pictures that are run on fast, the first ones; 100, if there are so many.")]
Net = Annotated[Path | None, typer.Option("--net", help="SqueezeNet's compressed weights, .net.")]
Prototxt = Annotated[Path | None, typer.Option("--prototxt", help="SqueezeNet's description.")]
PicturesFile = Annotated[Path | None, typer.Option(
    "--pictures", help="SqueezeNet's pictures, .npz: 'images' uint8 [n, 227, 227, 3] RGB, and "
                       "perhaps 'labels' and 'float_logits'.")]
Artefact = Annotated[Path | None, typer.Option("-o", "--out", help="SqueezeNet's artefact.")]


def command(name: Name = None, net: Net = None, prototxt: Prototxt = None,
            pictures: PicturesFile = None, out: Artefact = None, images: Images = None,
            config: Config = "NET16", changes: Set = None, jobs: Jobs = 1,
            as_json: AsJson = False, quiet: Quiet = False) -> None:
    """List the zoo's networks with size, errors and cycles; or import SqueezeNet."""
    array = resolve_config(config, changes)
    files = {"--net": net, "--prototxt": prototxt, "--pictures": pictures, "-o": out}
    given = [option for option, path in files.items() if path is not None]
    calm = quiet or as_json
    if name == "squeezenet-dc":
        if len(given) < len(files):
            raise InputError(f"{name} needs {', '.join(sorted(set(files) - set(given)))}: "
                             f"{entry(name).needs}")
        with working(f"{name}: importing, then pictures on fast", quiet=calm):
            subject = squeezenet_subject(net, prototxt, pictures, images)
            reports = [_measured(subject, array, out, jobs, write=True)]
    elif given:
        raise InputError(f"{given[0]} belongs to squeezenet-dc: openeie zoo squeezenet-dc "
                         f"{given[0]} ...")
    else:
        reports = []
        for one in [entry(name)] if name else [one for one in ZOO.values() if not one.needs]:
            with working(f"{one.name}: pictures on fast", quiet=calm):
                reports.append(_measured(shipped_subject(one.name, images), array,
                                         find_model(one.name), jobs))
    absent = [one for one in ZOO.values() if name is None and one.needs]
    result = {"config": array.to_dict(), "networks": [one.to_dict() for one in reports],
              "to_bring": [asdict(one) for one in absent]}
    emit(result, lambda: [_table(reports, array),
                          *(f"{one.name} ({one.origin}): {one.needs}" for one in absent),
                          *_agreement(reports)], as_json=as_json, quiet=quiet)


def _measured(subject: Subject, array: ArrayConfig, path: Path, jobs: int, *,
              write: bool = False) -> Report:
    """A network's report; ``write`` puts its artefact at ``path``, once it is known to fit."""
    program = compile_network(subject.network, array)
    if write:
        save(subject.network, path)
    return report(subject, inspect(path), simulate(program, subject.x, "fast", jobs=jobs))


def _table(reports: list[Report], array: ArrayConfig) -> Table:
    table = Table(title=f"openeie zoo: {array.pes} PEs", box=box.SIMPLE, pad_edge=False,
                  padding=(0, 1, 0, 0))
    for head in ("network", "origin"):
        table.add_column(head)
    for head in ("bytes", "rate", "float\nerror", "error", "on\npictures", "cycles\na picture",
                 "utili-\nsation", "mean\nof"):
        table.add_column(head, justify="right")
    for one in reports:
        table.add_row(one.name, one.origin, f"{one.file_bytes:,}", f"{one.factor:.1f}x",
                      _percent(one.score.float_error), _percent(one.score.error),
                      f"{one.score.pictures:,}", f"{one.cycles:,.1f}",
                      f"{one.utilisation:.1%}", f"{one.pictures:,}")
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _agreement(reports: list[Report]) -> list[str]:
    """How often the float network answers the same, where that is known."""
    return [f"{one.name}: the array's answer is the float network's on "
            f"{one.score.agreement:.1%} of {one.score.pictures:,} pictures"
            for one in reports if one.score.agreement is not None]
