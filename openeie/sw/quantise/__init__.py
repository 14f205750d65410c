# SPDX-License-Identifier: Apache-2.0
"""From the float network to the integer network: scales, layers, what was lost."""
