# SPDX-License-Identifier: Apache-2.0
"""``openeie inspect``: the contents of an artefact, computed from its bytes."""
from ..core.artefact.inspect import inspect
from .common import AsJson, Model, Out, Quiet, emit
from .models import find_model
from .outputs import check_writable
from .tables import compression_tables

__all__ = ["command"]


def command(model: Model, as_json: AsJson = False, out: Out = None, quiet: Quiet = False) -> None:
    """Print the sizes of a compressed network, in the columns of Deep Compression."""
    check_writable(out, as_json=as_json)
    contents = inspect(find_model(model))
    notes = [f"{key}: {value}" for key, value in contents.provenance.items()]
    emit(contents.to_dict(), lambda: [*compression_tables(contents), *notes], as_json=as_json,
         quiet=quiet, out=out)
