# SPDX-License-Identifier: Apache-2.0
"""What ``docs/hw/draw.py`` is made of: the blocks, their drawings, port tables and traces."""
