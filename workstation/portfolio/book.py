"""The book: positions valued at the market, one row per leg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.dividends import Dividends, single_dividends
from workstation.market.instruments import REGISTRY
from workstation.market.public_face import make_callable
from workstation.market.tables import MARKS
from workstation.portfolio.greeks import UNITS, usd_greeks
from workstation.portfolio.ledger import Floats
from workstation.portfolio.positions import CONTRACT, CUMULATIVE, LEG, named
from workstation.portfolio.valuation import Quoted, Terms, quoted, terms_of, unrealised
from workstation.pricing.carry import CarryParameters
from workstation.pricing.latest import LatestMarks

MARKET = ("mark", "forward", "index", "iv", "years", "rate", "discount", "yields")
"""Columns of a book that hold the market: as ``Quoted``."""


def book(
    held: pd.DataFrame,
    marks: pd.DataFrame,
    asof_ns: int | None = None,
    *,
    dividends: Mapping[str, Dividends] | None = None,
    rates_of: str = "",
) -> pd.DataFrame:
    """Positions at the market: value, unrealised PnL and greeks of every leg.

    Parameters
    ----------
    held
        From ``positions``, or rows of the ``positions`` table as the venues tell them (of several per position the newest). Long and
        short of one contract, cross and isolated, are legs of their own: ``net`` sums them.
    marks
        Rows of the ``marks`` table, perpetuals and futures too; of each instrument the newest known fields up to ``asof_ns`` count.
    asof_ns
        None: the newest time of ``marks``.
    dividends
        Cash dividends known ahead, by underlying (``workstation.market.dividends.read_dividends``): of its American options off the
        spot; of others a yield is implied.
    rates_of
        An underlying of ``marks`` whose European chain tells the rates of American ones (``SPX``); empty: their own parity.

    Returns
    -------
    pandas.DataFrame
        venue, account, instrument, position_side, margin_mode, underlying, kind, settle_currency, inverse, asof_ns, quantity, entry; ``mark``, ``forward``,
        ``index``, ``iv``, ``years``, ``rate`` (USD per settle currency), ``discount`` and ``yields`` (of American options); ``value_usd`` (of futures the unrealised PnL),
        ``unrealised`` (settle currency), ``unrealised_usd`` at the index; the greeks of ``greeks.UNITS``; what ``positions`` says of
        realised PnL, funding and fees. NaN where the market is unknown; attrs["units"] tells units.

    Examples
    --------
    >>> option = "BTC/USD:BTC-261225-100000-C"
    >>> held = pd.DataFrame({"event_ns": [0], "instrument": option, "quantity": 2.0, "entry": 0.05})
    >>> marks = pd.DataFrame({"event_ns": [pd.Timestamp("2026-11-01").value], "instrument": option, "mark": 0.06,
    ...                       "mark_iv": 0.5, "forward": 101_000.0, "index": 100_000.0})
    >>> book(held, marks)[["unrealised", "unrealised_usd", "value_usd"]].round(6).values.tolist()
    [[0.02, 2000.0, 12000.0]]
    """
    rows = MARKS.conform(marks)
    asof = int(rows["event_ns"].max()) if asof_ns is None else asof_ns
    latest = LatestMarks(by_venue=True)
    latest.take(rows[rows["event_ns"].to_numpy() <= asof])
    newest = _newest(held)
    names = newest["instrument"].astype("str").tolist()
    terms = terms_of(names)
    told = _told(newest, len(names))
    slots = latest.of(REGISTRY.codes(names), newest["venue"].astype("str").tolist())
    carry = CarryParameters(dividends=single_dividends(dividends or {}), rates_of=rates_of)
    market = quoted(terms, slots, latest, asof, told, carry)
    return book_of(newest, terms, market, asof)


NETTED = ("quantity", "value_usd", "unrealised", "unrealised_usd", *UNITS)
"""What of a book is summed over the positions of one contract."""


def net(book: pd.DataFrame) -> pd.DataFrame:
    """One row per venue, account and instrument: the sums over its sides and margin modes.

    Parameters
    ----------
    book
        From ``book``.

    Returns
    -------
    pandas.DataFrame
        venue, account, instrument and the sums of ``NETTED``, in the units of ``book``; NaN where one of its positions is unknown.

    Examples
    --------
    >>> perp = "BTC/USDT:USDT"
    >>> held = pd.DataFrame({"event_ns": 0, "instrument": perp, "position_side": ["long", "short"], "quantity": [1.0, -0.4],
    ...                      "entry": [69_000.0, 71_000.0]})
    >>> net(book(held, pd.DataFrame({"event_ns": [0], "instrument": perp, "mark": 70_000.0, "index": 70_000.0})))[
    ...     ["quantity", "unrealised", "delta"]].values.tolist()
    [[0.6, 1400.0, 42000.0]]
    """
    columns = [name for name in NETTED if name in book]
    return book.groupby(CONTRACT, sort=False)[columns].sum(skipna=False).reset_index()


def _newest(held: pd.DataFrame) -> pd.DataFrame:
    frame = named(held)
    if "event_ns" in frame:
        frame = frame.sort_values("event_ns", kind="stable")
    return frame.drop_duplicates(LEG, keep="last").sort_index().reset_index(drop=True)


def _told(held: pd.DataFrame, rows: int) -> Quoted:
    unknown = np.full(rows, np.nan)

    def column(name: str) -> Floats:
        return held[name].to_numpy(dtype=np.float64) if name in held else unknown

    return Quoted(column("mark"), unknown, column("index"), *(unknown,) * 5)


def worth(terms: Terms, quantity: Floats, entry: Floats, market: Quoted) -> dict[str, Floats]:
    """Columns value_usd, unrealised and unrealised_usd of legs."""
    gain = unrealised(terms, quantity, entry, market.mark)
    nothing = quantity == 0.0
    gain_usd = np.where(nothing, 0.0, gain * market.rate)
    value = np.where(terms.is_future, gain, quantity * market.mark)
    return {
        "value_usd": np.where(nothing, 0.0, value * market.rate),
        "unrealised": gain,
        "unrealised_usd": gain_usd,
    }


def book_of(held: pd.DataFrame, terms: Terms, market: Quoted, asof_ns: int) -> pd.DataFrame:
    """A book of legs whose market is known."""
    quantity = held["quantity"].to_numpy(dtype=np.float64)
    entry = held["entry"].to_numpy(dtype=np.float64)
    columns: dict[str, Any] = {name: held[name].astype("str").to_numpy() for name in LEG}
    columns |= {
        "underlying": terms.underlying,
        "kind": terms.kind,
        "settle_currency": terms.settle,
        "inverse": terms.inverse,
        "asof_ns": np.full(quantity.size, asof_ns),
        "quantity": quantity,
        "entry": entry,
        **{name: getattr(market, name) for name in MARKET},
        **worth(terms, quantity, entry, market),
        **usd_greeks(terms, quantity, entry, market),
    }
    for name in (*CUMULATIVE, "settled_price", "settled_index", "settled_ns"):
        if name in held:
            columns[name] = held[name].to_numpy()
    frame = pd.DataFrame(columns)
    frame.attrs["units"] = {
        **UNITS,
        "quantity": "underlying units",
        "entry": "as price",
        "unrealised": "settle currency",
        "unrealised_usd": "USD",
        "value_usd": "USD",
    }
    return frame


make_callable(__name__)
