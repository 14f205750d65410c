# SPDX-License-Identifier: Apache-2.0
"""The cache of compiled arrays files a build only under the sources that it was made from."""
import pytest
from openeie.core.array.config import preset
from openeie.core.errors import ToolError
from openeie.core.host import cache
from openeie.sim.rtl import rtl


def test_sources_that_change_during_a_run_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENEIE_CACHE", str(tmp_path))
    monkeypatch.setattr(rtl, "build_library", lambda folder, *_, **__: None)
    with monkeypatch.context() as changed:
        changed.setattr(rtl, "_gateware_digest", lambda: "of another tree")
        with pytest.raises(ToolError, match="changed on disk"):
            rtl.build(preset("TINY"))
    assert not list((tmp_path / "rtl").iterdir())
    folder = rtl.build(preset("TINY"))
    assert folder.is_dir() and folder.parent == cache.cache_folder() / "rtl"
