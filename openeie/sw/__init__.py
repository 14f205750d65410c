# SPDX-License-Identifier: Apache-2.0
"""The torch front end: train, prune, share and quantise a network into the integer graph.

Importing this package does not import torch; its modules do, except ``data`` and
``networks.shipped``.
"""
