# SPDX-License-Identifier: Apache-2.0
"""Random cases for verification, and which corners they reached."""
