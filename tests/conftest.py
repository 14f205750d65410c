# SPDX-License-Identifier: Apache-2.0
"""One place for how random tests are drawn: reproducible, and replayable from what they print."""
import os
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("openeie", deadline=None, derandomize=True, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow,
                                                 HealthCheck.data_too_large])
settings.load_profile("openeie")


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=int(os.environ.get("OPENEIE_TEST_SEED", "1")),
                     help="seed of the tests' random numbers (also OPENEIE_TEST_SEED; default 1)")


def pytest_report_header(config):
    return f"random numbers: --seed {config.getoption('seed')}"


@pytest.fixture
def seed(request):
    """A number of its own for each test, from ``--seed``; a failure shows how to replay it."""
    base = request.config.getoption("seed")
    print(f"replay with: pytest --seed {base} '{request.node.nodeid}'")
    return base << 32 | zlib.crc32(request.node.name.encode())


@pytest.fixture
def rng(seed):
    """A generator of random numbers, seeded by ``seed``."""
    return np.random.default_rng(seed)
