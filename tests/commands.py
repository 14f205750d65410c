# SPDX-License-Identifier: Apache-2.0
"""``openeie`` as a user types it, in a process of its own."""
import json
import os
import subprocess
import sys


def run(*arguments, code=0, cwd=None, env=None):
    """The finished process of ``openeie ...``, exit code checked."""
    done = subprocess.run([sys.executable, "-m", "openeie", *map(str, arguments)], cwd=cwd,
                          capture_output=True, text=True, env=os.environ | (env or {}))
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def run_json(*arguments, code=0, cwd=None):
    """What it prints with ``--json``."""
    result = json.loads(run(*arguments, "--json", code=code, cwd=cwd).stdout)
    assert result["schema_version"] == 1
    return result
