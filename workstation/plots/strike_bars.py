"""Bars of an exposure by strike: calls and puts from the middle."""

from __future__ import annotations

import numpy as np


def bars(strikes: np.ndarray, call: np.ndarray, put: np.ndarray) -> dict[str, np.ndarray]:
    """Bars of calls and puts; of one sign they are stacked, else each starts at zero.

    Examples
    --------
    >>> shape = bars(np.array([90.0, 100.0]), np.array([2.0, -1.0]), np.array([-1.0, -3.0]))
    >>> shape["put_left"].tolist(), shape["put_right"].tolist()
    ([-1.0, -4.0], [0.0, -1.0])
    """
    start = np.where(call * put > 0, call, 0.0)
    gap = np.diff(strikes).min() if strikes.size > 1 else 1.0
    return {
        "strike": strikes,
        "height": np.full(strikes.size, 0.68 * gap),
        "call_left": np.minimum(call, 0.0),
        "call_right": np.maximum(call, 0.0),
        "put_left": np.minimum(start, start + put),
        "put_right": np.maximum(start, start + put),
        "net": call + put,
        "call": call,
        "put": put,
        "cumulative": np.cumsum(call + put),
        "drawn": np.zeros(strikes.size),
    }
