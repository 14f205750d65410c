# SPDX-License-Identifier: Apache-2.0
"""Engines that run a program (``golden``, ``fast``, ``rtl``), their comparison, and studies."""
