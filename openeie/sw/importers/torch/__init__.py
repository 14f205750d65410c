# SPDX-License-Identifier: Apache-2.0
"""torch modules as float graphs, and weights from files into modules."""
