# SPDX-License-Identifier: Apache-2.0
"""Engine ``rtl``: the gateware, compiled by Verilator and driven through its ports."""
