# SPDX-License-Identifier: Apache-2.0
"""Automatic choices under an accuracy budget: weights to keep, bits of codes."""
