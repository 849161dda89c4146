"""Millions of points on a screen of a thousand pixels: what is drawn of them so that the picture is the same.

Of every pixel column the first, lowest, highest and last point are kept (M4: Jugel et al., VLDB 2014), so that a line drawn
through them looks as the line through all. Times are sorted.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

COLUMNS = 1_000
"""Pixel columns of a plot, at the most."""


def kept_rows(
    times: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    *,
    start: int,
    end: int,
    columns: int = COLUMNS,
) -> npt.NDArray[np.int64]:
    """Rows to draw of those with ``start <= time <= end``, with one more at either side, so that the line leaves the plot.

    Parameters
    ----------
    times
        Shape (n,), ascending, any unit.
    values
        Shape (n,); NaN is passed over.
    start, end
        What is shown.
    columns
        Pixel columns.

    Returns
    -------
    numpy.ndarray
        Ascending rows, at most four a column and two more.

    Examples
    --------
    >>> times = np.arange(1_000_000)
    >>> rows = kept_rows(times, np.sin(times / 1e5), start=0, end=999_999, columns=100)
    >>> rows.size <= 402, rows[0].item(), rows[-1].item()
    (True, 0, 999999)
    """
    first = max(int(np.searchsorted(times, start, "left")) - 1, 0)
    last = min(int(np.searchsorted(times, end, "right")) + 1, times.size)
    if last - first <= 4 * columns:
        return np.arange(first, last)
    edges = np.linspace(float(start), float(end), columns + 1)[1:]
    stops = np.searchsorted(times[first:last], edges.astype(np.int64), "right") + first
    stops = np.concatenate(([first + 1], stops, [last]))
    return _four_a_column(values, first, stops)


@numba.njit(cache=True)
def _four_a_column(
    values: npt.NDArray[np.float64], first: int, stops: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    kept = np.empty(4 * stops.size, dtype=np.int64)
    count, start = 0, first
    for stop in stops:
        if stop <= start:
            continue
        low, high = -1, -1
        for row in range(start, stop):
            value = values[row]
            if value != value:
                continue
            if low < 0 or value < values[low]:
                low = row
            if high < 0 or value > values[high]:
                high = row
        if low > high:
            low, high = high, low
        for row in (start, low, high, stop - 1):
            if row >= 0 and (count == 0 or row > kept[count - 1]):
                kept[count] = row
                count += 1
        start = stop
    return kept[:count]


def joined_candles(
    groups: npt.NDArray[np.int64], columns: dict[str, npt.NDArray[np.float64]]
) -> dict[str, npt.NDArray[np.float64]]:
    """Candles of a longer timeframe from those that begin at the rows ``groups`` (ascending, the first 0).

    Examples
    --------
    >>> made = joined_candles(np.array([0, 2]), {
    ...     "open": np.array([1.0, 2.0, 3.0]), "high": np.array([2.0, 5.0, 4.0]), "low": np.array([0.5, 1.0, 2.5]),
    ...     "close": np.array([2.0, 3.0, 2.8]), "volume": np.array([1.0, 2.0, 4.0])})
    >>> {name: values.tolist() for name, values in made.items()}
    {'open': [1.0, 3.0], 'high': [5.0, 4.0], 'low': [0.5, 2.5], 'close': [3.0, 2.8], 'volume': [3.0, 4.0]}
    """
    ends = np.concatenate((groups[1:], [columns["open"].size])) - 1
    return {
        "open": columns["open"][groups],
        "high": np.fmax.reduceat(columns["high"], groups),
        "low": np.fmin.reduceat(columns["low"], groups),
        "close": columns["close"][ends],
        "volume": np.add.reduceat(columns["volume"], groups),
    }
