"""Equity prints off exchange (FINRA's TRF and ADF): what they let one infer, and why most let one infer nothing.

A print is judged by the quote of its execution, not of its report, which may come ten seconds later. An inference is no fact: a
block at the mid may have been absorbed by a buyer or by a seller.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from workstation.flow.eligibility import KEEP_NS
from workstation.flow.nbbo import prints as placed_prints
from workstation.market.engine import Engine, conformed
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import EXCLUSIONS, NO_TIME, OFFEXCHANGE, PRINTS, TradeFlag
from workstation.market.tables.categories import categories, coded
from workstation.market.tables.frames import arrays_of

_AT = {name: place for place, name in enumerate(PRINTS.names)}
KINDS = ("absorbed_block", "stealth_accumulation", "distribution")
REASONS = (
    "", "on exchange", "not an equity", *EXCLUSIONS[1:], "official or out of the tape", "extended hours", "prior or derived price",
    "odd lot", "missing quote", "stale quote", "wide quote", "far from the quote",
)  # fmt: skip
"""Why a print lets one infer nothing, the first reason that holds; empty: it may."""
EVIDENCE_MEMBERS = 20
FAR = 0.1
"""A price so far from the mid, as a share, is of another adjustment or an error."""
_OFF = ("FINRA", "TRF", "OTC", "ADF")


def is_off_exchange(exchange: str) -> bool:
    """Whether an exchange's code or name says that a print was reported to FINRA.

    Examples
    --------
    >>> [is_off_exchange(name) for name in ("D", "N", "FINRA / NASDAQ TRF", "OTC")]
    [True, False, True, True]
    """
    return exchange == "D" or any(word in exchange.upper() for word in _OFF)


@dataclass(frozen=True)
class OffExchangeParameters:
    """Parameters of ``OffExchange``.

    Attributes
    ----------
    block_shares
        A print at the mid of so many shares is an absorbed block.
    print_shares, prints, shares, window
        So many prints of at least so many shares, at or over the ask (accumulation) or at or under the bid (distribution), within so
        much time, and so many shares in all.
    most_spread
        Spread over the mid of a good quote.
    cooldown
        An instrument raises one event of a kind in so much time.
    """

    block_shares: float = 2_000.0
    print_shares: float = 200.0
    prints: int = 4
    shares: float = 3_000.0
    window: str = "60s"
    most_spread: float = 0.005
    cooldown: str = "30s"

    def __post_init__(self) -> None:
        for name in ("block_shares", "print_shares", "prints", "shares", "most_spread"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        for name in ("window", "cooldown"):
            if not pd.Timedelta(getattr(self, name)).value > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")


def confidence(*, shares: float, least: float, spread: float, most_spread: float) -> float:
    """Confidence of an inference: 0.35, up to 0.45 for shares (all of it from twice the least on), up to 0.2 for a narrow quote.

    Examples
    --------
    >>> confidence(shares=1200, least=1000, spread=0.0, most_spread=0.01)
    0.8200000000000001
    """
    tight = 0.5 if not isfinite(spread) else min(max(1.0 - spread / most_spread, 0.0), 1.0)
    return 0.35 + 0.45 * min(1.0, shares / (2.0 * least)) + 0.2 * tight


def reasons(prints: pd.DataFrame, most_spread: float = 0.005) -> pd.Categorical:
    """Why each row of ``prints`` lets one infer nothing; see ``REASONS``.

    Examples
    --------
    >>> reasons(PRINTS.empty()).tolist()
    []
    """
    return coded(_reasons(arrays_of(conformed(PRINTS, prints)), most_spread), _REASONS)


_REASONS = categories(*REASONS)
_PLACE = {reason: place for place, reason in enumerate(REASONS)}


def _reasons(arrays: list[Any], most_spread: float) -> npt.NDArray[np.int8]:
    def of(name: str) -> Any:
        return arrays[_AT[name]]

    flags, bid, ask, price = of("flags"), of("bid"), of("ask"), of("price")
    codes = of("instrument").codes
    known = np.unique(codes)
    equity = np.zeros(max(len(REGISTRY), 1), dtype=bool)
    equity[known] = [kind == "equity" for kind in INSTRUMENT_TERMS.kinds(known)]
    bucket = np.asarray(of("placement").codes)
    names = np.append([str(name) for name in of("placement").categories], "")[bucket]
    mid = 0.5 * (bid + ask)
    with np.errstate(invalid="ignore", divide="ignore"):
        wide, far = (ask - bid) / mid > most_spread, np.abs(price / mid - 1.0) > FAR
    off = np.append([is_off_exchange(str(name)) for name in of("exchange").categories], False)[
        of("exchange").codes
    ]
    tests = (
        ("far from the quote", far), ("wide quote", wide),
        ("stale quote", names == "STALE"), ("missing quote", names == "MISSING"),
        ("odd lot", (flags & int(TradeFlag.ODD_LOT)) != 0), ("prior or derived price", (flags & int(TradeFlag.NO_PRICE)) != 0),
        ("extended hours", (flags & int(TradeFlag.EXTENDED_HOURS)) != 0),
    )  # fmt: skip
    found = np.zeros(len(flags), dtype=np.int8)
    for reason, holds in tests:
        found[holds] = _PLACE[reason]
    excluded = of("exclusion")
    places = np.append([_PLACE[str(name)] for name in excluded.categories], 0)[excluded.codes]
    found = np.where(places > 0, places, found).astype(np.int8)
    found[~(off | ((flags & int(TradeFlag.OFF_EXCHANGE)) != 0))] = _PLACE["on exchange"]
    found[~equity[codes]] = _PLACE["not an equity"]
    return found


class OffExchange(Engine):
    """Rows of ``offexchange`` from ``prints``; an event that loses a member to a cancel comes again with ``retracted``.

    Examples
    --------
    >>> OffExchange().update(PRINTS.empty()).empty
    True
    """

    inputs: ClassVar[tuple[str, ...]] = ("prints",)
    output: ClassVar[str] = "offexchange"

    def __init__(self, parameters: OffExchangeParameters | None = None, **changes: Any) -> None:
        self.parameters = replace(parameters or OffExchangeParameters(), **changes)
        times = (self.parameters.window, self.parameters.cooldown)
        self._window_ns, self._cooldown_ns = (int(pd.Timedelta(one).as_unit("ns").value) for one in times)
        self._reset()

    def _reset(self) -> None:
        self._windows: dict[str, deque[dict[str, Any]]] = {}
        self._last: dict[str, int] = {}
        self._events: deque[dict[str, Any]] = deque()
        self._watermark_ns = NO_TIME

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of ``prints`` and give the events they complete."""
        if not len(batch):
            return _EMPTY.copy(deep=False)
        arrays = arrays_of(batch)
        own = self.parameters
        may = _reasons(arrays, own.most_spread) == 0
        size = arrays[_AT["size"]]
        may &= size >= min(own.print_shares, own.block_shares)
        rows: list[dict[str, Any]] = []
        watermark = np.maximum(np.maximum.accumulate(arrays[_AT["event_ns"]]), self._watermark_ns)
        self._watermark_ns = int(watermark[-1])
        for row in np.flatnonzero(may | (arrays[_AT["cancels"]] > 0)).tolist():
            if arrays[_AT["cancels"]][row] > 0:
                rows += self._cancel(
                    int(arrays[_AT["cancels"]][row]), int(arrays[_AT["event_ns"]][row]), int(watermark[row])
                )
            else:
                rows += self._judge(_print(arrays, row))
        self._forget(self._watermark_ns)
        return _frame(rows)

    def _judge(self, one: dict[str, Any]) -> list[dict[str, Any]]:
        own, told = self.parameters, []
        if one["placement"] == "MID" and one["size"] >= own.block_shares:
            told += self._event("absorbed_block", one, [one], own.block_shares)
        kind = (
            "stealth_accumulation"
            if one["placement"] in ("A", "AA")
            else "distribution"
            if one["placement"] in ("B", "BB")
            else ""
        )
        if kind and one["size"] >= own.print_shares:
            window = self._windows.setdefault(f"{one['instrument']}|{kind}", deque())
            window.append(one)
            while window and window[0]["event_ns"] < one["event_ns"] - self._window_ns:
                window.popleft()
            if len(window) >= own.prints and sum(held["size"] for held in window) >= own.shares:
                made = self._event(kind, one, list(window), own.shares)
                if made:
                    window.clear()
                told += made
        return told

    def _event(
        self, kind: str, last: dict[str, Any], members: list[dict[str, Any]], least: float
    ) -> list[dict[str, Any]]:
        key = f"{last['instrument']}|{kind}"
        if last["event_ns"] < self._last.get(key, -(1 << 62)) + self._cooldown_ns:
            return []
        self._last[key] = last["event_ns"]
        shares = sum(one["size"] for one in members)
        spread = float(np.mean([one["spread"] for one in members]))
        sure = confidence(shares=shares, least=least, spread=spread, most_spread=self.parameters.most_spread)
        where = {
            "absorbed_block": "at the mid", "stealth_accumulation": "at or over the ask", "distribution": "at or under the bid",
        }[kind]  # fmt: skip
        words = (
            f"{kind.replace('_', ' ')}: {shares:,.0f} shares in {len(members)} off-exchange print(s) {where}, quote {spread:.3%} wide; "
            f"confidence {sure:.2f} = 0.35 + {0.45 * min(1.0, shares / (2 * least)):.2f} for shares + the rest for the quote"
        )
        row = {
            "event_ns": last["event_ns"], "instrument": last["instrument"], "kind": kind,
            "direction": {"absorbed_block": 0, "stealth_accumulation": 1, "distribution": -1}[kind], "prints": len(members),
            "size": shares, "premium_usd": sum(one["premium_usd"] for one in members), "confidence": sure, "retracted": False,
            "event_id": f"offexchange:{kind}:{last['instrument']}:{last['event_ns']}:{last['number']}", "explanation": words,
            "evidence": orjson.dumps({"members": members[-EVIDENCE_MEMBERS:], "count": len(members)}).decode(),
        }  # fmt: skip
        numbers = [one["number"] for one in members]
        self._events.append({"row": row, "numbers": numbers})
        return [row]

    def _cancel(self, number: int, event_ns: int, now_ns: int) -> list[dict[str, Any]]:
        """Take a member out of its window, and back what it helped to raise."""
        for window in self._windows.values():
            for one in [one for one in window if one["number"] == number]:
                window.remove(one)
        told = []
        for event in list(self._events):
            if number in event["numbers"] and event["row"]["event_ns"] >= now_ns - KEEP_NS:
                self._events.remove(event)
                words = f"retracted, print {number} was cancelled; it was: {event['row']['explanation']}"
                told.append({**event["row"], "retracted": True, "event_ns": event_ns, "explanation": words})
        return told

    def _forget(self, now_ns: int) -> None:
        while self._events and self._events[0]["row"]["event_ns"] < now_ns - 2 * KEEP_NS:
            self._events.popleft()

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        windows = {key: [dict(one) for one in window] for key, window in self._windows.items()}
        return {
            "watermark_ns": self._watermark_ns,
            "windows": windows,
            "last": dict(self._last),
            "events": [dict(event) for event in self._events],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._windows = {key: deque(dict(one) for one in window) for key, window in state["windows"].items()}
        self._watermark_ns = int(state["watermark_ns"])
        self._last = {key: int(at) for key, at in state["last"].items()}
        self._events = deque(dict(event) for event in state["events"])


def _print(arrays: list[Any], row: int) -> dict[str, Any]:
    bid, ask = float(arrays[_AT["bid"]][row]), float(arrays[_AT["ask"]][row])
    return {
        "number": int(arrays[_AT["print_number"]][row]), "trade_id": str(arrays[_AT["trade_id"]][row]),
        "event_ns": int(arrays[_AT["event_ns"]][row]), "instrument": str(arrays[_AT["instrument"]][row]),
        "price": float(arrays[_AT["price"]][row]), "size": float(arrays[_AT["size"]][row]), "bid": bid, "ask": ask,
        "quote_age_ms": float(arrays[_AT["quote_age_ms"]][row]), "spread": (ask - bid) / (0.5 * (ask + bid)),
        "placement": str(arrays[_AT["placement"]][row]), "premium_usd": float(arrays[_AT["premium_usd"]][row]),
        "condition": str(arrays[_AT["condition"]][row]), "exchange": str(arrays[_AT["exchange"]][row]),
    }  # fmt: skip


_EMPTY = OFFEXCHANGE.empty()


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    if not rows:
        return _EMPTY.copy(deep=False)
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["instrument"] = REGISTRY.categorical(REGISTRY.codes(columns["instrument"]))
    return OFFEXCHANGE.batch(columns, len(rows))


def offexchange(
    trades: pd.DataFrame, quotes: pd.DataFrame, max_age_ms: float = 1000.0, **parameters: Any
) -> pd.DataFrame:
    """Events inferred from off-exchange prints of whole histories.

    Parameters
    ----------
    trades, quotes
        Rows of those tables, as ``flow.nbbo.prints`` takes them; ``event_ns`` is the time of execution.
    max_age_ms
        Of the quotes.
    parameters
        Of ``OffExchangeParameters``.

    Returns
    -------
    pandas.DataFrame
        Rows of ``offexchange``.

    Examples
    --------
    >>> from workstation.market.tables import QUOTES, TRADES
    >>> quotes = QUOTES.batch({"event_ns": [5], "instrument": ["AAPL"], "bid": [100.0], "ask": [100.1]})
    >>> trades = TRADES.batch({"event_ns": [9], "instrument": ["AAPL"], "price": [100.05], "size": [5000.0], "exchange": "D", "flags": [8]})
    >>> offexchange(trades, quotes)[["kind", "size", "direction"]].values.tolist()
    [['absorbed_block', 5000.0, 0]]
    """
    return OffExchange(**parameters).update(placed_prints(trades, quotes, max_age_ms=max_age_ms))  # fmt: skip


def retail_side(price: npt.ArrayLike, *, tick: float = 0.01) -> npt.NDArray[np.int8]:
    """Side of retail orders by their sub-penny price improvement: -1 within the lower 40 % of a tick, +1 within the upper, else 0.

    Boehmer, Jones, Zhang and Zhang, "Tracking Retail Investor Activity", Journal of Finance 2021; for off-exchange prints.

    Examples
    --------
    >>> retail_side([10.0001, 10.004, 10.005, 10.0061, 10.01]).tolist()
    [-1, 0, 0, 1, 0]
    """
    part = np.round(np.mod(np.asarray(price, dtype=np.float64) / tick, 1.0), 6)
    part = np.where(part >= 1.0, 0.0, part)
    return np.where((part > 0.0) & (part < 0.4), -1, np.where(part > 0.6, 1, 0)).astype(np.int8)


def retail_side_by_quote(
    price: npt.ArrayLike, *, bid: npt.ArrayLike, ask: npt.ArrayLike, tick: float = 0.01
) -> npt.NDArray[np.int8]:
    """The same prints signed by the quote's mid, those within 40 to 60 % of the quote left out.

    Barber, Huang, Jorion, Odean and Schwarz, "A (Sub)penny for Your Thoughts", Journal of Finance 2024.

    Examples
    --------
    >>> retail_side_by_quote([10.0401, 10.0099, 10.0251], bid=10.0, ask=10.05).tolist()
    [1, -1, 0]
    """
    prices, low, high = (np.asarray(one, dtype=np.float64) for one in (price, bid, ask))
    part = np.round(np.mod(prices / tick, 1.0), 6)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = (prices - low) / (high - low)
    improved = (part > 0.0) & (part < 1.0) & (high > low)
    return np.where(improved & (place > 0.6), 1, np.where(improved & (place < 0.4), -1, 0)).astype(np.int8)
