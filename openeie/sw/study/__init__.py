# SPDX-License-Identifier: Apache-2.0
"""The measurements of Deep Compression's paper (Han et al., ICLR 2016), as numbers and figures."""
