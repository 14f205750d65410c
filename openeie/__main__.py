# SPDX-License-Identifier: Apache-2.0
"""``python -m openeie`` is the command ``openeie``."""
from openeie.cli import main

main()
