"""What instrument ids are called: an id means an instrument of one dataset for a span of time, and another one after it.

Names come from the header (historical files), from symbol mapping messages (files recorded live, where a later message
replaces an earlier one from its own place in the stream on) and from definitions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.files.dbn_layout import UNDEFINED_TIME, texts
from workstation.feeds.files.dbn_stream import Interval
from workstation.market.instruments import REGISTRY

DAY_NS = 86_400 * 10**9
_ALWAYS = np.iinfo(np.int64).max

_Span = tuple[int, int, str]
"""Begin (included) and end (not included) in nanoseconds, and the name."""


@lru_cache(maxsize=100_000)
def _date_ns(date: int) -> int:
    """Nanoseconds of a UTC date written YYYYMMDD."""
    return pd.Timestamp(year=date // 10_000, month=date // 100 % 100, day=date % 100, tz="UTC").value


class Names:
    """Instrument ids with their names.

    Examples
    --------
    >>> names = Names([Interval(7, 20260320, 20260321, "ESM6")])
    >>> day = pd.Timestamp("2026-03-20", tz="UTC").value
    >>> codes = names.codes(np.array([7, 7, 8]), np.array([day, day + DAY_NS, day]))
    >>> REGISTRY.names(codes[:1]).tolist(), codes[1:].tolist()
    (['ESM6'], [-1, -1])
    """

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._spans: dict[int, list[_Span]] = {}
        for one in intervals:
            span = _date_ns(one.first_date), _date_ns(one.end_date), one.symbol
            self._spans.setdefault(one.instrument_id, []).append(span)
        self._changed = True

    def add_messages(self, messages: Any) -> None:
        """Names from symbol mapping messages; they replace what stood before them for the time they cover."""
        ends = messages["end_ts"]
        firsts = np.where(messages["start_ts"] == UNDEFINED_TIME, 0, messages["start_ts"])
        for number, symbol, first, end in zip(
            messages["instrument_id"].tolist(),
            texts(messages["symbol"]),
            np.minimum(firsts, _ALWAYS).tolist(),
            np.minimum(ends, _ALWAYS).tolist(),
            strict=True,
        ):
            if symbol:
                self._replace(number, (first, end, symbol))

    def add_definitions(self, ids: Any, times: Any, symbols: list[str]) -> None:
        """Names from definitions, for the UTC day of each; the header and the messages come before them."""
        for number, time, symbol in zip(ids.tolist(), times.tolist(), symbols, strict=True):
            if number not in self._spans:
                self._replace(number, (time // DAY_NS * DAY_NS, (time // DAY_NS + 1) * DAY_NS, symbol))

    def _replace(self, number: int, new: _Span) -> None:
        first, end, _ = new
        kept: list[_Span] = []
        for span in self._spans.get(number, ()):
            if span[0] < first:
                kept.append((span[0], min(span[1], first), span[2]))
            if span[1] > end:
                kept.append((max(span[0], end), span[1], span[2]))
        self._spans[number] = [*kept, new]
        self._changed = True

    def _index(self) -> None:
        """Lay the spans out as arrays, by id and begin."""
        flat = [
            (number, *span) for number, spans in self._spans.items() for span in spans if span[0] < span[1]
        ]
        numbers = np.array([span[0] for span in flat], dtype=np.int64)
        begins = np.array([span[1] for span in flat], dtype=np.int64)
        symbols, distinct = pd.factorize(np.array([span[3] for span in flat], dtype=object))
        order = np.lexsort((begins, numbers))
        self._ends = np.array([span[2] for span in flat], dtype=np.int64)[order]
        self._symbols, self._distinct = symbols[order], distinct
        self._code_of = np.full(len(distinct), -1, dtype=np.int32)
        ids, self._of = np.unique(numbers[order], return_inverse=True)
        self._ids = pd.Index(ids)
        self._bounds = np.unique(begins)
        ranks = np.searchsorted(self._bounds, begins[order])
        self._keys = self._of * (self._bounds.size + 1) + ranks + 1
        self._changed = False

    def codes(self, ids: Any, times: Any) -> npt.NDArray[np.int32]:
        """Registry code of each id (n,) at its time (n,), int64 nanoseconds; -1 where nothing says what it is called."""
        if self._changed:
            self._index()
        if not self._ends.size:
            return np.full(len(ids), -1, dtype=np.int32)
        of = self._ids.get_indexer(pd.Index(ids.astype(np.int64)))
        ranks = np.searchsorted(self._bounds, np.array([times.min(), times.max()]), side="right")
        if ranks[0] == ranks[1]:
            asked = np.arange(self._ids.size) * (self._bounds.size + 1) + ranks[0]
            places = (np.searchsorted(self._keys, asked, side="right") - 1)[of]
        else:
            asked = of * (self._bounds.size + 1) + np.searchsorted(self._bounds, times, side="right")
            places = np.searchsorted(self._keys, asked, side="right") - 1
        named = (of >= 0) & (places >= 0) & (self._of[places] == of) & (times < self._ends[places])
        found = np.full(len(ids), -1, dtype=np.int32)
        found[named] = self._registered(self._symbols[places[named]])
        return found

    def _registered(self, symbols: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
        """Registry codes of symbols; only those that rows carry enter the registry."""
        codes = self._code_of[symbols]
        if (codes < 0).any():
            new = np.unique(symbols[codes < 0])
            self._code_of[new] = REGISTRY.codes(self._distinct[new].tolist())
            codes = self._code_of[symbols]
        return codes
