# SPDX-License-Identifier: Apache-2.0
"""Compression of float networks (Deep Compression): pruning, weight sharing and retraining."""
