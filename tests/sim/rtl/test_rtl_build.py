# SPDX-License-Identifier: Apache-2.0
"""The cache of compiled arrays keeps each build under the sources and options it was made from."""
import itertools
from contextlib import nullcontext

import pytest
from openeie.core.array.config import preset
from openeie.core.errors import ToolError
from openeie.core.host import cache
from openeie.sim.rtl import proof, rtl, verilog


@pytest.fixture(autouse=True)
def empty_builds(tmp_path, monkeypatch):
    """Builds with nothing in them, in a cache of their own."""
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    monkeypatch.setattr(rtl, "build_library", lambda folder, *_, **__: None)
    monkeypatch.setattr(proof, "prove", lambda by_port, directly: None)
    monkeypatch.setattr(rtl, "Rtl", lambda config, folder: nullcontext())


def test_sources_that_change_during_a_run_are_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as changed:
        changed.setattr(rtl, "_gateware_digest", lambda: "of another tree")
        with pytest.raises(ToolError, match="changed on disk"):
            rtl.build(preset("TINY"))
    assert not list((tmp_path / "rtl").iterdir())
    folder = rtl.build(preset("TINY"))
    assert folder.is_dir() and folder.parent == cache.cache_folder() / "rtl"


def test_arrays_that_differ_have_builds_of_their_own(monkeypatch):
    """The key covers everything that changes the Verilog or how it is compiled."""
    monkeypatch.setattr(verilog, "generate", lambda config: "")
    config = preset("TINY")
    builds = [rtl.build(config), rtl.build(config, trace=True)]
    for changes in ({"pes": config.pes + 1}, {"queue_depth": config.queue_depth * 2},
                    {"encodings": ("csr",)}, {"counter_width": 24}, {"acc_banks": 1},
                    {"operations": ("linear", "conv")}):
        changed = config.replace(**changes)
        assert changed != config
        builds.append(rtl.build(changed))
    with monkeypatch.context() as changed:
        changed.setattr(rtl, "_GATEWARE", "another PE")
        changed.setattr(rtl, "_gateware_digest", lambda: "another PE")
        builds.append(rtl.build(config))
    assert all(a != b for a, b in itertools.combinations(builds, 2))
    assert rtl.build(config) == builds[0]
