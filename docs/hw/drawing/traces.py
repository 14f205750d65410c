# SPDX-License-Identifier: Apache-2.0
"""A worked trace of each block on the way from an activation to a product."""
from openeie.hw import lnzd

from .simulate import Feed, Trace
from .worked import CONFIG

__all__ = ["TRACES"]


def _lnzd():
    rows = [{"acts": [3, 0], "column": 0, "last": 0}, {"acts": [0, 0], "column": 2, "last": 0},
            {"acts": [-2, 5], "column": 4, "last": 1}]
    return Trace(
        lnzd.Lnzd(CONFIG), 7, {"i": Feed(rows), "o.ready": 1}, ("i", "o"),
        {0: "row 0 is taken into the buffer", 1: "its only hit leaves, so row 1 is taken",
         2: "row 1 has no hit and costs this one cycle", 3: "lane 0: column 4 + 0",
         4: "lane 1: column 4 + 1", 5: "the row was the vector's last: a token follows",
         6: "nothing to do"},
        fields={"i": ("acts", "column", "last")})


TRACES = {"lnzd": _lnzd}
