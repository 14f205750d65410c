# SPDX-License-Identifier: Apache-2.0
"""The host link: from a UART's pins to the accelerator's ports, one block a file."""
