# SPDX-License-Identifier: Apache-2.0
"""A run as an HTML page and as a timeline."""
