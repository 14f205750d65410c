# SPDX-License-Identifier: Apache-2.0
"""The version of this package."""

__all__ = ["VERSION"]

#: As in pyproject.toml; a test compares them.
VERSION = "0.1.0"
