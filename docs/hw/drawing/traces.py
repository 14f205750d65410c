# SPDX-License-Identifier: Apache-2.0
"""A worked trace of every block."""
from . import traces_broadcast, traces_link, traces_pe, traces_whole

__all__ = ["TRACES"]

#: What makes a block's :class:`Trace`, by the name of its page.
TRACES = (traces_broadcast.TRACES | traces_pe.TRACES | traces_whole.TRACES | traces_link.TRACES)
