# SPDX-License-Identifier: Apache-2.0
"""The float network as a graph of operators, and its execution with torch."""
