# SPDX-License-Identifier: Apache-2.0
"""One place for how random tests are drawn: reproducible, and replayable from what they print."""
from hypothesis import HealthCheck, settings

settings.register_profile("openeie", deadline=None, derandomize=True, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow,
                                                 HealthCheck.data_too_large])
settings.load_profile("openeie")
