# SPDX-License-Identifier: Apache-2.0
"""What every part agrees on: configuration, encodings, numbers, files. Python and numpy only."""
