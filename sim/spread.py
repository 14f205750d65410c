# SPDX-License-Identifier: Apache-2.0
"""Work fanned out over processes or a cluster, by Dask."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from ..core.errors import ToolError

__all__ = ["spread"]

#: Seconds to wait for a scheduler that does not answer.
_PATIENCE = 8


def spread(task: Callable[[Any], Any], items: Sequence, jobs: int, scheduler: str | None = None
           ) -> Iterator[tuple[int, Any]]:
    """``(number, task(item))`` of all items as they are done: here with one job, in order; or in
    so many processes of this machine, or on the Dask cluster whose ``scheduler`` is named.

    Raises
    ------
    ToolError : no scheduler answers there, or it or a worker was lost.
    """
    if jobs <= 1 and scheduler is None:
        yield from enumerate(map(task, items))
        return
    from distributed import CancelledError, Client, KilledWorker, LocalCluster, as_completed
    from distributed.comm import CommClosedError
    with ExitStack() as stack:
        where = scheduler or stack.enter_context(LocalCluster(
            n_workers=min(jobs, len(items)), threads_per_worker=1, dashboard_address=":0"))
        try:
            client = stack.enter_context(Client(where, timeout=_PATIENCE))
        except (OSError, ValueError) as error:
            raise ToolError(f"no Dask scheduler answers at {scheduler}: {error}; start one (dask "
                            f"scheduler), or leave out --scheduler") from error
        futures = client.map(task, items, pure=False, retries=0)
        numbers = {future.key: number for number, future in enumerate(futures)}
        lost = "what was done is kept; give the same command again"
        for future in as_completed(futures):
            try:
                result = future.result()
            except KilledWorker as error:
                raise ToolError(f"a worker died and took its task with it, maybe for want of "
                                f"memory: {error}; take fewer jobs; {lost}") from error
            except (CancelledError, CommClosedError, TimeoutError) as error:
                raise ToolError(f"the scheduler was lost ({type(error).__name__}); {lost}"
                                ) from error
            yield numbers[future.key], result
