# SPDX-License-Identifier: Apache-2.0
"""Networks from elsewhere: their files in, a :class:`openeie.sw.float.graph.FloatGraph` out."""
