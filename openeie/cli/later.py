# SPDX-License-Identifier: Apache-2.0
"""Verbs whose modules load when they are typed: ``openeie --help`` needs none of them."""
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

__all__ = ["Later", "add_later"]


class Later(TyperCommand):
    """A verb that is not loaded: its name and its line of help. It makes way for the verb itself
    as soon as its arguments are read."""

    def load(self) -> TyperCommand:
        """The verb itself, with its options."""
        assert self.callback is not None
        return self.callback()

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None,
                     **extra: Any) -> Any:
        """The context of the verb itself, which runs its command and not this one."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


def add_later(app: typer.Typer, verbs: dict[str, str], prefix: str = "") -> None:
    """Add verbs to a command line, in this order.

    Parameters
    ----------
    verbs : the line of help of each, which is the first of its function's docstring. The function
        is ``command`` in the module of this package that is called like the verb.
    prefix : of the names of the modules.
    """
    for verb, line in verbs.items():
        app.command(verb, cls=Later, help=line)(_loader(verb, prefix + verb.replace("-", "_")))


def _loader(verb: str, module: str) -> Any:
    """A function without arguments that returns the verb, once its module is imported."""
    def load() -> Any:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None,
                            pretty_exceptions_enable=False)
        with _no_collection():
            alone.command(verb)(import_module(f"{__package__}.{module}").command)
            return typer.main.get_command(alone)
    return load


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection inside the block. Modules make much and drop nothing, and looking for
    garbage among it takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
