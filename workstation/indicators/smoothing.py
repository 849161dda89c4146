"""Moving averages of arrays: SMA, EMA, ZLMA.

What the values are does not matter. NaN: an average that does not know a value goes on without it and is NaN there
(EMA, ZLMA), or is NaN while it is in the window (SMA).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.rolling import Floats, column

BLOCK = 1024
"""Values worked on at a time in ``sma``, so that its sums stay in the first-level cache."""


@numba.njit(cache=True, nogil=True)
def ema_step(average: float, value: float, alpha: float) -> float:
    """The EMA after one more value."""
    return average + alpha * (value - average)


def ema_alpha(length: int) -> float:
    """Weight of the newest value, 2 / (length + 1)."""
    return 2.0 / (length + 1)


def zlma_lag(length: int) -> int:
    """How many values back ZLMA looks, (length - 1) // 2."""
    return (length - 1) // 2


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _seed(values: Any, out: Any) -> int:
    """Place of the first value that is not NaN; what is before it becomes NaN."""
    first = 0
    while first < values.size and np.isnan(values[first]):
        out[first] = np.nan
        first += 1
    return first


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _ema(values: Any, alpha: float, out: Any) -> None:
    """EMA eight values at a time: e[i + j] = b^(j + 1) e[i - 1] + (weighted values), so that a value waits for the one
    eight before it and not for its neighbour."""
    first = _seed(values, out)
    if first == values.size:
        return
    b = 1.0 - alpha
    b2 = b * b
    b3, b4 = b2 * b, b2 * b2
    b8 = b4 * b4
    e = values[first]
    blocks = first + (values.size - first) // 8 * 8
    for i in range(first, blocks, 8):
        v0, v1, v2, v3 = values[i], values[i + 1], values[i + 2], values[i + 3]
        v4, v5, v6, v7 = values[i + 4], values[i + 5], values[i + 6], values[i + 7]
        total = ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7))
        if total != total:
            for j in range(i, i + 8):
                if values[j] == values[j]:
                    e = e + alpha * (values[j] - e)
                    out[j] = e
                else:
                    out[j] = np.nan
            continue
        y0 = alpha * v0
        y1 = alpha * v1 + b * y0
        y2 = alpha * v2 + b * y1
        y3 = alpha * v3 + b * y2
        z0 = alpha * v4
        z1 = alpha * v5 + b * z0
        z2 = alpha * v6 + b * z1
        z3 = alpha * v7 + b * z2
        f = y3 + b4 * e
        out[i] = y0 + b * e
        out[i + 1] = y1 + b2 * e
        out[i + 2] = y2 + b3 * e
        out[i + 3] = f
        out[i + 4] = z0 + b * f
        out[i + 5] = z1 + b2 * f
        out[i + 6] = z2 + b3 * f
        e = (z3 + b4 * y3) + b8 * e
        out[i + 7] = e
    for i in range(blocks, values.size):
        if values[i] == values[i]:
            e = e + alpha * (values[i] - e)
            out[i] = e
        else:
            out[i] = np.nan


@numba.njit(cache=True, nogil=True)
def _without_lag(values: Any, lag: int, out: Any) -> None:
    """2 x - x[lag]; x itself for the first ``lag``."""
    for i in range(min(lag, values.size)):
        out[i] = values[i]
    for i in range(lag, values.size):
        out[i] = 2.0 * values[i] - values[i - lag]


@numba.njit(cache=True, nogil=True)
def _four(a: Any, b: Any, c: Any, d: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] = (a[i] + b[i]) + (c[i] + d[i])


@numba.njit(cache=True, nogil=True)
def _joined(a: Any, b: Any, scale: float, out: Any) -> None:
    for i in range(out.size):
        out[i] = (a[i] + b[i]) * scale


@numba.njit(cache=True, nogil=True)
def _scaled(a: Any, scale: float, out: Any) -> None:
    for i in range(out.size):
        out[i] = a[i] * scale


