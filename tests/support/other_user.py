# SPDX-License-Identifier: Apache-2.0
"""Processes of a user who owns nothing and has no home, as a root test run can start them."""
import functools
import os
import shutil
import subprocess
import sys

import pytest

#: Debian's ``nobody``; on most systems no account at all.
UID = 65534
#: Where an interpreter or a clone lies in a folder of root's alone, the other user may look
#: through it, and write nothing all the same.
_MAY_READ = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]


@functools.cache
def _prefix():
    """The command that makes another user of who runs it; None if there is none."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        return None
    for more in ([], _MAY_READ):
        prefix = [shutil.which("setpriv"), "--reuid", str(UID), "--regid", str(UID),
                  "--clear-groups", *more]
        # A child, too: the first one may have been started with root's eyes still.
        probe = "import numpy, subprocess, sys; subprocess.run([sys.executable, '-V'], check=True)"
        if not subprocess.run([*prefix, sys.executable, "-c", probe], capture_output=True,
                              cwd="/").returncode:
            return prefix
    return None


def run(words, *, cwd, **environment):
    """The finished process of this Python with arguments ``words``, as another user without a
    home; ``environment`` is all that it has beside PATH. Skips the test where that cannot be."""
    if _prefix() is None:
        pytest.skip("not root, or no other user id can run this Python: it takes setpriv "
                    "(Debian: util-linux)")
    return subprocess.run([*_prefix(), sys.executable, *map(str, words)], cwd=cwd, text=True,
                          capture_output=True, env={"PATH": os.environ["PATH"],
                                                    "HOME": "/nonexistent"} | environment)
