# SPDX-License-Identifier: Apache-2.0
"""What a run looks like: tables, charts and waveforms."""
