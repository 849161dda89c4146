"""Instants: int64 nanoseconds of UTC, and the one that stands for an unknown time."""

from __future__ import annotations

import numpy as np

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
AHEAD_NS = 10 * MINUTE_NS
"""A row dated more than this after it was received is not believed: no two clocks that serve are so far apart."""
NO_TIME = int(np.iinfo(np.int64).min)
"""The "unknown" of an int64 nanosecond column (pandas' NaT)."""
