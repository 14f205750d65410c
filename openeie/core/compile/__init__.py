# SPDX-License-Identifier: Apache-2.0
"""From a network to what an array executes: encodings, tiles, memory images, descriptors."""
