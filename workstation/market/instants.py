"""Instants: int64 nanoseconds of UTC, and the one that stands for an unknown time."""

from __future__ import annotations

import numpy as np

AHEAD_NS = 10 * 60 * 10**9
"""A row dated more than this after it was received is not believed: no two clocks that serve are so far apart."""
NO_TIME = int(np.iinfo(np.int64).min)
"""The "unknown" of an int64 nanosecond column (pandas' NaT)."""
