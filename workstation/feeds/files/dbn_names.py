"""What instrument ids are called: an id means an instrument of one dataset for a span of time, and another one after it.

Names come from the header (historical files), from symbol mapping messages (files recorded live, where a later message
replaces an earlier one from its own place in the stream on) and from definitions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.files.dbn_layout import UNDEFINED_TIME, texts
from workstation.feeds.files.dbn_stream import Interval
from workstation.market.instants import DAY_NS
from workstation.market.instruments import REGISTRY

_ALWAYS = np.iinfo(np.int64).max

_Span = tuple[int, int, str]
"""Begin (included) and end (not included) in nanoseconds, and the name."""


class _Index:
    """Spans of ids laid out as arrays, by id and begin.

    Parameters
    ----------
    numbers, begins, ends, symbols
        Instrument id, begin, end and name of each span (n,). Spans of one id do not overlap.
    """

    def __init__(self, numbers: Any, begins: Any, ends: Any, symbols: Any) -> None:
        order = np.lexsort((begins, numbers))
        self._numbers, self._begins, self._ends = numbers[order], begins[order], ends[order]
        places, self._distinct = pd.factorize(symbols)
        self._symbols = places[order]
        self._code_of = np.full(len(self._distinct), -1, dtype=np.int32)
        ids, self._of = np.unique(self._numbers, return_inverse=True)
        self._ids = pd.Index(ids)
        self._bounds = np.unique(begins)
        self._stride = self._bounds.size + 1
        self._keys = self._of * self._stride + np.searchsorted(self._bounds, self._begins) + 1

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int, int, str]]) -> _Index:
        """Of spans that each begin with their id; empty ones are left out."""
        flat = [span for span in spans if span[1] < span[2]]
        numbers, begins, ends = (np.array([span[at] for span in flat], dtype=np.int64) for at in range(3))
        return cls(numbers, begins, ends, np.array([span[3] for span in flat], dtype=object))

    def overlapping(self) -> list[int]:
        """Ids of which one span begins before another one ends."""
        again = (self._numbers[1:] == self._numbers[:-1]) & (self._begins[1:] < self._ends[:-1])
        ids: list[int] = np.unique(self._numbers[1:][again]).tolist()
        return ids

    def without(self, ids: Iterable[int]) -> list[tuple[int, int, int, str]]:
        """All spans but those of these ids."""
        rows = np.flatnonzero(~np.isin(self._numbers, list(ids)))
        return self._rows(rows)

    def spans(self, number: int) -> list[_Span]:
        """Spans of one id."""
        first, end = np.searchsorted(self._numbers, (number, number + 1))
        return [span[1:] for span in self._rows(np.arange(first, end))]

    def _rows(self, rows: Any) -> list[tuple[int, int, int, str]]:
        columns = (
            self._numbers[rows],
            self._begins[rows],
            self._ends[rows],
            self._distinct[self._symbols[rows]],
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def has(self, ids: Any) -> npt.NDArray[np.bool_]:
        """Whether each id is in here at all."""
        held: npt.NDArray[np.bool_] = self._ids.get_indexer(pd.Index(ids)) >= 0
        return held

    def __len__(self) -> int:
        return len(self._ids)

    def codes(self, ids: Any, times: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Registry code of each id at its time, -1 where it has none; and whether the id is in here at all."""
        of = self._ids.get_indexer(pd.Index(ids))
        found = np.full(len(ids), -1, dtype=np.int32)
        if not len(self) or not len(ids):
            return found, of >= 0
        ranks = np.searchsorted(self._bounds, np.array([times.min(), times.max()]), side="right")
        if ranks[0] == ranks[1]:
            asked = np.arange(len(self)) * self._stride + ranks[0]
            places = (np.searchsorted(self._keys, asked, side="right") - 1)[of]
        else:
            asked = of * self._stride + np.searchsorted(self._bounds, times, side="right")
            places = np.searchsorted(self._keys, asked, side="right") - 1
        named = (of >= 0) & (places >= 0) & (self._of[places] == of) & (times < self._ends[places])
        found[named] = self._registered(self._symbols[places[named]])
        return found, of >= 0

    def _registered(self, symbols: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
        """Registry codes of symbols; only those that rows carry enter the registry."""
        codes = self._code_of[symbols]
        if (codes < 0).any():
            new = np.unique(symbols[codes < 0])
            self._code_of[new] = REGISTRY.codes(self._distinct[new].tolist())
            codes = self._code_of[symbols]
        return codes


class Names:
    """Instrument ids with their names.

    Examples
    --------
    >>> names = Names([Interval(7, 100, 200, "ESM6")])
    >>> codes = names.codes(np.array([7, 7, 8]), np.array([100, 200, 100]))
    >>> REGISTRY.names(codes[:1]).tolist(), codes[1:].tolist()
    (['ESM6'], [-1, -1])
    """

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        given = list(intervals)
        self._whole = _Index.of(given)
        self._spans: dict[int, list[_Span]] = {}
        """Of the ids that were named since ``_whole`` was made."""
        self._latest: _Index | None = None
        """Of these ids alone, so that one new name does not cost a rebuild of all."""
        self._defined: set[int] = set()
        """Ids that only definitions name."""
        twice = set(self._whole.overlapping())
        if twice:
            self._whole = _Index.of(self._whole.without(twice))
            for one in given:
                if one.instrument_id in twice:
                    self.put(one.instrument_id, one[1:])

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
                self.put(number, (first, end, symbol))

    def add_definitions(self, ids: Any, times: Any, symbols: list[str]) -> None:
        """Names from definitions, for the UTC day of each; the header and the messages come before them."""
        unnamed = np.flatnonzero(~self._whole.has(ids.astype(np.int64)) | np.isin(ids, list(self._defined)))
        days = times // DAY_NS * DAY_NS
        for row in unnamed.tolist():
            number, day = int(ids[row]), int(days[row])
            if number not in self._spans or number in self._defined:
                self._defined.add(number)
                self.put(number, (day, day + DAY_NS, symbols[row]))

    def put(self, number: int, new: _Span) -> None:
        """Call an id so from a begin to an end, whatever it was called then."""
        first, end, _ = new
        kept: list[_Span] = []
        for span in self._spans[number] if number in self._spans else self._whole.spans(number):
            if span[0] < first:
                kept.append((span[0], min(span[1], first), span[2]))
            if span[1] > end:
                kept.append((max(span[0], end), span[1], span[2]))
        self._spans[number] = [*kept, new]
        self._latest = None

    def _new(self) -> list[tuple[int, int, int, str]]:
        return [(number, *span) for number, spans in self._spans.items() for span in spans]

    def codes(self, ids: Any, times: Any) -> npt.NDArray[np.int32]:
        """Registry code of each id (n,) at its time (n,), int64 nanoseconds; -1 where nothing says what it is called."""
        if len(self._spans) > max(1_000, len(self._whole)):
            self._whole = _Index.of([*self._whole.without(self._spans), *self._new()])
            self._spans, self._latest = {}, None
        ids = ids.astype(np.int64)
        found, _ = self._whole.codes(ids, times)
        if self._spans:
            if self._latest is None:
                self._latest = _Index.of(self._new())
            latest, named = self._latest.codes(ids, times)
            found[named] = latest[named]
        return found
