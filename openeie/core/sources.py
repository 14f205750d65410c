# SPDX-License-Identifier: Apache-2.0
"""The files from which the gateware is made. Builds and bitstreams are identified by their digest.
"""
import hashlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["GATEWARE", "gateware_sources", "source_digest"]

#: Files of core from which the gateware, or a host that drives it, takes widths and codes. A test
#: compares this with what is imported while Verilog is generated. ``errors`` and ``host`` are left
#: out because they do not influence the gateware.
GATEWARE = ("array/*.py", "numbers/fixed.py")

_CORE = Path(__file__).resolve().parent


def gateware_sources() -> list[Path]:
    """Source files of the array, the same for every board and simulator: those of
    :data:`GATEWARE`, and all of hw."""
    of_core = (path for pattern in GATEWARE for path in _CORE.glob(pattern))
    return [*of_core, *(_CORE.parent / "hw").rglob("*.py")]


def source_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the names and contents of files, hex."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
