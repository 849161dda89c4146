"""Mean and squared deviations of the last values, many values at a time: ``rolling``'s blocks of tails and head.

The head's sums are taken about its first value, so that each waits for one addition and not for a division of the mean
before it; of equal values the squares are exactly 0.
"""

from __future__ import annotations

from typing import Any

import numba

PIVOT, TOTAL, SQUARE = range(3)
HEAD_FIELDS = 3
"""A head: its first value, the sum of what the others are above it, their squared deviations from their mean."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fold_tails(means: Any, squares: Any, inverse: Any) -> None:
    """Replace the values of a full block (in ``means``) by mean and squares from each to the block's end."""
    window = means.size
    pivot = means[window - 1]
    total = square = mean = 0.0
    for many in range(1, window + 1):
        place = window - many
        above, before = means[place] - pivot, mean
        total += above
        mean = total * inverse[many]
        square += (above - before) * (above - mean)
        means[place], squares[place] = pivot + mean, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def grow_head(values: Any, at: int, head: Any, inverse: Any, mean_out: Any, square_out: Any) -> None:
    """Add values to a head of ``at`` values; write its mean and squares after each (Youngs and Cramer 1971)."""
    if at == 0:
        head[PIVOT], head[TOTAL], head[SQUARE] = values[0], 0.0, 0.0
    pivot, total, square = head[PIVOT], head[TOTAL], head[SQUARE]
    mean = total * inverse[at]
    shares = inverse[at + 1 : at + 1 + values.size]
    for place in range(values.size):
        above, before = values[place] - pivot, mean
        total += above
        mean = total * shares[place]
        square += (above - before) * (above - mean)
        mean_out[place], square_out[place] = pivot + mean, square
    head[TOTAL], head[SQUARE] = total, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def join_tails(
    means: Any, squares: Any, at: int, window: int, share: float, mean_out: Any, square_out: Any
) -> None:
    """Join heads of ``at`` values and more with the tails that make them whole windows (Chan, Golub, LeVeque 1983)."""
    for place in range(mean_out.size):
        many = at + place
        part = many * share
        apart = mean_out[place] - means[place]
        mean_out[place] = means[place] + apart * part
        square_out[place] += squares[place] + apart * apart * part * (window - many)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def window_moments(
    values: Any, at: int, head: Any, means: Any, squares: Any, inverse: Any, mean_out: Any, square_out: Any
) -> int:
    """Add values to a window; write mean and squares over the window after each, meaningless before it is full.

    Parameters
    ----------
    at
        Values in the head.
    head, means, squares
        State: the head, and the block's tails (in ``means`` the values before the head's end), as long as the window.
    inverse
        1 / n for n up to the window.

    Returns
    -------
    Values in the head afterwards.
    """
    window = means.size
    done = 0
    while done < values.size:
        many = min(values.size - done, window - at)
        own = values[done : done + many]
        mean, square = mean_out[done : done + many], square_out[done : done + many]
        grow_head(own, at, head, inverse, mean, square)
        until = at + many
        tails = min(until, window - 1)
        join_tails(
            means[at + 1 : tails + 1], squares[at + 1 : tails + 1], at + 1, window, inverse[window],
            mean[: tails - at], square[: tails - at],
        )  # fmt: skip
        means[at:until] = own
        done += many
        at = until
        if at == window:
            fold_tails(means, squares, inverse)
            at = 0
    return at
