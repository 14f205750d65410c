# SPDX-License-Identifier: Apache-2.0
"""Integers: fixed-point rules, sparse weights, matrices of signs."""
