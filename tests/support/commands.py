# SPDX-License-Identifier: Apache-2.0
"""``openeie`` as a user types it: in this process, which has loaded everything, or in its own."""
import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from types import SimpleNamespace
from unittest import mock

from openeie.cli import main


def run(*arguments, code=0, cwd=None):
    """``stdout``, ``stderr`` and ``returncode`` of ``openeie ...``, the exit code checked."""
    words = ["openeie", *map(str, arguments)]
    stdout, stderr = io.StringIO(), io.StringIO()
    with (mock.patch.object(sys, "argv", words), contextlib.chdir(cwd or "."),
          contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr)):
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        except Exception:               # what Python itself would print of it
            traceback.print_exc()
            status = 1
    return _checked(SimpleNamespace(returncode=status, stdout=stdout.getvalue(),
                                    stderr=stderr.getvalue()), code)


def run_alone(*arguments, code=0, cwd=None, env=None):
    """The finished process of ``openeie ...``, with ``env`` added to its environment."""
    return _checked(subprocess.run(
        [sys.executable, "-m", "openeie", *map(str, arguments)], cwd=cwd, capture_output=True,
        text=True, env=os.environ | (env or {})), code)


def _checked(done, code):
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def run_json(*arguments, code=0, cwd=None):
    """What it prints with ``--json``."""
    result = json.loads(run(*arguments, "--json", code=code, cwd=cwd).stdout)
    assert result["schema_version"] == 1
    return result
