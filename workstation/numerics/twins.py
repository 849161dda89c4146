"""Plain-Python twins of the kernels of numbers: every window anew, every average value by value. Slow; tests hold the kernels to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

NAN = math.nan
ERFCX_SERIES_FROM = 12.0
"""From here on the asymptotic series of ``erfcx_twin`` is exact to double precision."""


def windows(values: Sequence[float], window: int) -> list[Sequence[float] | None]:
    """The last ``window`` values at each row; None while there are fewer.

    Examples
    --------
    >>> windows([1.0, 2.0, 3.0], 2)
    [None, [1.0, 2.0], [2.0, 3.0]]
    """
    return [values[row + 1 - window : row + 1] if row + 1 >= window else None for row in range(len(values))]


def sums_twin(values: Sequence[float], window: int, scale: float = 1.0) -> list[float]:
    """``scale`` times the exact sum of the last values (``window_sums``)."""
    return [NAN if last is None else scale * _sum(last) for last in windows(values, window)]


def moments_twin(values: Sequence[float], window: int) -> list[tuple[float, float]]:
    """Mean and sum of squared deviations of the last values, in two passes (``rolling_moments``)."""
    found = []
    for last in windows(values, window):
        mean = NAN if last is None else _sum(last) / window
        square = NAN if last is None else _sum([(value - mean) ** 2 for value in last])
        found.append((mean, square))
    return found


def extremes_twin(
    values: Sequence[float], window: int, choose: Callable[[Sequence[float]], float]
) -> list[float]:
    """``max`` or ``min`` of the last values, NaN where one of them is."""
    return [
        NAN if last is None or any(math.isnan(value) for value in last) else choose(last)
        for last in windows(values, window)
    ]


def ema_twin(values: Sequence[float], length: int, lag: int = 0) -> list[float]:
    """EMA of 2 x - x[lag] (of x without a lag), value by value; NaN goes by and leaves the average as it is."""
    out: list[float] = []
    average = NAN
    for row, value in enumerate(values):
        ahead = 2.0 * value - values[row - lag] if row >= lag > 0 else value
        if not math.isnan(ahead):
            average = ahead if math.isnan(average) else average + 2.0 / (length + 1) * (ahead - average)
        out.append(NAN if math.isnan(ahead) else average)
    return out


def summed_forward_twin(values: Sequence[float], ratio: float = 1.0) -> list[float]:
    """Sums of ``ratio**(j - k)`` times value k over k <= j (``simd.summed_forward``)."""
    return [_sum([ratio ** (j - k) * values[k] for k in range(j + 1)]) for j in range(len(values))]


def exp_twin(x: float) -> float:
    """e**x without subnormals: 0 under -708, inf over 709."""
    if x > 709.0:
        return math.inf
    return 0.0 if x < -708.0 else math.exp(x)


def log_twin(x: float) -> float:
    """The natural logarithm: -inf at 0 and of subnormals, NaN of negatives."""
    if math.isnan(x) or x < 0.0:
        return NAN
    return math.log(x) if x >= 2.0**-1022 else -math.inf


def log_ratio_twin(a: float, b: float) -> float:
    """ln(a/b) of positive numbers that keeps its digits near a = b."""
    return math.log1p((a - b) / b) if 0.5 * b < a < 2.0 * b else math.log(a / b)


def erfcx_twin(x: float) -> float:
    """exp(x**2) erfc(x) for x >= 0: as it stands, and far out by its asymptotic series."""
    if x < ERFCX_SERIES_FROM:
        return math.exp(x * x) * math.erfc(x)
    term = total = 1.0
    for k in range(1, 12):
        term *= -(2 * k - 1) / (2.0 * x * x)
        total += term
    return total / (x * math.sqrt(math.pi))


def _sum(values: Sequence[float]) -> float:
    """The exact sum, and what infinities and NaN make of one."""
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
