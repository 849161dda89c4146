"""The quotes of the last seconds of every contract, in the order in which they held, for joins as of an earlier moment.

One log for all contracts: an array of quotes and, for each, the place of the contract's quote before it. The newest quote of a
contract is found at once; a print that is reported late walks back from there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME
from workstation.market.tables.categories import CategoryNumbers
from workstation.numerics.state_arrays import extended

Times = npt.NDArray[np.int64]
BID, ASK, BID_SIZE, ASK_SIZE = range(4)
NO_SOURCE, CONSOLIDATED, BY_EXCHANGE, OF_MARKS = range(4)
"""Where a contract's quotes come from: a consolidated quote replaces all others, quotes of exchanges replace those of marks."""
EXCHANGES = 64
TOLD_NS = 4
LOCKED_NS = 1e9
MOST_ROWS = 1 << 16


class Log(NamedTuple):
    """Quotes: time (n,), bid, ask and their sizes (n, 4), place of the contract's quote before it (n,), -1 for none."""

    event_ns: Any
    quote: Any
    before: Any


class Newest(NamedTuple):
    """By contract: place of its newest quote in the log, time of its first, and where its quotes come from."""

    place: Any
    first_ns: Any
    source: Any
    exchange_row: Any


@numba.njit(cache=True)
def append_quote(log: Any, newest: Any, used: int, code: int, event_ns: int, quote: Any) -> int:
    """Put a quote where it belongs in its contract's order: of equal times the later row is the newer; gives the rows used."""
    log.event_ns[used] = event_ns
    log.quote[used, :] = quote
    last = newest.place[code]
    if last < 0 or event_ns >= log.event_ns[last]:
        log.before[used] = last
        newest.place[code] = used
    else:
        while log.before[last] >= 0 and log.event_ns[log.before[last]] > event_ns:
            last = log.before[last]
        log.before[used] = log.before[last]
        log.before[last] = used
    if newest.first_ns[code] > event_ns:
        newest.first_ns[code] = event_ns
    return used + 1


@numba.njit(cache=True)
def latest_at(times: Any, before: Any, place: Any, code: int, event_ns: int, oldest_ns: int) -> int:
    """As ``quote_as_of``, of the arrays ``Log.event_ns``, ``Log.before`` and ``Newest.place``."""
    at = place[code]
    if at < 0:
        return -1
    if times[at] <= event_ns:
        return int(at)
    while at >= 0 and times[at] > event_ns:
        at = before[at]
    return int(at) if at >= 0 and times[at] >= oldest_ns else -1


@numba.njit(cache=True)
def quote_as_of(log: Any, newest: Any, code: int, event_ns: int, oldest_ns: int) -> int:
    """Place of the contract's newest quote at or before a moment; -1: none at or after ``oldest_ns``, unless it is the newest of all."""
    return latest_at(log.event_ns, log.before, newest.place, code, event_ns, oldest_ns)


@numba.njit(cache=True)
def _best_row(of: Any, side: int) -> int:
    """The exchange with the best bid (side 0) or ask (1); -1 where none has one."""
    best = -1
    for row in range(of.shape[0]):
        price = of[row, side]
        if price > 0.0 and (best < 0 or (price > of[best, side] if side == BID else price < of[best, side])):
            best = row
    return best


@numba.njit(cache=True)
def _best(of: Any, out: Any) -> None:
    """The best bid and ask over exchanges (EXCHANGES, 5), sizes added at the best price.

    Of two exchanges that cross, or lock for a second, the older quote is taken for withdrawn: where a source tells of an exchange
    only while it has the best price, nothing else says so.
    """
    while True:
        bid, ask = _best_row(of, BID), _best_row(of, ASK)
        if bid < 0 or ask < 0 or bid == ask or of[bid, BID] < of[ask, ASK]:
            break
        apart = of[bid, TOLD_NS] - of[ask, TOLD_NS]
        if abs(apart) <= (LOCKED_NS if of[bid, BID] == of[ask, ASK] else 0.0):
            break
        if apart < 0:
            of[bid, BID] = np.nan
        else:
            of[ask, ASK] = np.nan
    out[BID], out[ASK], out[BID_SIZE], out[ASK_SIZE] = np.nan, np.nan, 0.0, 0.0
    for side, row in ((BID, bid), (ASK, ask)):
        if row >= 0:
            out[side] = of[row, side]
            for other in range(of.shape[0]):
                if of[other, side] == out[side]:
                    out[side + 2] += of[other, side + 2]


@numba.njit(cache=True)
def _take(
    event_ns: Any, codes: Any, quotes: Any, exchanges: Any, kind: int, log: Any, newest: Any, by_exchange: Any, used: int
) -> int:  # fmt: skip
    best = np.empty(4)
    for i in range(codes.size):
        code = codes[i]
        if code < 0:
            continue
        source = kind if exchanges[i] == 0 else BY_EXCHANGE
        held = newest.source[code]
        if held in (NO_SOURCE, OF_MARKS) or source == CONSOLIDATED:
            newest.source[code] = held = source
        if source != held:
            continue
        if source == BY_EXCHANGE:
            row = newest.exchange_row[code]
            by_exchange[row, exchanges[i], :4] = quotes[i]
            by_exchange[row, exchanges[i], TOLD_NS] = event_ns[i]
            _best(by_exchange[row], best)
            used = append_quote(log, newest, used, code, event_ns[i], best)
        else:
            used = append_quote(log, newest, used, code, event_ns[i], quotes[i])
    return used


