# SPDX-License-Identifier: Apache-2.0
"""Services of the host: files, caches, journals, untrusted input, optional packages."""
