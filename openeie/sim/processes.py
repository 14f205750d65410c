# SPDX-License-Identifier: Apache-2.0
"""Programs that we start end with us: when they are done, on an error, or when we are ended."""
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

__all__ = ["start", "end", "run_all", "ended_by_signals"]

#: Seconds in which a program may remove its own temporary files before it is killed.
_GRACE = 2.0
#: What ends a process without an exception: kill's default, and a terminal that is closed.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class _Ended(BaseException):
    """A signal came that ends this process; not an Exception, since nobody may go on after it."""


def start(command: Sequence[object], **options: Any) -> subprocess.Popen:
    """The running ``command``, in a process group of its own; ``options`` are Popen's."""
    return subprocess.Popen([str(word) for word in command], process_group=0, **options)


def end(process: subprocess.Popen) -> None:
    """End ``process`` and what it started, if it still runs, and wait for it."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen, number: int) -> None:
    os.killpg(process.pid, number)          # a compiler is a driver of others


def run_all(commands: Sequence[Sequence[object]], *,
            env: dict[str, str] | None = None) -> list[tuple[int, str]]:
    """Run a few independent commands side by side; exit code and output of each.

    Whatever goes wrong here, none of them runs on alone.
    """
    running = [start(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                     text=True, errors="replace") for command in commands]
    try:
        # The second one waits with a full pipe until the first one's has been read.
        return [(process.wait(), text) for process, text in
                [(process, _read(process.stdout)) for process in running]]
    finally:
        for process in running:
            end(process)


def _read(pipe: IO[str]) -> str:
    with pipe:
        return pipe.read()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """A signal that ends this process ends the block first, with an exception, so that it cleans
    up behind itself. Only a main thread can do so, and only where nobody else handles them."""
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL] \
        if threading.current_thread() is threading.main_thread() else []

    def stop(number: int, _frame: object) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)     # cleaning up is not interrupted
        raise _Ended(number)

    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    except _Ended as ended:
        signal.signal(ended.args[0], signal.SIG_DFL)
        os.kill(os.getpid(), ended.args[0])
        raise
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