@numba.njit(cache=True)
def _compact(log: Any, newest: Any, used: int, oldest_ns: int, moved: Any) -> int:
    """Forget quotes older than ``oldest_ns`` that are not their contract's newest; gives the rows still used."""
    moved[:used] = -1
    for code in range(newest.place.size):
        if newest.place[code] >= 0:
            moved[newest.place[code]] = 0
    kept = 0
    for i in range(used):
        if moved[i] == 0 or log.event_ns[i] >= oldest_ns:
            moved[i] = kept
            log.event_ns[kept] = log.event_ns[i]
            log.quote[kept, :] = log.quote[i]
            log.before[kept] = log.before[i]
            kept += 1
    for i in range(kept):
        before = log.before[i]
        log.before[i] = moved[before] if before >= 0 else -1
    for code in range(newest.place.size):
        if newest.place[code] >= 0:
            newest.place[code] = moved[newest.place[code]]
    return kept


class QuoteLog:
    """Quotes of all contracts, those of the last ``kept_ns`` and every contract's newest.

    Examples
    --------
    >>> log = QuoteLog(kept_ns=10**9)
    >>> log.take(event_ns=np.array([1, 5]), codes=np.array([0, 0]), quotes=np.array([[1.0, 2, 9, 9], [1.5, 2, 9, 9]]))
    >>> [quote_as_of(log.log, log.newest, 0, at, 0) for at in (0, 1, 4, 5)]
    [-1, 0, 0, 1]
    """

    def __init__(self, *, kept_ns: int) -> None:
        self._kept_ns = kept_ns
        self.used = 0
        self.exchanges: dict[str, int] = {"": 0}
        self.numbers = CategoryNumbers(self._exchange_numbers)
        """Number of each row's exchange (a category column); 0: consolidated."""
        self.log = Log(np.empty(MOST_ROWS, np.int64), np.empty((MOST_ROWS, 4)), np.empty(MOST_ROWS, np.int64))
        self.newest = Newest(
            np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0, np.int32)
        )
        self._by_exchange = np.empty((0, EXCHANGES, 5))
        self._newest_ns = NO_TIME

    def grow(self, contracts: int) -> None:
        """Have room for so many contracts."""
        if contracts > self.newest.place.size:
            size = max(contracts, 2 * self.newest.place.size, 1024)
            fills = (-1, np.iinfo(np.int64).max, NO_SOURCE, -1)
            self.newest = Newest(
                *(extended(held, size, fill) for held, fill in zip(self.newest, fills, strict=True))
            )

    def _exchange_numbers(self, names: list[str]) -> list[int]:
        """Numbers of exchanges; 0: consolidated."""
        return [self.exchanges.setdefault(name, min(len(self.exchanges), EXCHANGES - 1)) for name in names]

    def take(
        self,
        *,
        event_ns: Times,
        codes: npt.NDArray[np.int64],
        quotes: npt.NDArray[np.float64],
        exchanges: npt.NDArray[np.int64] | None = None,
        of_marks: bool = False,
    ) -> None:
        """Absorb quotes in their order; ``quotes`` is (n, 4): bid, ask, bid size, ask size."""
        if not codes.size:
            return
        self.grow(int(codes.max()) + 1)
        if exchanges is None:
            exchanges = np.zeros(codes.size, dtype=np.int64)
        self._newest_ns = max(self._newest_ns, int(event_ns.max()))
        self._make_room(codes.size)
        self._make_exchange_rows(codes, exchanges)
        kind = OF_MARKS if of_marks else CONSOLIDATED
        self.used = _take(
            event_ns, codes, quotes, exchanges, kind, self.log, self.newest, self._by_exchange, self.used
        )

    def _make_exchange_rows(self, codes: npt.NDArray[np.int64], exchanges: npt.NDArray[np.int64]) -> None:
        told = codes[(exchanges > 0) & (codes >= 0)]
        for code in np.unique(told[self.newest.exchange_row[told] < 0]).tolist():
            self.newest.exchange_row[code] = len(self._by_exchange)
            self._by_exchange = np.concatenate((self._by_exchange, np.full((1, EXCHANGES, 5), np.nan)))

    def _make_room(self, rows: int) -> None:
        held = self.log.event_ns.size
        if self.used + rows <= held:
            return
        moved = np.empty(self.used, dtype=np.int64)
        self.used = _compact(self.log, self.newest, self.used, self._newest_ns - self._kept_ns, moved)
        if 2 * (self.used + rows) > held:
            size = max(2 * (self.used + rows), 2 * held)
            old = self.log
            self.log = Log(np.empty(size, np.int64), np.empty((size, 4)), np.empty(size, np.int64))
            for ours, theirs in zip(self.log, old, strict=True):
                ours[: self.used] = theirs[: self.used]

    def snapshot(self) -> dict[str, Any]:
        """Quotes, and what is known of each contract by name."""
        known = np.flatnonzero(self.newest.source != NO_SOURCE)
        return {
            "log": [part[: self.used].copy() for part in self.log],
            "instruments": [str(name) for name in REGISTRY.names(known)],
            "newest": [part[known] for part in self.newest],
            "by_exchange": self._by_exchange.copy(),
            "exchanges": dict(self.exchanges),
            "newest_ns": self._newest_ns,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.__init__(kept_ns=self._kept_ns)  # type: ignore[misc]
        self.used, self._newest_ns = 0, int(state["newest_ns"])
        rows = len(state["log"][0])
        self._make_room(rows)
        for ours, theirs in zip(self.log, state["log"], strict=True):
            ours[:rows] = theirs
        self.used = rows
        codes = REGISTRY.codes(state["instruments"]).astype(np.int64)
        self.grow(int(codes.max(initial=-1)) + 1)
        for ours, theirs in zip(self.newest, state["newest"], strict=True):
            ours[codes] = theirs
        self._by_exchange = np.array(state["by_exchange"])
        self.exchanges = {str(name): int(number) for name, number in state["exchanges"].items()}
