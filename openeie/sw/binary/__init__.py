# SPDX-License-Identifier: Apache-2.0
"""Binary networks (BWN and XNOR-Net): torch modules, their training, and their export."""
