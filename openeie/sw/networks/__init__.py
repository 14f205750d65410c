# SPDX-License-Identifier: Apache-2.0
"""Example networks to train and compress: torch modules whose classes take no arguments."""
