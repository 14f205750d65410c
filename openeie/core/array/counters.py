# SPDX-License-Identifier: Apache-2.0
"""Each PE's performance counters: what it did in every cycle, and how many outputs saturated."""

__all__ = ["COUNTERS", "SATURATED"]

#: In the order of the hardware's counter memory. In every cycle of a layer exactly one of them
#: counts, so a PE's seven values add up to the layer's cycles.
#:
#: ``busy``          executes an entry with a weight;
#: ``filler``        executes an entry that only carries a run of zeros;
#: ``empty_column``  has received a column in which it has no entry;
#: ``starved``       is idle because no further non-zero activation has been found yet;
#: ``blocked``       is idle because another PE's full queue stops the broadcast;
#: ``writeback``     is idle while its accumulators are written back;
#: ``drain``         has finished, while other PEs have not.
COUNTERS = ("busy", "filler", "empty_column", "starved", "blocked", "writeback", "drain")

#: Index of the counter behind them. It counts outputs, not cycles: those that saturation changed.
SATURATED = len(COUNTERS)
