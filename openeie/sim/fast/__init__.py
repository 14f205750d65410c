# SPDX-License-Identifier: Apache-2.0
"""Engine ``fast``: values from the memory images, cycles and counters from the recurrence."""
