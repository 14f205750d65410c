# SPDX-License-Identifier: Apache-2.0
"""Engines: what runs a program (``golden``, ``fast``, ``rtl``), and how they are compared."""
