"""Forward returns: from the first price strictly after a signal to the price at a horizon, without look-ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.calendar import sessions
from workstation.market.errors import SymbolError
from workstation.market.instants import NO_TIME
from workstation.market.symbology import parse
from workstation.research.evaluation.errors import EvaluationError
from workstation.research.evaluation.price_paths import Floats, Instants, PricePath

OUTCOMES = ("measured", "no prices", "no price after it", "prices end before", "stale price", "no session")
"""What became of a signal at a horizon; all but the first leave its return NaN."""
MEASURED, NO_PRICES, NO_ENTRY, ENDS, STALE, NO_SESSION = range(len(OUTCOMES))
CLOSE = "close"


class Horizons(NamedTuple):
    """Horizons by label, in ns; 0 = at the close of the session the signal is in."""

    labels: tuple[str, ...]
    lengths_ns: tuple[int, ...]


class Forward(NamedTuple):
    """Forward returns of n signals over h horizons.

    ``bps`` (n, h): 1e4 ln(exit / entry) times the side; ``outcome`` (n, h) index of OUTCOMES; ``entry_ns`` (n,) and ``exit_ns``
    (n, h): the horizon's end; ``entry``, ``last``: places of the prices in the instrument's path, -1: none.
    """

    bps: Floats
    outcome: npt.NDArray[np.int8]
    entry_ns: Instants
    exit_ns: Instants
    entry: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]


def read_horizons(horizons: Sequence[str], close: bool) -> Horizons:
    """Horizons as ns.

    >>> read_horizons(["1min"], True)
    Horizons(labels=('1min', 'close'), lengths_ns=(60000000000, 0))
    """
    lengths: dict[str, int] = {}
    for one in horizons:
        try:
            length = int(pd.Timedelta(one).as_unit("ns").value)
        except ValueError as error:
            raise EvaluationError(f"horizons: {one!r} is no length of time, as 5min: {error}") from error
        if length <= 0:
            raise EvaluationError(f"horizons: {one!r} is not positive")
        lengths[str(one)] = length
    if close:
        lengths[CLOSE] = 0
    if not lengths:
        raise EvaluationError("horizons: none; give some, as ('1min', '5min'), or close=True")
    return Horizons(tuple(lengths), tuple(lengths.values()))


def calendar_of(name: str) -> str:
    """Whose sessions an instrument trades in, by its symbol: 24/7 for crypto, XNYS for what is listed in the US, empty: not known.

    >>> calendar_of("BTC/USD"), calendar_of("AAPL")
    ('24/7', 'XNYS')
    """
    try:
        return "XNYS" if parse(name).listed else "24/7"
    except SymbolError:
        return ""


def session_closes(event_ns: Instants, calendar: str) -> Instants:
    """Close of the session each moment is in, NO_TIME outside of sessions. A day of 24/7 ends at midnight UTC."""
    known = sessions(calendar)
    at = np.maximum(np.searchsorted(known.open_ns, event_ns, side="right") - 1, 0)
    return np.where(known.is_open(event_ns), known.close_ns[at], NO_TIME)


Closes = Callable[[str, Instants], Instants]


def forward_returns(
    *,
    event_ns: Instants,
    side: npt.NDArray[np.int8],
    path: PricePath | None,
    horizons: Horizons,
    stale_ns: int,
    closes_ns: Instants | None = None,
) -> Forward:
    """Forward returns of signals on one instrument.

    Parameters
    ----------
    event_ns, side
        (n,).
    path
        Its prices; none: not known.
    stale_ns
        Oldest price that still counts, and the longest wait for the first one after a signal.
    closes_ns
        (n,) close of each signal's session; needed for the horizon 0.

    Notes
    -----
    The entry is the first price strictly after the signal's event; the exit is the last one known at the horizon, which is
    counted from the signal's event. A horizon is measured if the path goes on to its end; at a close, if the last price
    is not stale.

    Examples
    --------
    >>> path = PricePath(np.array([0, 10, 20]) * 10**9, np.array([100.0, 101.0, 102.0]))
    >>> made = forward_returns(event_ns=np.array([0]), side=np.array([-1], dtype=np.int8), path=path,
    ...     horizons=read_horizons(["20s"], False), stale_ns=60 * 10**9)
    >>> made.bps.round(2).tolist()
    [[-98.52]]
    """
    rows, count = event_ns.size, len(horizons.labels)
    bps = np.full((rows, count), np.nan)
    outcome = np.full((rows, count), NO_PRICES, dtype=np.int8)
    exit_ns = np.empty((rows, count), dtype=np.int64)
    for at, length in enumerate(horizons.lengths_ns):
        exit_ns[:, at] = event_ns + length if length else (NO_TIME if closes_ns is None else closes_ns)
    nowhere = np.full((rows, count), -1, dtype=np.intp)
    if path is None or not path.times.size:
        return Forward(
            bps, outcome, np.full(rows, NO_TIME), exit_ns, np.full(rows, -1, dtype=np.intp), nowhere
        )
    first = path.first_after(event_ns)
    entry = np.minimum(first, path.times.size - 1)
    entered = (first < path.times.size) & (path.times[entry] - event_ns <= stale_ns)
    last = nowhere
    for at, length in enumerate(horizons.lengths_ns):
        until = exit_ns[:, at]
        last[:, at] = path.last_at(until)
        found = np.maximum(last[:, at], 0)
        conditions = [
            until == NO_TIME,
            bool(length) & (path.times[-1] < until),
            ~entered | (last[:, at] < entry),
            until - path.times[found] > stale_ns,
        ]
        outcome[:, at] = np.select(conditions, [NO_SESSION, ENDS, NO_ENTRY, STALE], MEASURED)
        good = outcome[:, at] == MEASURED
        bps[good, at] = 1e4 * np.log(path.prices[found[good]] / path.prices[entry[good]]) * side[good]
    return Forward(
        bps,
        outcome,
        np.where(entered, path.times[entry], NO_TIME),
        exit_ns,
        np.where(entered, entry, -1),
        last,
    )


def forward_of_all(
    *,
    event_ns: Instants,
    side: npt.NDArray[np.int8],
    members: Mapping[str, npt.NDArray[np.intp]],
    paths: Mapping[str, PricePath],
    horizons: Horizons,
    stale_ns: int,
    closes: Closes,
) -> Forward:
    """Forward returns of signals on several instruments; ``members`` has the places of each one's signals."""
    rows, count = event_ns.size, len(horizons.labels)
    whole = Forward(
        np.full((rows, count), np.nan), np.full((rows, count), NO_PRICES, dtype=np.int8), np.full(rows, NO_TIME),
        np.full((rows, count), NO_TIME), np.full(rows, -1, dtype=np.intp), np.full((rows, count), -1, dtype=np.intp),
    )  # fmt: skip
    for name, at in members.items():
        path = paths.get(name)
        part = forward_returns(
            event_ns=event_ns[at], side=side[at], path=path, horizons=horizons, stale_ns=stale_ns,
            closes_ns=closes(name, event_ns[at]) if 0 in horizons.lengths_ns and path is not None else np.full(at.size, NO_TIME),
        )  # fmt: skip
        for field in Forward._fields:
            getattr(whole, field)[at] = getattr(part, field)
    return whole
