# SPDX-License-Identifier: Apache-2.0
"""Random cases for verification, and the corner cases that they cover."""
