# SPDX-License-Identifier: Apache-2.0
"""``openeie verify``: compare engines in every word, cycle and counter."""
from dataclasses import asdict
from typing import Annotated

import typer

from ..core.compile.automatic import compile_for
from ..core.errors import InputError
from ..sim.verify import ENGINES, RandomVerdict, verify, verify_random
from .common import (AsJson, Config16, Jobs, Out, Quiet, Seed, Set, array_for, emit, progress,
                     working)
from .compile import Balance, Encoding, Vectors
from .models import inputs_for, load_model
from .sim import InputFile

__all__ = ["command"]

_IMAGES = 4

OptionalModel = Annotated[str | None, typer.Argument(metavar="[MODEL]")]
Random = Annotated[int | None, typer.Option(
    "--random", metavar="N", help="Verify N random layers instead of a model.")]
Configurations = Annotated[int | None, typer.Option(
    metavar="N", help="With --random: the number of random configurations.")]
Only = Annotated[str | None, typer.Option(
    "--only", metavar="C.K", help="With --random: run only case K of configuration C again.")]
Images = Annotated[int | None, typer.Option(
    "--images", metavar="N", show_default=str(_IMAGES),
    help="Use the first N of the demo's MNIST images.")]
Engines = Annotated[str, typer.Option(help="Engines to compare, separated by commas.")]
Scheduler = Annotated[str | None, typer.Option(
    help="With --random: the address of a running Dask scheduler.")]


def command(model: OptionalModel = None, random: Random = None,
            configurations: Configurations = None, only: Only = None, seed: Seed = 1,
            engines: Engines = ",".join(ENGINES), images: Images = None, inputs: InputFile = None,
            config: Config16 = None, changes: Set = None, encoding: Encoding = None,
            vectors: Vectors = 1, balance: Balance = None, jobs: Jobs = 1,
            scheduler: Scheduler = None, as_json: AsJson = False, out: Out = None,
            quiet: Quiet = False) -> None:
    """Compare engines on a model's inputs, or on random layers; exit 1 at the first difference."""
    chosen = tuple(engines.split(","))
    if (model is None) == (random is None and only is None):
        raise InputError("give either a MODEL or --random N")
    if model is None and balance is not None:
        given = "--balance" if balance else "--no-balance"
        raise InputError(f"{given} is about the order of a MODEL's channels, and --random draws "
                         f"layers as they are; give one of the two")

    if model is None:
        with progress("layers", quiet=quiet or as_json) as update:
            verdict = verify_random(random or 1, seed, configurations, engines=chosen, only=only,
                                    jobs=jobs, scheduler=scheduler, progress=update)
        emit(asdict(verdict) | {"equal": True}, lambda: _random_lines(verdict), as_json=as_json,
             quiet=quiet, out=out)
        return

    network = load_model(model)
    x, _ = inputs_for(network, inputs, images, _IMAGES)
    program = compile_for(network, array_for(network, config, changes, linear="EIE16"),
                          vectors=vectors, encoding=encoding, balance=balance)
    with working(f"{', '.join(chosen)}: {len(x):,} inputs", quiet=quiet or as_json):
        result = verify(program, x, engines=chosen)
    emit(asdict(result) | {"equal": True, "network": network.name, "inputs": len(x),
                           "balance": program.choices.is_balanced,
                           "config": program.config.to_dict()},
         lambda: [f"equal: {' = '.join(chosen)} on {len(x)} inputs of {network.name}: "
                  f"{result.words:,} words, {result.cycles:,} cycle counts and "
                  f"{result.counters:,} counters compared"],
         as_json=as_json, quiet=quiet, out=out)


def _random_lines(verdict: RandomVerdict) -> list[str]:
    """What was compared, and which kinds of layers and networks were among it."""
    lines = [f"equal: {' = '.join(verdict.engines)} on {verdict.layers:,} random layers "
             f"({verdict.networks:,} networks, {verdict.configurations} configurations, seed "
             f"{verdict.seed}): {verdict.words:,} words, {verdict.cycles:,} cycle counts and "
             f"{verdict.counters:,} counters compared, 0 differences, "
             f"{verdict.seconds:.0f} s"]
    lines.append("  layers: " + ", ".join(f"{count:,} {name}"
                                          for name, count in verdict.kinds.items()))
    lines += [f"  {name}: {count:,} networks" for name, count in verdict.bins.items()]
    if verdict.missed:
        lines.append(f"  not drawn: {', '.join(verdict.missed)}")
    return lines
