# SPDX-License-Identifier: Apache-2.0
"""One step of the build flow: a tool that makes files from files, and is run once for the same.

Synthesis, placement and packing depend on their input files, their arguments and the tool alone.
So what a tool made is kept in the cache under all of these, and the next build that asks for the
same takes it from there, in whatever folder.
"""
import gzip
import hashlib
import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.host.files import replace_file
from ..sim.build_cache import cached_folder
from .tools import PACKAGES, find_tool, run_tool

__all__ = ["Step"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One run of a tool in a build folder; all names are of files in that folder.

    Attributes
    ----------
    tool : name of the program, a key of :data:`~.tools.PACKAGES`.
    arguments : of the program.
    reads : every file of the build folder that the program reads.
    writes : the files that it writes and that matter.
    log : the file for everything that it prints.
    watch : see :func:`~.tools.run_tool`.
    """
    tool: str
    arguments: list[str]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    log: str
    watch: Callable[[str], None] | None = None

    def run(self, folder: Path, *, cached: bool = True) -> tuple[int, str]:
        """Run it in ``folder``, or take its files from the cache; its exit code and its log.

        Only a success is kept.

        Parameters
        ----------
        cached : False runs it in any case, and keeps nothing.

        Raises
        ------
        ToolError : the program is missing, or the cache cannot be written.
        """
        version = self._version()
        if not cached or version is None:
            return self._run(folder)
        key = [self.tool, version, *self.arguments, "", self.log, *self.writes, ""]
        for name in self.reads:
            key += [name, hashlib.sha256((folder / name).read_bytes()).hexdigest()]
        try:
            made = cached_folder("boards", key, lambda kept: self._keep(folder, kept))
        except _NotKept as ended:
            return ended.outcome()
        for name in (self.log, *self.writes):
            replace_file(folder / name, gzip.decompress((made / f"{name}.gz").read_bytes()))
        return 0, (folder / self.log).read_text(errors="replace")

    def _version(self) -> str | None:
        """Version of the program; None if that of its Python package may not be its own."""
        if Path(find_tool(self.tool)).parent != Path(sys.executable).parent:
            return None
        try:
            return importlib.metadata.version(PACKAGES[self.tool])
        except importlib.metadata.PackageNotFoundError:
            return None

    def _run(self, folder: Path) -> tuple[int, str]:
        return run_tool(self.tool, self.arguments, folder, self.log, self.watch)

    def _keep(self, folder: Path, kept: Path) -> None:
        """Run it in ``folder``, and put what it made into the cache's folder ``kept``."""
        try:
            code, log = self._run(folder)
        except OSError as error:            # of the build folder, not of the cache
            raise _NotKept(error) from error
        if code or not all((folder / name).is_file() for name in self.writes):
            raise _NotKept((code, log))
        for name in (self.log, *self.writes):
            with (folder / name).open("rb") as made, gzip.open(kept / f"{name}.gz", "wb",
                                                               compresslevel=3) as file:
                shutil.copyfileobj(made, file)


class _NotKept(Exception):
    """A run that is not to be kept: an exit code and a log, or the error that ended it."""
    def __init__(self, result: tuple[int, str] | OSError) -> None:
        super().__init__()
        self._result = result

    def outcome(self) -> tuple[int, str]:
        """The exit code and the log; raises the error."""
        if isinstance(self._result, OSError):
            raise self._result
        return self._result
