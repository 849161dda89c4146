"""The newest known state of every option and future, as arrays indexed by registry code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import MARKS, NO_TIME, QUOTES
from workstation.market.tables.frames import array_of, arrays_of
from workstation.numerics.state_arrays import LEAST_CODES, capacity
from workstation.pricing.latest_kernels import absorb, absorb_quotes
from workstation.pricing.slots import Slots

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

GROUPS: dict[str, tuple[str, ...]] = {
    "quote": ("bid", "ask", "bid_size", "ask_size"),
    "quote_iv": ("bid_iv", "ask_iv"),
    "model": ("mark",),
    "model_iv": ("mark_iv",),
    "venue_greeks": ("delta", "gamma", "vega", "theta", "rho"),
    "open_interest": ("open_interest",),
    "volume_24h": ("volume_24h",),
    "forward": ("forward",),
    "index": ("index",),
}
"""Fields that are replaced together, by a row that carries at least one of them. Prices and vols apart: OKX sends them apart."""
FIELDS: tuple[str, ...] = tuple(field for group in GROUPS.values() for field in group)
GROUP_OF: dict[str, str] = {field: group for group, fields in GROUPS.items() for field in fields}
GROUP_NAMES: tuple[str, ...] = tuple(GROUPS)
TERMS: tuple[str, ...] = (
    "underlying",
    "kind",
    "expiry_ns",
    "strike",
    "right",
    "multiplier",
    "inverse",
    "style",
)
_QUOTE_FIELDS = ("bid", "ask", "bid_size", "ask_size")
UNKNOWN, OTHER, OPTION, FUTURE, NO_TERMS = -1, 0, 1, 2, 3
"""Kinds: never asked, neither option nor future, option, future, an option whose terms are not usable."""

_TERM_ARRAYS = ("kind", "underlying", "expiry_ns", "strike", "is_call", "multiplier", "inverse", "american")
_IDENTITY = ("seen", "code", "venue")
_ROW = {field: row for row, field in enumerate(FIELDS)}
_TIME_ROW = {group: row for row, group in enumerate(GROUP_NAMES)}
_EDGES = np.cumsum([0, *(len(group) for group in GROUPS.values())])
_OPEN_INTEREST = GROUP_NAMES.index("open_interest")
_PLACES = [MARKS.names.index(field) for field in FIELDS]
_INSTRUMENT, _EVENT_NS = MARKS.names.index("instrument"), MARKS.names.index("event_ns")
_PUBLISHED_NS = MARKS.names.index("open_interest_ns")
_VENUE = MARKS.names.index("venue")
_QUOTE = GROUP_NAMES.index("quote")
_PRICED = ("quote", "quote_iv", "model", "model_iv")
_MODELS = [GROUP_NAMES.index("model"), GROUP_NAMES.index("model_iv")]
_KINDS = {"option": OPTION, "future": FUTURE, "": NO_TERMS}


def _distinct(codes: npt.NDArray[Any]) -> Codes:
    """The codes that are known, each once, ascending."""
    ordered = np.sort(codes).astype(np.int32, copy=False)
    first = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    first &= ordered >= 0
    distinct: Codes = ordered[first]
    return distinct


class LatestMarks:
    """Newest known fields of each instrument that ``marks`` rows brought, and its terms.

    A row replaces the fields it carries, group by group (``GROUPS``): a row with an open interest and no price
    leaves the price as it was. Rows older than what is known of a group change nothing. Arrays are indexed by
    the registry's codes and grow with it; ``seen`` says of which instruments anything is known.

    With ``by_venue`` the arrays are indexed by slots instead, one per instrument and venue: what two venues say of one
    contract stands side by side. Contracts with a clearing house behind them are one whoever quotes them: by venue are those
    whose name carries a settlement currency (``BTC/USD:BTC-...``). ``code`` is the registry code of each slot.

    Of an option whose venue sends neither mark nor vol, ``take_quotes`` makes the quote of rows of ``quotes``.

    Examples
    --------
    >>> from workstation.market.tables import MARKS
    >>> latest = LatestMarks()
    >>> codes = latest.take(MARKS.conform(pd.DataFrame({
    ...     "event_ns": [1, 2], "instrument": "BTC/USD:BTC-261225-100000-C",
    ...     "mark_iv": [0.5, float("nan")], "open_interest": [7.0, 9.0]})))
    >>> latest.field("mark_iv")[codes].item(), latest.field("open_interest")[codes].item()
    (0.5, 9.0)
    """

    def __init__(self, *, by_venue: bool = False) -> None:
        self.by_venue = by_venue
        self.underlyings: list[str] = []
        self.venues: list[str] = [""]
        self._ids: dict[str, int] = {}
        self._places = Slots()
        self._allocate(0)

    def _allocate(self, size: int) -> None:
        self.values = np.full((len(FIELDS), size), np.nan)
        self.times = np.full((len(GROUP_NAMES), size), NO_TIME)
        self.published_ns = np.full(size, NO_TIME)
        self.seen = np.zeros(size, dtype=bool)
        self.kind = np.full(size, UNKNOWN, dtype=np.int8)
        self.underlying = np.full(size, -1, dtype=np.int32)
        self.expiry_ns = np.full(size, NO_TIME)
        self.strike = np.full(size, np.nan)
        self.is_call = np.zeros(size, dtype=bool)
        self.multiplier = np.full(size, np.nan)
        self.inverse = np.zeros(size, dtype=bool)
        self.american = np.zeros(size, dtype=bool)
        self.code = np.arange(size) if not self.by_venue else np.full(size, -1, dtype=np.int64)
        self.venue = np.zeros(size, dtype=np.int16)
        self.source = np.zeros(size, dtype=np.int32)

    def _grow(self, needed: int) -> None:
        held = self.kind.size
        if needed <= held:
            return
        old = self.__dict__.copy()
        self._allocate(capacity(needed, held, LEAST_CODES))
        for name, array in old.items():
            if isinstance(array, np.ndarray):
                getattr(self, name)[..., :held] = array

    def field(self, name: str) -> Floats:
        """Newest known value of a field, by code."""
        values: Floats = self.values[_ROW[name]]
        return values

    def time(self, group: str) -> Times:
        """When the newest known values of a group happened, by code; ``NO_TIME`` = never."""
        times: Times = self.times[_TIME_ROW[group]]
        return times

    def priced_ns(self) -> Times:
        """When the newest price or vol of each instrument happened, by code."""
        newest: Times = np.maximum.reduce([self.time(group) for group in _PRICED])
        return newest

    def take(self, marks: pd.DataFrame) -> Codes:
        """Absorb conformed ``marks`` rows; gives the codes (``by_venue``: slots) they were about."""
        arrays = arrays_of(marks)
        codes = arrays[_INSTRUMENT].codes
        if not codes.size:
            return np.empty(0, dtype=np.int32)
        codes = self._slots(codes, arrays[_VENUE])
        rows = np.empty((len(FIELDS), codes.size))
        for row, place in enumerate(_PLACES):
            rows[row] = arrays[place]
        event_ns, published_ns = arrays[_EVENT_NS], arrays[_PUBLISHED_NS]
        absorb(
            event_ns,
            codes,
            published_ns,
            rows,
            _EDGES,
            _OPEN_INTEREST,
            self.values,
            self.times,
            self.published_ns,
            self.seen,
        )
        touched = _distinct(codes)
        self._learn(touched)
        return touched

    def take_quotes(self, quotes: pd.DataFrame) -> Codes:
        """Absorb conformed ``quotes`` rows of options whose venue sends neither mark nor vol; gives what they were about.

        A quote of one exchange (``exchange`` is told) counts while there is no other, never beside the consolidated one.
        """
        codes = array_of(quotes, QUOTES.places["instrument"]).codes
        wanted = np.flatnonzero(self._places.options(codes)) if codes.size else codes
        if not wanted.size:
            return np.empty(0, dtype=np.int32)
        arrays = dict(zip(QUOTES.names, arrays_of(quotes), strict=True))
        slots = self._slots(codes[wanted], arrays["venue"][wanted])
        without = np.flatnonzero((self.times[_MODELS][:, slots] == NO_TIME).all(axis=0))
        if not without.size:
            return np.empty(0, dtype=np.int32)
        wanted, slots = wanted[without], slots[without]
        touched = _distinct(slots)
        self._learn(touched)
        sources = self._places.sources(arrays["exchange"][wanted])
        rows = np.stack([arrays[name][wanted] for name in _QUOTE_FIELDS])
        first, last = int(_EDGES[_QUOTE]), int(_EDGES[_QUOTE + 1])
        quote_ns = self.times[_QUOTE]
        absorb_quotes(
            arrays["event_ns"][wanted],
            slots,
            sources,
            rows,
            self.values[first:last],
            quote_ns,
            self.source,
            self.seen,
        )
        return touched

    def indifferent(self, quotes: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Which rows of ``quotes`` are of no option, so that ``take_quotes`` leaves them."""
        codes = array_of(quotes, QUOTES.places["instrument"]).codes
        return ~self._places.options(codes) if codes.size else np.zeros(0, dtype=bool)

    def _slots(self, codes: npt.NDArray[Any], venues: Any) -> npt.NDArray[Any]:
        """Where each row's instrument, at its venue, stands."""
        if not self.by_venue:
            self._grow(int(codes.max(initial=-1)) + 1)
            return codes
        planes = np.array([*(self._venue(str(name)) for name in venues.categories), 0], dtype=np.int16)
        slots, added = self._places.slots(codes, planes[venues.codes])
        if added.size:
            start = self._places.count - added.shape[1]
            self._grow(self._places.count)
            self.code[start : self._places.count], self.venue[start : self._places.count] = added
        return slots

    def of(self, codes: npt.NDArray[Any], venues: Sequence[str]) -> npt.NDArray[np.int64]:
        """Slot (``by_venue``) of each instrument at its venue, else of no venue, else where its newest price is; -1: nowhere."""
        found = self._places.of_venues(codes)
        here = np.array(
            [self.venues.index(name) if name in self.venues else 0 for name in venues], dtype=np.int64
        )
        here = np.where(here < found.shape[0], here, 0)
        slots = np.full(codes.size, -1, dtype=np.int64)
        told = np.append(self.seen, False)
        at_ns = np.append(self.priced_ns(), NO_TIME) if self.seen.size else np.full(1, NO_TIME)
        for place, row in enumerate(here.tolist()):
            own = [int(found[row, place]), int(found[0, place])]
            others = sorted(found[1:, place].tolist(), key=lambda slot: -int(at_ns[slot]))
            slots[place] = next((slot for slot in (*own, *others) if slot >= 0 and told[slot]), -1)
        return slots

    def _venue(self, name: str) -> int:
        if name not in self.venues:
            self.venues.append(name)
        return self.venues.index(name)

    def forget(self, codes: npt.NDArray[Any]) -> None:
        """Drop what is known of expired instruments; their terms stay."""
        self.values[:, codes] = np.nan
        self.times[:, codes] = NO_TIME
        self.published_ns[codes] = NO_TIME
        self.seen[codes] = False
        self.source[codes] = 0

    def _learn(self, codes: Codes) -> None:
        kind = self.kind[codes]
        if not ((kind == UNKNOWN) | (kind == NO_TERMS)).any():
            return
        for code in codes[kind == NO_TERMS]:
            if INSTRUMENT_TERMS.registered(str(REGISTRY.names([self.code[code]])[0])) is not None:
                self.kind[code] = UNKNOWN
        unknown = self._as_told(codes[self.kind[codes] == UNKNOWN])
        if unknown.size:
            self._put_terms(unknown, INSTRUMENT_TERMS.describe(list(REGISTRY.names(self.code[unknown]))))

    def _as_told(self, slots: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give slots of a venue the terms told of no venue; gives those of which none are told."""
        if not self.by_venue:
            return slots
        told = self._places.of_venues(self.code[slots])[0]
        given = (told >= 0) & (told != slots) & (self.kind[told] != UNKNOWN)
        for name in _TERM_ARRAYS:
            array = getattr(self, name)
            array[slots[given]] = array[told[given]]
        return np.asarray(slots[~given])

    def describe(self, terms: pd.DataFrame) -> None:
        """Take the terms of instruments: a frame with ``instrument``, the columns of ``TERMS``, and ``venue`` where venues differ.

        Terms that name no venue are those of every venue of the instrument so far.
        """
        names = terms["instrument"].astype("str").to_numpy()
        codes = REGISTRY.codes(names)
        if not codes.size:
            return
        self._places.tell_options(codes, terms["kind"].astype("str").to_numpy() == "option")
        told = terms["venue"].astype("str").to_numpy() if "venue" in terms else np.full(codes.size, "")
        slots = np.asarray(self._slots(codes, pd.Categorical(told)), dtype=np.int64)
        self._put_terms(slots, terms)
        for others in self._places.of_venues(codes)[1:] if self.by_venue else ():
            rows = np.flatnonzero((others >= 0) & (told == ""))
            if rows.size:
                self._put_terms(others[rows], terms.iloc[rows])

    def _put_terms(self, codes: npt.NDArray[Any], terms: pd.DataFrame) -> None:
        """Terms of slots, row by row."""
        kind, underlying, right, style = (
            _texts(terms[name]) for name in ("kind", "underlying", "right", "style")
        )
        kinds = np.array([_KINDS.get(each, OTHER) for each in kind], dtype=np.int8)
        is_call = np.array([each == "C" for each in right], dtype=bool)
        named = np.array([each != "" for each in underlying], dtype=bool)
        sided = is_call | np.array([each == "P" for each in right], dtype=bool)
        kinds[_unusable(kinds, named & sided, terms)] = NO_TERMS
        for name in dict.fromkeys(underlying):
            if name not in self._ids:
                self._ids[name] = len(self.underlyings)
                self.underlyings.append(name)
        self.kind[codes] = kinds
        self.underlying[codes] = [self._ids[name] for name in underlying]
        self.expiry_ns[codes] = terms["expiry_ns"].to_numpy(dtype=np.int64)
        self.strike[codes] = terms["strike"].to_numpy(dtype=np.float64)
        self.is_call[codes] = is_call
        self.multiplier[codes] = terms["multiplier"].to_numpy(dtype=np.float64)
        self.inverse[codes] = terms["inverse"].to_numpy(dtype=bool)
        self.american[codes] = [each == "american" for each in style]

    def keys(self, slots: npt.NDArray[Any]) -> list[tuple[str, str]]:
        """Instrument and venue of slots."""
        names, planes = REGISTRY.names(self.code[slots]).tolist(), self.venue[slots].tolist()
        return [(str(name), self.venues[plane]) for name, plane in zip(names, planes, strict=True)]

    def places(self, keys: list[tuple[str, str]]) -> npt.NDArray[np.int64]:
        """Slots of ``keys``."""
        names = [name for name, _ in keys]
        venues = pd.Categorical([venue for _, venue in keys])
        return np.asarray(self._slots(REGISTRY.codes(names), venues), dtype=np.int64)

    def snapshot(self) -> dict[str, Any]:
        """The state by instrument name."""
        known = np.flatnonzero((self.kind != UNKNOWN) & (self.code >= 0))
        state: dict[str, Any] = {
            name: getattr(self, name)[..., known].copy()
            for name, array in self.__dict__.items()
            if isinstance(array, np.ndarray) and name not in _IDENTITY
        }
        state["underlyings"] = list(self.underlyings)
        state["instruments"] = [str(name) for name in REGISTRY.names(self.code[known])]
        state["venues"] = [self.venues[plane] for plane in self.venue[known]]
        state["sources"] = self._places.snapshot()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        codes = REGISTRY.codes(state["instruments"])
        self.underlyings, self.venues = list(state["underlyings"]), [""]
        self._ids = {name: row for row, name in enumerate(self.underlyings)}
        self._places = Slots(state["sources"])
        self._allocate(0)
        codes = np.asarray(self._slots(codes, pd.Categorical(state["venues"])), dtype=np.int64)
        for name, array in self.__dict__.items():
            if isinstance(array, np.ndarray) and name not in _IDENTITY:
                array[..., codes] = state[name]
        self.seen[:] = (self.times > NO_TIME).any(axis=0)


def _texts(column: pd.Series[Any]) -> list[str]:
    """A column of names as texts; of a categorical each name is made one once."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return [str(value) for value in column.tolist()]
    values: Any = column.array
    pool = [*map(str, values.categories.tolist()), ""]
    return [pool[code] for code in values.codes.tolist()]


def _unusable(kinds: npt.NDArray[np.int8], named: npt.NDArray[np.bool_], terms: pd.DataFrame) -> Any:
    """Options that lack a term; ``named``: whether their underlying and right are known."""
    strike = terms["strike"].to_numpy(dtype=np.float64)
    multiplier = terms["multiplier"].to_numpy(dtype=np.float64)
    usable = named & (strike > 0) & (multiplier > 0)
    usable &= terms["expiry_ns"].to_numpy(dtype=np.int64) != NO_TIME
    return (kinds == OPTION) & ~usable


def spot_of(latest: LatestMarks, underlying: str) -> float:
    """The newest index of an underlying, of equally new ones the largest; NaN when none is known."""
    if underlying not in latest.underlyings:
        return float("nan")
    index = latest.field("index")
    ours = np.flatnonzero((latest.underlying == latest.underlyings.index(underlying)) & (index > 0))
    if not ours.size:
        return float("nan")
    times = latest.time("index")[ours]
    return float(index[ours[times == times.max(initial=NO_TIME)]].max())
