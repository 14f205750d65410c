# SPDX-License-Identifier: Apache-2.0
"""The worked example of EIE's Figures 2 and 3."""
import numpy as np

# What PE 0 of 4 stores of a 16 x 8 matrix, as printed.
EIE_RUNS = [0, 1, 0, 1, 0, 2, 0, 0, 0, 2, 0, 2, 0]
EIE_POINTERS = [0, 3, 4, 6, 6, 8, 10, 11, 13]
EIE_ROWS = [0, 8, 12, 4, 0, 12, 0, 4, 0, 12, 0, 8, 12]


def eie_example():
    """The matrix of Figure 2: PE 0's weights are 1 .. 13 in order, the others' drawn once."""
    rng = np.random.default_rng(2016)
    dense = rng.integers(1, 100, (16, 8)) * (rng.random((16, 8)) < 0.3)
    dense[0::4] = 0
    dense[EIE_ROWS, np.repeat(np.arange(8), np.diff(EIE_POINTERS))] = np.arange(1, 14)
    return dense
