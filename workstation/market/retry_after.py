"""``Retry-After`` of an HTTP answer."""

from __future__ import annotations

import datetime
import math
import time
from email.utils import parsedate_to_datetime


def seconds_until_retry(told: str | None) -> float | None:
    """``Retry-After`` in seconds from now: a number or a date (RFC 9110, section 10.2.3); None when it says neither.

    Examples
    --------
    >>> [seconds_until_retry(told) for told in ("3", "-1", "nan", "soon", "", None)]
    [3.0, 0.0, None, None, None, None]
    >>> seconds_until_retry("Wed, 21 Oct 2015 07:28:00 GMT")
    0.0
    """
    if not told:
        return None
    try:
        seconds = float(told)
    except ValueError:
        try:
            when = parsedate_to_datetime(told)
        except (ValueError, OverflowError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=datetime.UTC)
        seconds = when.timestamp() - time.time()
    return max(seconds, 0.0) if math.isfinite(seconds) else None
