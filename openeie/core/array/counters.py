# SPDX-License-Identifier: Apache-2.0
"""What each PE did in each cycle of a layer, seven exclusive counters that add up to the total,
and how many of its outputs saturated."""

__all__ = ["COUNTERS", "SATURATED"]

#: In the order of the hardware's counter memory. Exactly one of them counts in every cycle.
#:
#: ``busy``          an entry with a weight is executed;
#: ``filler``        an entry that only carries a run is executed;
#: ``empty_column``  a broadcast column holds no entry for this PE;
#: ``starved``       nothing to do, because no non-zero activation has been found yet;
#: ``blocked``       nothing to do, because another PE's full queue holds the broadcast up;
#: ``writeback``     nothing to do, while this PE's accumulators are written back;
#: ``drain``         this PE has finished, others have not.
COUNTERS = ("busy", "filler", "empty_column", "starved", "blocked", "writeback", "drain")

#: Place behind them of a counter that counts outputs and not cycles: those that saturation changed.
SATURATED = len(COUNTERS)
