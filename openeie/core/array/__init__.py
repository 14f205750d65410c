# SPDX-License-Identifier: Apache-2.0
"""The array's parameters, descriptors, ports and timing: what the gateware is made from."""
