# SPDX-License-Identifier: Apache-2.0
"""What the fuzzer feeds to the importers: whole files are read, damaged ones have one error."""
import sys
from pathlib import Path

import numpy as np
import pytest
from openeie.core.errors import OpenEIEError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import fuzz_importers  # noqa: E402


@pytest.mark.filterwarnings("ignore::RuntimeWarning")       # of damaged numbers
@pytest.mark.parametrize("target", fuzz_importers.TARGETS, ids=lambda target: target[0])
def test_whole_and_damaged_files(target, tmp_path, rng):
    name, make, parse, *_ = target
    path, refused = tmp_path / name, 0
    for seed in range(3):
        whole = make(np.random.default_rng(seed))
        assert whole == make(np.random.default_rng(seed))
        path.write_bytes(whole)
        assert parse(path) is not None
        for _ in range(20):
            damaged = bytearray(whole)
            for _ in range(4):
                damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged[:rng.integers(len(whole))] if rng.random() < 0.2 else damaged)
            try:
                parse(path)
            except OpenEIEError:
                refused += 1
    assert refused
