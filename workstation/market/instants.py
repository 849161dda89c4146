"""Instants: int64 nanoseconds of UTC, and the one that stands for an unknown time."""

from __future__ import annotations

import numpy as np

MICROSECOND_NS = 1_000
MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
DAY_S = 86_400
YEAR_DAYS = 365
YEAR_NS = YEAR_DAYS * DAY_NS
"""A year of ACT/365, by which options are priced."""
AHEAD_NS = 10 * MINUTE_NS
"""A row dated more than this after it was received is not believed: no two clocks that serve are so far apart."""
NO_TIME = int(np.iinfo(np.int64).min)
"""The "unknown" of an int64 nanosecond column (pandas' NaT)."""
