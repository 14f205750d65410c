# SPDX-License-Identifier: Apache-2.0
"""Importers of foreign networks; each gives a :class:`openeie.sw.float.graph.FloatGraph`."""
