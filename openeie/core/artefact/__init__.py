# SPDX-License-Identifier: Apache-2.0
"""The artefact, ``*.eie``: its header, its payloads, and what is in it."""
