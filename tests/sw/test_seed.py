# SPDX-License-Identifier: Apache-2.0
"""Seeds: every integer that torch's generators take, as Python's own; nothing else."""
import numpy as np
import pytest
import torch
from openeie.core.errors import InputError
from openeie.sw.seed import check_seed


@pytest.mark.parametrize("seed", [0, 3, 2**63 - 1, np.int64(3), np.uint8(255),
                                  np.uint64(2**63 - 1)])
def test_integers_become_python_s_own(seed):
    checked = check_seed(seed)
    assert type(checked) is int and checked == seed
    assert torch.Generator().manual_seed(checked).initial_seed() == checked


@pytest.mark.parametrize("seed", [-1, 2**63, 99999999999999999999, np.uint64(2**64 - 1), True,
                                  np.bool_(True), 3.0, "3", None])
def test_anything_else_is_refused(seed):
    with pytest.raises(InputError, match=r"^--seed must be an integer in 0 \.\. 2\*\*63 - 1, not"):
        check_seed(seed, "--seed")
