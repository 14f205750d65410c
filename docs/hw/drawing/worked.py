# SPDX-License-Identifier: Apache-2.0
"""The example that the traces share: two PEs, small memories."""
from openeie import ArrayConfig

__all__ = ["CONFIG"]

#: Two PEs whose queues hold two items.
CONFIG = ArrayConfig(pes=2, queue_depth=2, act_width=8, weight_width=8, acc_width=32,
                     entry_depth=16, pointer_depth=16, act_depth=16, acc_depth=8,
                     channel_depth=8, max_layers=2, max_code_length=4)
