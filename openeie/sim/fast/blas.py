# SPDX-License-Identifier: Apache-2.0
"""NumPy's BLAS in one thread: our matrices are small, and ``jobs`` are our threads.

More threads of BLAS wait for each other by spinning, which on a busy machine takes ten times the
time of the product itself.
"""
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]

_lock = threading.Lock()
_runs: list[object] = []            # those that go on
_limits: list[Any] = []          # what the first of them set, and the last one takes back


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Until the end of the block BLAS uses one thread in the whole process.

    Blocks in several threads may overlap: the last one to end restores what was before the first.
    """
    run = object()
    with _lock:
        if not _runs:
            _limits.append(_controller().limit(limits=1, user_api="blas"))
        _runs.append(run)
    try:
        yield
    finally:
        with _lock:
            _runs.remove(run)
            if not _runs:
                _limits.pop().restore_original_limits()
