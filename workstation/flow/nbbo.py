"""Prints against the NBBO that stood when they happened: an as-of join by integers, over thousands of contracts.

The quote of a print is its contract's newest at or before the print's own time, among those that came before it: a quote that
comes later never places an earlier print, nor does the quote that the print itself moved. Quotes of single exchanges make the
NBBO where no consolidated quotes come; option tickers (``marks``) make it where no quotes come at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.flow import placement as kernels
from workstation.flow.eligibility import KEEP_NS, PrintsKept, exclusions, text_hashes
from workstation.flow.in_order import in_order
from workstation.flow.nbbo_parameters import NbboParameters
from workstation.flow.option_state import OptionState
from workstation.flow.placement import Ages, Contracts, Placed, Rows, SpotUpdates
from workstation.flow.quote_log import QuoteLog
from workstation.flow.side_rules import RULES, rule_codes
from workstation.market.engine import Beats, Engine, conformed
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import (
    EXCLUSIONS,
    MARKS,
    NBBO_BUCKETS,
    NO_TIME,
    PRINTS,
    QUOTES,
    TRADES,
    TradeFlag,
)
from workstation.market.tables.categories import CategoryNumbers, categories, coded
from workstation.market.tables.frames import STACKED_ROWS, arrays_of
from workstation.numerics.state_arrays import extended

_PLACEMENTS = categories(*NBBO_BUCKETS)
_EXCLUDED = categories(*EXCLUSIONS)
_SOURCES = categories("", *RULES)
_SALTS = CategoryNumbers(text_hashes)
_TRADE = {name: place for place, name in enumerate(TRADES.names)}
Codes = npt.NDArray[np.int64]
_QUOTE = ("bid", "ask", "bid_size", "ask_size")
_OPRA_CANCELS = frozenset("ACEG")
_NO_UPDATES = SpotUpdates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


class NbboPlacement(Engine):
    """Rows of ``prints``: every trade with the quote it met, its side, why it has no direction, and the market at that moment.

    Examples
    --------
    >>> name = "SPY   261218C00600000"
    >>> engine = NbboPlacement()
    >>> engine.update(QUOTES.batch({"event_ns": [10], "instrument": [name], "bid": [1.2], "ask": [1.3]}), "quotes").empty
    True
    >>> rows = engine.update(TRADES.batch({"event_ns": [20, 30], "instrument": [name] * 2, "price": [1.3, 1.25], "size": [2.0, 1.0]}))
    >>> rows[["placement", "bid", "ask", "side", "side_source", "premium_usd"]].values.tolist()
    [['A', 1.2, 1.3, 1, 'quote', 260.0], ['MID', 1.2, 1.3, -1, 'tick', 125.0]]
    """

    inputs: ClassVar[tuple[str, ...]] = ("trades", "quotes", "marks", "instruments")
    output: ClassVar[str] = "prints"

    def __init__(self, parameters: NbboParameters | None = None, **changes: Any) -> None:
        self.parameters = own = replace(parameters or NbboParameters(), **changes)
        self._rules = rule_codes(own.rules)
        lookback = int(pd.Timedelta(own.lookback).as_unit("ns").value)
        self._ages = Ages(round(own.max_age_ms * 1e6), lookback)
        self._reset()

    def _reset(self) -> None:
        self._watermark_ns, self._count = NO_TIME, 0
        self._quotes = QuoteLog(kept_ns=self._ages.lookback + self._ages.most)
        self._state = OptionState(self.parameters.kinds, self.parameters.rate)
        self._kept = PrintsKept()
        self._updates: list[SpotUpdates] = []
        self._contracts = Contracts(
            np.empty(0), np.empty(0, np.int8), np.empty(0, np.int64), np.empty(0), np.empty((0, kernels.RECENT), np.int64),
            np.empty(0, np.int64),
        )  # fmt: skip

    # -- rows in, rows out --------------------------------------------------------------------------------

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of one of ``inputs``; trades are given back placed, row for row."""
        arrays = arrays_of(batch)
        if len(batch):
            if table == "quotes":
                self._take_quotes(arrays)
            elif table == "marks":
                self._take_marks(batch, arrays)
            elif table == "instruments":
                self._state.describe(batch)
            else:
                return self._take_trades(arrays)
        return _EMPTY.copy(deep=False)

    def beats(self, rows: Mapping[str, pd.DataFrame]) -> Beats:
        """It reads no heartbeats."""
        return Beats(dict.fromkeys(rows, True))

    def _take_quotes(self, arrays: list[Any], *, ahead: bool = False) -> None:
        at = QUOTES.places
        codes = self._state.followed(arrays[at["instrument"]].codes)
        event_ns = np.array(arrays[at["event_ns"]])
        quotes = np.stack([arrays[at[name]] for name in _QUOTE], axis=1)
        exchanges = self._quotes.numbers(arrays[at["exchange"]])
        self._quotes.take(event_ns=event_ns, codes=codes, quotes=quotes, exchanges=exchanges)
        updates = self._state.spot_updates(codes, event_ns, quotes)
        if ahead:
            self._updates.append(updates)
            return
        kernels.put_spots(self._state.spots, updates.underlying, updates.event_ns, updates.price)
        self._watermark_ns = max(self._watermark_ns, int(event_ns.max()))

    def _in_blocks(
        self, trades: pd.DataFrame, quotes: pd.DataFrame, marks: pd.DataFrame
    ) -> Iterator[pd.DataFrame]:
        """Place a history without ``seq``: quotes of a while, then the prints up to its end, which look back.

        Prints out of order of time keep their places; the quotes they meet are those of their own time.
        """
        trade_ns = np.maximum.accumulate(trades["event_ns"].to_numpy())
        order = np.argsort(quotes["event_ns"].to_numpy(), kind="stable")
        quote_ns = quotes["event_ns"].to_numpy()[order]
        marks = MARKS.take(marks, np.argsort(marks["event_ns"].to_numpy(), kind="stable"))
        mark_ns = marks["event_ns"].to_numpy()
        span = self._ages.lookback // 3
        start = quoted = marked = 0
        while start < len(trades):
            until = int(np.searchsorted(mark_ns, trade_ns[start], side="right"))
            if until > marked:
                self.update(MARKS.take(marks, np.arange(marked, until)), "marks")
                marked = until
            stop = int(np.searchsorted(trade_ns, trade_ns[start] + span, side="right"))
            stop = min(stop, start + BLOCK_ROWS)
            if marked < mark_ns.size:
                stop = min(stop, int(np.searchsorted(trade_ns, mark_ns[marked], side="left")))
            until = int(np.searchsorted(quote_ns, trade_ns[stop - 1], side="right"))
            while quoted < until:
                upto = min(until, quoted + BLOCK_ROWS)
                self._take_quotes(arrays_of(QUOTES.take(quotes, order[quoted:upto])), ahead=True)
                quoted = upto
            yield self._take_trades(arrays_of(TRADES.take(trades, np.arange(start, stop))))
            start = stop

    def _take_marks(self, batch: pd.DataFrame, arrays: list[Any]) -> None:
        event_ns, codes, quotes = self._state.take_marks(batch, arrays)
        self._quotes.take(event_ns=event_ns, codes=codes, quotes=quotes, of_marks=True)
        self._watermark_ns = max(self._watermark_ns, int(batch["event_ns"].to_numpy().max()))

    def _take_trades(self, arrays: list[Any]) -> pd.DataFrame:
        codes = self._state.followed(arrays[_TRADE["instrument"]].codes)
        watermark = np.maximum(np.maximum.accumulate(arrays[_TRADE["event_ns"]]), self._watermark_ns)
        self._watermark_ns = int(watermark[-1])
        kept = np.flatnonzero(codes >= 0)
        if not kept.size:
            return _EMPTY.copy(deep=False)
        if kept.size < codes.size:
            arrays, codes, watermark = [values[kept] for values in arrays], codes[kept], watermark[kept]
        return self._placed(arrays, codes, watermark)

    def _placed(self, arrays: list[Any], codes: Codes, watermark_ns: Codes) -> pd.DataFrame:
        count = codes.size
        self._grow(int(codes.max()) + 1)
        rows = self._rows(arrays, codes, watermark_ns)
        numbers = np.arange(self._count + 1, self._count + count + 1)
        self._name_cancels(arrays, rows, numbers)
        placed = Placed(
            np.zeros(count, np.int8), np.full((count, 4), np.nan), np.full(count, np.nan), np.zeros(count, np.int8),
            np.zeros(count, np.int8), np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan),
        )  # fmt: skip
        kernels.place_rows(
            rows, self._quotes.log, self._quotes.newest, self._contracts, self._state.spots, self._waiting_updates(),
            self._rules, self._ages, placed,
        )  # fmt: skip
        self._count += count
        found = self._state.greeks(rows, placed, arrays[_TRADE["iv"]])
        return self._frame(arrays, rows, placed, numbers, found)

    def _waiting_updates(self) -> SpotUpdates:
        """Prices of underlyings taken ahead of the prints they hold for."""
        waiting, self._updates = self._updates, []
        if not waiting:
            return _NO_UPDATES
        return SpotUpdates(*(np.concatenate(parts) for parts in zip(*waiting, strict=True)))

    def _rows(self, arrays: list[Any], codes: Codes, watermark_ns: Codes) -> Rows:
        hashed = text_hashes(arrays[_TRADE["trade_id"]])
        salt = _SALTS(arrays[_TRADE["venue"]])
        terms = self._state.terms
        flags = arrays[_TRADE["flags"]]
        size, price = np.array(arrays[_TRADE["size"]]), np.array(arrays[_TRADE["price"]])
        excluded = exclusions(flags)
        excluded[(excluded == 0) & ~((price > 0) & (size > 0))] = EXCLUSIONS.index("unusable")
        return Rows(
            event_ns=np.array(arrays[_TRADE["event_ns"]]), watermark_ns=watermark_ns, code=codes, underlying=self._state.underlying(codes),
            hashed=np.where(hashed == 0, 0, hashed ^ (salt << 1)), cancels=np.zeros(codes.size, dtype=np.int64),
            side=np.array(arrays[_TRADE["side"]]), exclusion=excluded, price=price, size=size,
            index=np.array(arrays[_TRADE["index"]]), cent=np.where(terms.inverse[codes], 0.0, kernels.EPSILON),
            is_underlying=self._state.is_line[codes],
        )  # fmt: skip

    def _name_cancels(self, arrays: list[Any], rows: Rows, numbers: Codes) -> None:
        """Tell of each cancel which print it takes back; prints of this batch can be."""
        cancel = (arrays[_TRADE["flags"]] & int(TradeFlag.CANCEL)) != 0
        cancel &= rows.exclusion == EXCLUSIONS.index("cancel")
        prints = np.flatnonzero(~cancel & (rows.exclusion != EXCLUSIONS.index("void")))
        self._kept.forget(int(rows.watermark_ns[0]) - KEEP_NS)
        self._kept.add(
            number=numbers[prints], code=rows.code[prints], event_ns=rows.event_ns[prints], hashed=rows.hashed[prints],
            price=rows.price[prints], size=rows.size[prints],
        )  # fmt: skip
        conditions = arrays[_TRADE["condition"]]
        for row in np.flatnonzero(cancel).tolist():
            letter = str(conditions[row]) if conditions.codes[row] >= 0 else ""
            rows.cancels[row] = self._kept.named(
                number=int(numbers[row]), code=int(rows.code[row]), hashed=int(rows.hashed[row]),
                price=float(rows.price[row]), size=float(rows.size[row]), letter=letter if letter in _OPRA_CANCELS else "",
                now_ns=int(rows.watermark_ns[row]),
            )  # fmt: skip

    def _frame(
        self, arrays: list[Any], rows: Rows, placed: Placed, numbers: Codes, found: dict[str, Any]
    ) -> pd.DataFrame:
        given = dict(zip(TRADES.names, arrays, strict=True))
        given["seq"] = np.zeros(numbers.size, dtype=np.int64)
        given["side"], given["side_source"] = placed.side, coded(placed.source, _SOURCES)
        given |= dict(zip(_QUOTE, placed.quote.T, strict=True))
        given |= found | {
            "print_number": numbers, "cancels": rows.cancels, "placement": coded(placed.bucket, _PLACEMENTS),
            "quote_age_ms": placed.age_ms, "exclusion": coded(rows.exclusion, _EXCLUDED), "spot": placed.spot,
            "pre_move": placed.pre_move, "volume_before": placed.volume_before,
        }  # fmt: skip
        columns = [given[name] for name in PRINTS.names]
        if (
            numbers.size > STACKED_ROWS
        ):  # such columns are not stacked, and would be those of the trades handed in
            columns = [np.array(one) if isinstance(one, np.ndarray) else one for one in columns]
        return PRINTS.assembled(columns, numbers.size)

    def _grow(self, contracts: int) -> None:
        self._quotes.grow(contracts)
        held = self._contracts.last_price.size
        if contracts > held:
            size = max(contracts, 2 * held, 1024)
            one = self._contracts
            recent = np.zeros((size, kernels.RECENT), dtype=np.int64)
            recent[:held] = one.recent
            self._contracts = Contracts(
                extended(one.last_price, size, np.nan), extended(one.direction, size, 0), extended(one.day, size, -(1 << 60)),
                extended(one.volume, size, 0.0), recent, extended(one.prints, size, 0),
            )  # fmt: skip

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        held = np.flatnonzero((self._contracts.prints > 0) | (self._contracts.day > -(1 << 60)))
        return {
            "watermark_ns": self._watermark_ns,
            "count": self._count,
            "quotes": self._quotes.snapshot(),
            "state": self._state.snapshot(),
            "kept": self._kept.snapshot(),
            "instruments": [str(name) for name in REGISTRY.names(held)],
            "contracts": [part[held].copy() for part in self._contracts],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._reset()
        self._watermark_ns, self._count = int(state["watermark_ns"]), int(state["count"])
        self._quotes.restore(state["quotes"])
        self._state.restore(state["state"])
        self._kept.restore(state["kept"])
        codes = REGISTRY.codes(state["instruments"])
        self._grow(int(codes.max(initial=-1)) + 1)
        for ours, theirs in zip(self._contracts, state["contracts"], strict=True):
            ours[codes] = theirs


_EMPTY = PRINTS.empty()


def place(trades: pd.DataFrame, quotes: pd.DataFrame, max_age_ms: float = 1000.0) -> pd.DataFrame:
    """Trades with the quote each one met and where it lies against it.

    Parameters
    ----------
    trades, quotes
        Rows of those tables in the order in which they came, or with ``seq`` that tells it; without one, by ``event_ns``, quotes
        first. Quotes without ``exchange`` are consolidated; quotes of exchanges make the NBBO where there are no others.
    max_age_ms
        A print without a younger quote is STALE.

    Returns
    -------
    pandas.DataFrame
        The trades, row for row, with ``placement`` (AA, A, MID, B, BB, STALE, MISSING), ``bid``, ``ask`` and ``quote_age_ms`` (NaN
        where STALE or MISSING).

    Raises
    ------
    TableError
        What is given does not fit its table.

    Examples
    --------
    >>> quotes = pd.DataFrame({"event_ns": [900, 1001], "instrument": "AAPL", "bid": [9.0, 1.0], "ask": [10.0, 2.0]})
    >>> trades = pd.DataFrame({"event_ns": [1000], "instrument": "AAPL", "price": [10.0], "size": [100.0]})
    >>> place(trades, quotes)[["placement", "bid", "ask", "quote_age_ms"]].values.tolist()
    [['A', 9.0, 10.0, 0.0001]]
    """
    own, theirs = conformed(TRADES, trades), conformed(QUOTES, quotes)
    found = _place_sorted(own, theirs, max_age_ms)
    if found is None:
        rows = prints(own, theirs, max_age_ms=max_age_ms)
        found = {name: rows[name].array for name in ("placement", "bid", "ask", "quote_age_ms")}
    told = own.copy(deep=False)
    for name, values in found.items():
        told[name] = pd.Series(values, told.index, copy=False)
    return told


def _place_sorted(trades: pd.DataFrame, quotes: pd.DataFrame, max_age_ms: float) -> dict[str, Any] | None:
    """The columns to add; None where the rows are not in order or quotes are of exchanges."""
    trade, quote = arrays_of(trades), dict(zip(QUOTES.names, arrays_of(quotes), strict=True))
    named = [str(name) != "" for name in quote["exchange"].categories]
    if any(named) and np.append(named, False)[quote["exchange"].codes].any():
        return None
    count, codes, quote_codes = len(trades), trade[_TRADE["instrument"]].codes, quote["instrument"].codes
    contracts = max(int(codes.max(initial=-1)), int(quote_codes.max(initial=-1))) + 1
    cents = np.where(INSTRUMENT_TERMS.field("inverse", np.arange(contracts)), 0.0, kernels.EPSILON)
    bucket, found = np.empty(count, np.int8), np.empty((3, count))
    ordered = kernels.place_sorted(
        trade[_TRADE["event_ns"]], codes, trade[_TRADE["seq"]], trade[_TRADE["price"]], cents, quote["event_ns"], quote_codes,
        quote["seq"], bool(trade[_TRADE["seq"]].any()), quote["bid"], quote["ask"], round(max_age_ms * 1e6),
        np.full(contracts + 1, -1), np.empty((contracts + 1, 2)), bucket, *found,
    )  # fmt: skip
    if not ordered:
        return None
    return {"placement": coded(bucket, _PLACEMENTS)} | dict(
        zip(("bid", "ask", "quote_age_ms"), found, strict=True)
    )


BLOCK_ROWS = 50_000


def _is_by_time(trades: pd.DataFrame, quotes: pd.DataFrame) -> bool:
    """Whether the order of numbered rows is that of their times, with no trade at the very time of a quote."""
    seq = np.concatenate((trades["seq"].to_numpy(), quotes["seq"].to_numpy()))
    event_ns = np.concatenate((trades["event_ns"].to_numpy(), quotes["event_ns"].to_numpy()))
    order = np.argsort(seq, kind="stable")
    step, table = np.diff(event_ns[order]), order < len(trades)
    return bool(((step > 0) | ((step == 0) & (table[1:] == table[:-1]))).all())


def prints(
    trades: pd.DataFrame, quotes: pd.DataFrame, marks: pd.DataFrame | None = None, *, lookback: str = "30s", **parameters: Any
) -> pd.DataFrame:  # fmt: skip
    """Rows of ``prints`` of whole histories: what ``NbboPlacement`` gives for them.

    Parameters
    ----------
    trades, quotes, marks
        Rows of those tables, as ``place`` takes them.
    lookback, parameters
        Of ``NbboParameters``; all kinds of instruments are placed unless ``kinds`` says otherwise.

    Examples
    --------
    >>> trades = pd.DataFrame({"event_ns": [5], "instrument": "AAPL", "price": [10.0], "size": [100.0]})
    >>> prints(trades, QUOTES.empty())[["placement", "premium_usd"]].values.tolist()
    [['MISSING', 1000.0]]
    """
    own, theirs = conformed(TRADES, trades), conformed(QUOTES, quotes)
    engine = NbboPlacement(**({"kinds": (), "lookback": lookback} | parameters))
    if not (own["seq"].to_numpy() > 0).all() or (marks is None and _is_by_time(own, theirs)):
        made = list(
            engine._in_blocks(own, theirs, MARKS.empty() if marks is None else conformed(MARKS, marks))
        )
    else:
        tables = {
            "quotes": theirs,
            "marks": None if marks is None else conformed(MARKS, marks),
            "trades": own,
        }
        order = in_order(tables, first=("quotes", "marks", "trades"))
        made = [engine.update(batch, table) for table, batch in order]
    return PRINTS.concat([rows for rows in made if len(rows)])
