# SPDX-License-Identifier: Apache-2.0
"""A function mapped over items, in processes of this machine or on a Dask cluster."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from ..core.errors import InputError, ToolError

__all__ = ["spread"]

#: Seconds to wait for a scheduler that does not answer.
_PATIENCE = 8


def spread(task: Callable[[Any], Any], items: Sequence, jobs: int, scheduler: str | None = None
           ) -> Iterator[tuple[int, Any]]:
    """Yield ``(index, task(item))`` as tasks finish: in order in this process (``jobs=1``), in
    ``jobs`` local processes, or on the Dask cluster at ``scheduler``.

    Parameters
    ----------
    task : a function that can be pickled.
    scheduler : address of a running Dask scheduler, as ``tcp://host:8786``; ``jobs`` then does not
        count.

    Raises
    ------
    InputError : ``scheduler`` is empty.
    ToolError : no scheduler answers, no process can be started, or a worker or the scheduler was
        lost.
    """
    if scheduler == "":
        raise InputError("a scheduler's address must be like tcp://host:8786, not ''")
    if jobs <= 1 and scheduler is None:
        yield from enumerate(map(task, items))
        return
    from distributed import Client, LocalCluster, as_completed
    with ExitStack() as stack:
        try:
            where = scheduler or stack.enter_context(LocalCluster(
                n_workers=min(jobs, len(items)), threads_per_worker=1, dashboard_address=":0"))
        except (OSError, RuntimeError) as error:
            raise ToolError(f"cannot start {jobs} processes: {error}; take fewer jobs") from error
        try:
            client = stack.enter_context(Client(where, timeout=_PATIENCE))
        except (OSError, ValueError, TypeError) as error:
            raise ToolError(f"no Dask scheduler answers at {scheduler}: {error}; start one (dask "
                            f"scheduler), or leave out --scheduler") from error
        futures = client.map(task, items, pure=False, retries=0)
        indices = {future.key: index for index, future in enumerate(futures)}
        # Results come together with their futures: asking for one later could wait forever, if it
        # was lost with its worker.
        for future, result in as_completed(futures, with_results=True, raise_errors=False):
            if future.status != "finished":
                raise _failure(future.status, result)
            yield indices[future.key], result


def _failure(status: str, result: Any) -> BaseException:
    """The error to raise for a future without a result.

    result : of an error, (type, error, traceback).
    """
    from distributed import KilledWorker
    advice = "what was done is kept; give the same command again"
    error = result[1] if status == "error" else None
    if isinstance(error, KilledWorker):
        return ToolError(f"worker processes died at the task {error.task}, maybe because the "
                         f"memory was full; take fewer jobs; {advice}")
    return error or ToolError(f"the scheduler was lost, or gave up a task ({status}); {advice}")
