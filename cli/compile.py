# SPDX-License-Identifier: Apache-2.0
"""``openeie compile``: place a network in an array's memories."""
import dataclasses
import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..core.compile import compile_network
from ..core.program import Program, load_crc
from .common import (AsJson, Config, Model, Quiet, Set, emit, resolve_config, write_atomically)
from .models import load_model
from .tables import memory_use, plan_tables

__all__ = ["command", "Encoding", "Vectors"]

Encoding = Annotated[str | None, typer.Option(
    "--encoding", help="csr, codebook or huffman for every layer, instead of the layers' own.")]
Vectors = Annotated[int, typer.Option("--vectors", help="Inputs of one start.")]
ProgramOut = Annotated[Path | None, typer.Option(
    "-o", "--out", help="Write the load records there (.npz).")]


def command(model: Model, config: Config = "EIE64", changes: Set = None, encoding: Encoding = None,
            vectors: Vectors = 1, as_json: AsJson = False, out: ProgramOut = None,
            quiet: Quiet = False) -> None:
    """Compile a network for one array and print what it takes of each memory."""
    program = compile_network(load_model(model), resolve_config(config, changes),
                              vectors=vectors, encoding=encoding)
    if out is not None:
        _write(program, out)
    emit(_plan_dict(program), lambda: plan_tables(program), as_json=as_json, quiet=quiet)


def _write(program: Program, path: Path) -> None:
    records = program.records()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, records=records, crc=np.uint32(load_crc(records)),
                        config=np.bytes_(str(program.config.to_dict()).encode()))
    write_atomically(path, buffer.getvalue())


def _plan_dict(program: Program) -> dict:
    layers = []
    for plan in program.layers:
        fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
        fields = {name: value for name, value in fields.items()
                  if not isinstance(value, np.ndarray) and value is not None}
        layers.append(fields | {"walk": vars(plan.walk), "entries": int(plan.entry_count.sum()),
                                "fillers": int(plan.filler_count.sum()),
                                "entries_per_pe": plan.entry_count.sum(axis=1).tolist()})
    return {"network": program.network.name, "config": program.config.to_dict(),
            "vectors": program.vectors, "layers": layers,
            "memories": {name: {"used": used, "available": available}
                         for name, (used, available) in memory_use(program).items()}}
