# SPDX-License-Identifier: Apache-2.0
"""The encodings of weights as entries of the array's memories."""
