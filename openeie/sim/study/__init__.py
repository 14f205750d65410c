# SPDX-License-Identifier: Apache-2.0
"""Studies of many arrays: the paper's own figures and tables, and sweeps of a design space."""
