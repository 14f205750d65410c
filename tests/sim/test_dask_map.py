# SPDX-License-Identifier: Apache-2.0
"""Tasks in other processes give results, their own errors, or an error that names a lost worker."""
import os

import pytest
from openeie.core.errors import InputError, ToolError
from openeie.sim.dask_map import spread


def work(item):
    if item == "die":
        os._exit(1)
    if item == "raise":
        raise InputError("of the task")
    return item * 2


def test_results_come_with_their_numbers():
    for jobs in (1, 2):
        assert sorted(spread(work, [3, 4, 5], jobs)) == [(0, 6), (1, 8), (2, 10)]


def test_a_tasks_error_is_its_own_and_a_dead_worker_is_named():
    with pytest.raises(InputError, match="of the task"):
        list(spread(work, [1, "raise"], 2))
    with pytest.raises(ToolError, match="worker processes died at the task"):
        list(spread(work, [1, "die", 3], 2))
