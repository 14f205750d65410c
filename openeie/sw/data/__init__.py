# SPDX-License-Identifier: Apache-2.0
"""Data sets, and files of arrays that a user brings. Needs numpy only."""
