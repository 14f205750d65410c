# SPDX-License-Identifier: Apache-2.0
"""Which files the gateware is made from: builds and bitstreams are known by their contents."""
import hashlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["GATEWARE", "gateware_sources", "source_digest"]

#: Parts of core that the gateware, or a host that drives it, takes its widths and codes from.
#: A test holds this against what is imported while Verilog is generated. ``errors`` and ``host``
#: are left out: what is refused is not built, and where files are kept shapes nothing.
GATEWARE = ("array/*.py", "numbers/fixed.py")

_CORE = Path(__file__).resolve().parent


def gateware_sources() -> list[Path]:
    """Files of the array, the same for every board and simulator: those of :data:`GATEWARE`, and
    all of hw."""
    of_core = (path for pattern in GATEWARE for path in _CORE.glob(pattern))
    return [*of_core, *(_CORE.parent / "hw").rglob("*.py")]


def source_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of files, hex: what a build depends on."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
