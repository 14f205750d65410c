# SPDX-License-Identifier: Apache-2.0
"""Gateware: the array in Amaranth, one block a file."""
