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
from workstation.market.instruments import REGISTRY

DAY_NS = 86_400 * 10**9
_ALWAYS = np.iinfo(np.int64).max

_Span = tuple[int, int, str]
"""Begin (included) and end (not included) in nanoseconds, and the name."""


class _Index:
    """Spans of ids laid out as arrays, by id and begin.

    Spans of one id do not overlap.
    """

    def __init__(self, spans: dict[int, list[_Span]]) -> None:
        flat = [(number, *span) for number, own in spans.items() for span in own if span[0] < span[1]]
        numbers = np.array([span[0] for span in flat], dtype=np.int64)
        begins = np.array([span[1] for span in flat], dtype=np.int64)
        symbols, self._distinct = pd.factorize(np.array([span[3] for span in flat], dtype=object))
        order = np.lexsort((begins, numbers))
        self._ends = np.array([span[2] for span in flat], dtype=np.int64)[order]
        self._symbols = symbols[order]
        self._code_of = np.full(len(self._distinct), -1, dtype=np.int32)
        ids, self._of = np.unique(numbers[order], return_inverse=True)
        self._ids = pd.Index(ids)
        self._bounds = np.unique(begins)
        self._stride = self._bounds.size + 1
        self._keys = self._of * self._stride + np.searchsorted(self._bounds, begins[order]) + 1

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
        self._spans: dict[int, list[_Span]] = {}
        for number, start_ns, end_ns, symbol in intervals:
            if number in self._spans:
                self._replace(number, (start_ns, end_ns, symbol))
            else:
                self._spans[number] = [(start_ns, end_ns, symbol)]
        self._defined: set[int] = set()
        """Ids that only definitions name."""
        self._whole = _Index(self._spans)
        self._new: set[int] = set()
        """Ids that were named since ``_whole`` was made."""
        self._latest: _Index | None = None
        """Of these ids alone, so that one new name does not cost a rebuild of all."""

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
        for number, time, symbol in zip(ids.tolist(), times.tolist(), symbols, strict=True):
            if number not in self._spans or number in self._defined:
                self._defined.add(number)
                self.put(number, (time // DAY_NS * DAY_NS, (time // DAY_NS + 1) * DAY_NS, symbol))

    def _replace(self, number: int, new: _Span) -> None:
        first, end, _ = new
        kept: list[_Span] = []
        for span in self._spans.get(number, ()):
            if span[0] < first:
                kept.append((span[0], min(span[1], first), span[2]))
            if span[1] > end:
                kept.append((max(span[0], end), span[1], span[2]))
        self._spans[number] = [*kept, new]

    def put(self, number: int, new: _Span) -> None:
        """Call an id so from a begin to an end, whatever it was called then."""
        self._replace(number, new)
        self._new.add(number)
        self._latest = None

    def codes(self, ids: Any, times: Any) -> npt.NDArray[np.int32]:
        """Registry code of each id (n,) at its time (n,), int64 nanoseconds; -1 where nothing says what it is called."""
        if len(self._new) > max(1_000, len(self._whole)):
            self._whole, self._new, self._latest = _Index(self._spans), set(), None
        ids = ids.astype(np.int64)
        found, _ = self._whole.codes(ids, times)
        if self._new:
            if self._latest is None:
                self._latest = _Index({number: self._spans[number] for number in self._new})
            latest, named = self._latest.codes(ids, times)
            found[named] = latest[named]
        return found
