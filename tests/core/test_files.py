# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or not there."""
import pytest
from openeie.core.files import replace_file


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()])
def test_what_fails_leaves_what_was_there(tmp_path, monkeypatch, error):
    path = tmp_path / "file"
    replace_file(path, b"first")
    assert path.read_bytes() == b"first" and path.stat().st_mode & 0o777 == 0o644

    def fail(descriptor):
        raise error
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(type(error)):
        replace_file(path, b"second")
    assert path.read_bytes() == b"first" and list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    replace_file(path, b"second")
    assert path.read_bytes() == b"second" and list(tmp_path.iterdir()) == [path]
