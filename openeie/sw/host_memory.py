# SPDX-License-Identifier: Apache-2.0
"""How much memory this process can have."""
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["memory_bytes"]

_UNKNOWN = 1 << 36
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


@cache
def memory_bytes() -> int:
    """Bytes of memory: the machine's, or the container's limit if that is lower; 64 GiB where
    neither is known."""
    total = _UNKNOWN
    with suppress(AttributeError, ValueError, OSError):         # not on every system
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(ValueError, OSError):                         # "max": no limit
        total = min(total, int(_CONTAINER.read_text()))
    return total
