# SPDX-License-Identifier: Apache-2.0
"""Boards: pins, clocks and memory budgets. Empty until the issue that brings them."""
