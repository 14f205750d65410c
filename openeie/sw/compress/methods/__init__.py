# SPDX-License-Identifier: Apache-2.0
"""The methods of compression: pruning, weight sharing, distillation, and the training between."""
