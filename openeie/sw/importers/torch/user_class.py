# SPDX-License-Identifier: Apache-2.0
"""Loads a network's class by name: ``mynet.py:Net`` or ``mypackage.nets:Net``."""
import contextlib
import functools
import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType

from torch import nn

from ....core.errors import InputError, did_you_mean

__all__ = ["load_factory"]


def load_factory(target: str) -> Callable[[], nn.Module]:
    """A class, or a function, that makes a network and takes no arguments.

    The file or module is executed, as by Python's ``import``. Its own imports are searched for in
    the file's folder, or for a module in the current one.

    Parameters
    ----------
    target : ``FILE.py:NAME`` or ``PACKAGE.MODULE:NAME``.

    Returns
    -------
    A function without arguments that gives a new module. It raises InputError if the user's code
    raises, or gives something else.

    Raises
    ------
    InputError : no such file, module or name; the code raises when it is imported.
    """
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise InputError(f"a network must be FILE.py:CLASS, MODULE:CLASS or an .onnx file, "
                         f"not {target!r}")
    loaded, folder = _load(where)
    factory = getattr(loaded, name, None)
    if not callable(factory):
        known = [one for one, value in vars(loaded).items() if isinstance(value, type)
                 and issubclass(value, nn.Module) and value.__module__ == loaded.__name__]
        networks = ""
        if known:
            networks = f"; {did_you_mean(name, known)}its networks are {', '.join(known)}"
        raise InputError(f"{where} has no class or function {name!r}{networks}")

    def make() -> nn.Module:
        try:
            with _searching(folder):        # the call may import more
                module = factory()
        except (Exception, SystemExit) as error:        # whatever the user's code raises
            raise InputError(f"{target} must make a network without arguments; it raises "
                             f"{type(error).__name__}: {error}") from error
        if not isinstance(module, nn.Module):
            raise InputError(f"{target} must make a torch.nn.Module, "
                             f"not {type(module).__name__}")
        return module
    return functools.update_wrapper(make, factory, updated=())


def _load(where: str) -> tuple[ModuleType, Path]:
    """A file or module, executed, and the folder in which its imports are searched for."""
    path = Path(where)
    folder = path.resolve().parent if path.suffix == ".py" else Path.cwd()
    try:
        with _searching(folder):
            if path.suffix != ".py":
                return importlib.import_module(where), folder
            if not path.is_file():
                raise InputError(f"no such file: {path}")
            return _execute(path.resolve()), folder
    except InputError:
        raise
    except (Exception, SystemExit) as error:            # whatever the user's code raises
        raise InputError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error


class _FromSource(importlib.machinery.SourceFileLoader):
    """A loader that never uses Python's compiled copy, which Python takes for current if size and
    second of the change agree, and which it would write into the user's folder."""
    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _execute(path: Path) -> ModuleType:
    """A file, executed as a module of a unique name; it is in ``sys.modules``, which dataclasses
    need."""
    name = f"_openeie_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


@contextlib.contextmanager
def _searching(folder: Path) -> Iterator[None]:
    """Python's search path with ``folder`` first."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):       # the code may have removed it
            sys.path.remove(str(folder))
