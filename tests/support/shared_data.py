# SPDX-License-Identifier: Apache-2.0
"""Data of others, which lies beside the checkout and is no part of the project."""
from pathlib import Path

import pytest

__all__ = ["DATA", "MNIST", "needs_mnist"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
#: MNIST's four files.
MNIST = DATA / "mnist"

needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason=f"{MNIST} is not here")
