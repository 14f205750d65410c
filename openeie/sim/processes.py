# SPDX-License-Identifier: Apache-2.0
"""Programs that we start end with us: when their work is done, on an error, or on a signal."""
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
#: What ends a process without an exception: kill's default, and a terminal that closes.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class _Ended(BaseException):
    """A signal that ends this process; no Exception, since nobody may catch it and go on."""


def start(command: Sequence[object], **options: Any) -> subprocess.Popen:
    """Start ``command`` in a process group of its own; ``options`` are Popen's."""
    return subprocess.Popen([str(word) for word in command], process_group=0, **options)


def end(process: subprocess.Popen) -> None:
    """End ``process`` and what it started, if it still runs, and wait for it."""
    if process.poll() is not None:
        return
    _signal(process, signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen, number: int) -> None:
    os.killpg(process.pid, number)          # a compiler starts other programs


def run_all(commands: Sequence[Sequence[object]], *,
            env: dict[str, str] | None = None) -> list[tuple[int, str]]:
    """Run a few independent commands side by side; returns each one's exit code and output.

    Whatever goes wrong here, none of them is left running.
    """
    running = [start(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                     text=True, errors="replace") for command in commands]
    try:
        # The others may wait with a full pipe while the first one's is read.
        texts = [_read(process.stdout) for process in running]
        return [(process.wait(), text) for process, text in zip(running, texts)]
    finally:
        for process in running:
            end(process)


def _read(pipe: IO[str]) -> str:
    with pipe:
        return pipe.read()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make a signal that ends this process end the block first, by an exception.

    So the block can clean up. It works in the main thread only, and only for signals that nobody
    else handles; elsewhere nothing changes.
    """
    ours = _unhandled_signals()

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


def _unhandled_signals() -> list[signal.Signals]:
    """Those of :data:`_SIGNALS` that have no handler; none in other threads than the main one."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
