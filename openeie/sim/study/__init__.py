# SPDX-License-Identifier: Apache-2.0
"""Questions asked of many arrays at once: the paper's own, and a design space of one's own."""
