"""Instants: int64 nanoseconds of UTC, and the one that stands for an unknown time."""

from __future__ import annotations

import numpy as np

NO_TIME = int(np.iinfo(np.int64).min)
"""The "unknown" of an int64 nanosecond column (pandas' NaT)."""
