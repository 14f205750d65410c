# SPDX-License-Identifier: Apache-2.0
"""Networks to train and compress here: torch modules that are made without arguments."""
