# SPDX-License-Identifier: Apache-2.0
"""The network as integer layers, independent of any array."""
