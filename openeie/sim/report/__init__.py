# SPDX-License-Identifier: Apache-2.0
"""A run as one page to read, and as a timeline to look into."""