@numba.njit(cache=True, nogil=True)
def _sma(values: Any, length: int, out: Any) -> None:
    """Each window's sum anew, of sums of 1, 4, 16, ... neighbours: one loop over a block each, which the compiler
    vectorises as long as no loop reads what it writes."""
    scale = 1.0 / length
    for i in range(min(length - 1, values.size)):
        out[i] = np.nan
    pieces, levels = 0, 0
    left = length
    while left:
        pieces += left % 4
        levels += 1
        left //= 4
    sums, totals = np.empty((levels, BLOCK + length)), np.empty((2, BLOCK))
    for begin in range(0, values.size - length + 1, BLOCK):
        outputs = min(BLOCK, values.size - length + 1 - begin)
        width = outputs + length - 1
        done = out[begin + length - 1 : begin + length - 1 + outputs]
        level = values[begin : begin + width]
        total = level
        made, covered, span, left, depth = 0, 0, 1, length, 0
        while made < pieces:
            for _ in range(left % 4):
                piece = level[covered : covered + outputs]
                made += 1
                covered += span
                if made == pieces:
                    if pieces == 1:
                        _scaled(piece, scale, done)
                    else:
                        _joined(total, piece, scale, done)
                elif made == 1:
                    total = piece
                else:
                    spare = totals[made % 2][:outputs]
                    _joined(total, piece, 1.0, spare)
                    total = spare
            left //= 4
            if left == 0:
                break
            width -= 3 * span
            depth += 1
            wider = sums[depth][:width]
            _four(
                level[:width], level[span : span + width], level[2 * span : 2 * span + width],
                level[3 * span : 3 * span + width], wider,
            )  # fmt: skip
            level = wider
            span *= 4


def sma(values: npt.ArrayLike, length: int = 20) -> Floats:
    """Simple moving average: the mean of the last ``length`` values.

    Parameters
    ----------
    values
        Shape (n,).
    length
        At least 1.

    Returns
    -------
    numpy.ndarray
        Shape (n,); NaN for the first ``length - 1`` and while a NaN is in the window. Every window is summed anew
        (pairwise), so nothing drifts.

    Examples
    --------
    >>> sma([1.0, 2.0, 3.0, 5.0], 2).tolist()
    [nan, 1.5, 2.5, 4.0]
    """
    array = column(values, length, "length")
    out = np.empty(array.size)
    _sma(array, int(length), out)
    return out


def ema(values: npt.ArrayLike, length: int = 20) -> Floats:
    """Exponential moving average, alpha = 2 / (length + 1), seeded with the first value.

    Parameters
    ----------
    values
        Shape (n,).
    length
        At least 1.

    Returns
    -------
    numpy.ndarray
        Shape (n,). NaN where the value is NaN; the average goes on from the one before it.

    Examples
    --------
    >>> ema([1.0, 2.0, float("nan"), 3.0], 3).tolist()
    [1.0, 1.5, nan, 2.25]
    """
    array = column(values, length, "length")
    out = np.empty(array.size)
    _ema(array, ema_alpha(int(length)), out)
    return out


def zlma(values: npt.ArrayLike, length: int = 20) -> Floats:
    """Zero-lag moving average: the EMA of 2 x - x[lag], lag = (length - 1) // 2; of x itself for the first ``lag``.

    Parameters
    ----------
    values
        Shape (n,).
    length
        At least 1.

    Returns
    -------
    numpy.ndarray
        Shape (n,). NaN where the value or the one ``lag`` before it is NaN. Overshoots: it can leave the range of
        the values.

    Examples
    --------
    >>> zlma([1.0, 2.0, 4.0], 3).tolist()
    [1.0, 2.0, 4.0]
    """
    array = column(values, length, "length")
    ahead = np.empty(array.size)
    _without_lag(array, zlma_lag(int(length)), ahead)
    _ema(ahead, ema_alpha(int(length)), ahead)
    return ahead


SMOOTHINGS: Mapping[str, Callable[..., Floats]] = {"sma": sma, "ema": ema, "zlma": zlma}
"""The averages by name, each ``(values, length=20)``."""
