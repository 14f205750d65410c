# SPDX-License-Identifier: Apache-2.0
"""``openeie inspect``: what an artefact holds, computed from its bytes."""
from ..core.artefact.inspect import inspect
from .common import AsJson, Model, Out, Quiet, check_writable, emit
from .models import find_model
from .tables import compression_tables

__all__ = ["command"]


def command(model: Model, as_json: AsJson = False, out: Out = None, quiet: Quiet = False) -> None:
    """Print a compressed network's table in Deep Compression's columns."""
    check_writable(out, as_json=as_json)
    contents = inspect(find_model(model))
    notes = [f"{key}: {value}" for key, value in contents.provenance.items()]
    emit(contents.to_dict(), lambda: [*compression_tables(contents), *notes], as_json=as_json,
         quiet=quiet, out=out)
