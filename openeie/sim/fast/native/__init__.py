# SPDX-License-Identifier: Apache-2.0
"""The loops of ``fast`` in C++, compiled once on this machine."""
