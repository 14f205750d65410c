# SPDX-License-Identifier: Apache-2.0
"""A network's class by name: ``mynet.py:Net``, ``mypackage.nets:Net``."""
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from torch import nn

from ...core.errors import InputError

__all__ = ["load_factory"]


def load_factory(target: str) -> Callable[[], nn.Module]:
    """What makes a network: a class, or a function, that takes no arguments.

    The file or module is executed, as Python's ``import`` does; the folder of a file, and the
    present one, are searched for what it imports.

    Parameters
    ----------
    target : ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``.

    Raises
    ------
    InputError : no such file, module or name; the code raises; or what is made is no module.
    """
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise InputError(f"a network must be FILE.py:CLASS, MODULE:CLASS or an .onnx file, "
                         f"not {target!r}")
    loaded = _load(where)
    factory = getattr(loaded, name, None)
    if not callable(factory):
        known = [one for one, value in vars(loaded).items() if isinstance(value, type)
                 and issubclass(value, nn.Module) and value.__module__ == loaded.__name__]
        raise InputError(f"{where} has no class or function {name!r}"
                         + (f"; its networks are {', '.join(known)}" if known else ""))

    def make() -> nn.Module:
        try:
            module = factory()
        except Exception as error:      # whatever the user's code raises
            raise InputError(f"{target} must make a network without arguments; it raises "
                             f"{type(error).__name__}: {error}") from error
        if not isinstance(module, nn.Module):
            raise InputError(f"{target} must make a torch.nn.Module, "
                             f"not {type(module).__name__}")
        return module
    return make


def _load(where: str) -> ModuleType:
    path = Path(where)
    try:
        if path.suffix != ".py":
            with _searching(Path.cwd()):
                return importlib.import_module(where)
        if not path.is_file():
            raise InputError(f"no such file: {path}")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        with _searching(path.resolve().parent):
            spec.loader.exec_module(module)
        return module
    except InputError:
        raise
    except Exception as error:          # whatever the user's code raises
        raise InputError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _searching(folder: Path) -> Iterator[None]:
    """Python's search path with a folder in front."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
