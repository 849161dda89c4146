"""The book of a session: what is held, at the newest marks, and its PnL as the desk published it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import param

from workstation.market.instants import DAY_NS, HOUR_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import MARKS
from workstation.portfolio.book import book
from workstation.portfolio.explain import PARTS, cents
from workstation.portfolio.greeks import UNITS, totals
from workstation.portfolio.pnl import COLUMNS
from workstation.portfolio.positions import current
from workstation.views.state.source import Source

PERIODS = {"day": "Today", "hour": "1 h", "all": "Since start"}
DAYS = {0.0: "now", 1.0: "+1 d", 7.0: "+7 d"}
SHOWN = {"pnl": "PnL", "pa_pnl": "PnL, coin kept", "delta": "Delta"}
CURVES = {"parts": "Total", "legs": "By leg"}
ALL = "All"


class PortfolioChoice(param.Parameterized):
    """The choices of a session; every one is in the page's address.

    Examples
    --------
    >>> PortfolioChoice().period
    'day'
    """

    underlying = param.Selector(default=ALL, objects=[ALL], doc="whose legs are shown, summed and shocked")
    period = param.Selector(default="day", objects=list(PERIODS), doc="what the explain spans")
    curves = param.Selector(default="parts", objects=list(CURVES))
    days = param.Selector(default=0.0, objects=list(DAYS), doc="time that passes in the what-if grid")
    shown = param.Selector(default="pnl", objects=list(SHOWN), doc="what the what-if grid shows")

    def offer(self, names: list[str]) -> None:
        """Offer the underlyings held."""
        wanted = [ALL, *names]
        if self.param["underlying"].objects != wanted:
            self.param["underlying"].objects = wanted
        if self.underlying not in wanted:
            self.underlying = ALL


@dataclass(frozen=True, eq=False)
class Holdings:
    """Legs at the market and their sums by underlying."""

    legs: pd.DataFrame
    totals: pd.DataFrame
    unpriced: dict[str, list[str]] = field(default_factory=dict)
    """Legs held whose market is not known: what is missing of each. The sums are of the others."""

    @property
    def held(self) -> pd.DataFrame:
        """Legs that are open."""
        return self.legs[self.legs["quantity"].to_numpy() != 0.0] if len(self.legs) else self.legs

    def of(self, underlying: str) -> Holdings:
        """What is held of one underlying; of all where it is ``ALL``."""
        if underlying == ALL:
            return self
        legs = self.legs[(self.legs["underlying"].astype("str") == underlying).to_numpy()]
        names = set(legs["instrument"].astype("str"))
        unpriced = {leg: missing for leg, missing in self.unpriced.items() if leg in names}
        return Holdings(legs, self.totals[self.totals.index.astype("str") == underlying], unpriced)


_KEPT: WeakKeyDictionary[Any, tuple[tuple[int, ...], Holdings | None]] = WeakKeyDictionary()
_TABLES = ("fills", "positions", "marks")


def holdings(source: Source) -> Holdings | None:
    """The newest book, made once for all sessions; None when nothing was ever held."""
    key = tuple(source.version(table) for table in _TABLES)
    kept = _KEPT.get(source)
    if kept is None or kept[0] != key:
        kept = (key, _made(source))
        _KEPT[source] = kept
    return kept[1]


def _made(source: Source) -> Holdings | None:
    held = held_legs(source)
    if held is None:
        return None
    legs = book(held, _marks(source, held))
    return Holdings(legs, known_totals(legs), _unpriced(legs))


def known_totals(legs: pd.DataFrame) -> pd.DataFrame:
    """``totals`` of the numbers that are known; NaN where an underlying has none, so that one leg blanks no sum."""
    held = legs[legs["quantity"].to_numpy() != 0.0]
    columns = [*(name for name in UNITS if name != "pa_delta"), "value_usd", "unrealised_usd"]
    known = held[columns].notna().groupby(held["underlying"].astype("str")).any()
    found = totals(legs.assign(**{name: legs[name].fillna(0.0) for name in [*columns, "pa_delta"]}))
    return found.where(known.reindex(columns=found.columns, fill_value=True).reindex(found.index))


def held_legs(source: Source) -> pd.DataFrame | None:
    """Positions as the fills make them, and those the venues tell of that no fill has touched; None without any."""
    held = current(source.latest("fills"), source.latest("positions"))
    return held if len(held) else None


def _marks(source: Source, held: pd.DataFrame) -> pd.DataFrame:
    """The marks, and for what has none (perpetuals, shares) the middle of the quotes, else the newest print."""
    marks = source.latest("marks")
    known = set(marks["instrument"].astype("str"))
    legs = held[["instrument", "venue"]].astype("str").drop_duplicates()
    rows = [
        row
        for name, venue in legs.itertuples(index=False)
        if name not in known
        for row in _priced(source, name, venue)
    ]
    return marks if not rows else MARKS.concat([marks, MARKS.conform(pd.DataFrame(rows))])


def _priced(source: Source, name: str, venue: str) -> list[dict[str, Any]]:
    """A mark of a leg: its own venue's quote before others', a consolidated one before that of one exchange."""
    quotes = _rows(source.latest("quotes"), name)
    quotes = quotes[np.isfinite(quotes["bid"].to_numpy() + quotes["ask"].to_numpy())]
    trades = _rows(source.latest("trades"), name)
    for rows in (quotes, trades):
        if not len(rows):
            continue
        rank = 2 * (rows["venue"].astype("str") != venue).to_numpy()
        if rows is quotes:
            rank = rank + (rows["exchange"].astype("str") != "").to_numpy()
        newest = rows[rank == rank.min()].iloc[-1]
        price = 0.5 * (newest["bid"] + newest["ask"]) if rows is quotes else newest["price"]
        stamp = {"event_ns": int(newest["event_ns"]), "instrument": name, "venue": venue}
        return [stamp | {"mark": float(price)}]
    return []


def _rows(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    code = frame["instrument"].cat.categories.get_indexer(pd.Index([name]))[0]
    return (
        frame.take(np.flatnonzero(frame["instrument"].cat.codes.to_numpy() == code))
        if code >= 0
        else frame.iloc[:0]
    )


def _unpriced(legs: pd.DataFrame) -> dict[str, list[str]]:
    held = legs[legs["quantity"] != 0.0]
    option = (held["kind"] == "option").to_numpy()
    found: dict[str, list[str]] = {}
    for name, wanted in (
        ("mark", np.ones(len(held), dtype=bool)),
        ("iv", option),
        ("rate", np.ones(len(held), dtype=bool)),
    ):
        missing = held["instrument"][held[name].isna().to_numpy() & wanted]
        for leg in missing.astype("str"):
            found.setdefault(leg, []).append(name)
    return found


def priced_legs(made: Holdings, underlying: str = ALL) -> pd.DataFrame:
    """Open legs whose market is known, of one underlying or all."""
    held = made.held
    option = (held["kind"] == "option").to_numpy()
    known = np.isfinite(held[["mark", "rate"]].to_numpy(dtype=np.float64)).all(axis=1)
    known &= ~option | np.isfinite(held[["forward", "iv"]].to_numpy(dtype=np.float64)).all(axis=1)
    if underlying != ALL:
        known &= (held["underlying"].astype("str") == underlying).to_numpy()
    priced: pd.DataFrame = held[known]
    return priced


# -- PnL as published -------------------------------------------------------------------------------------


def of_book(source: Source, underlying: str = ALL) -> pd.DataFrame:
    """Published PnL rows of the whole book, or the sums of those of one underlying's contracts, in time order."""
    rows = source.latest("pnl")
    if underlying == ALL:
        return rows[rows["instrument"].isna().to_numpy()].sort_values("event_ns", kind="stable")
    key = (source.version("pnl"), underlying)
    kept = _SUMS.get(source)
    if kept is None or kept[0] != key:
        kept = (key, summed(of_contracts(rows, underlying)))
        _SUMS[source] = kept
    return kept[1]


_SUMS: WeakKeyDictionary[Any, tuple[tuple[int, str], pd.DataFrame]] = WeakKeyDictionary()
AMOUNTS = ("total", "realised", "unrealised", "funding", "fees", *COLUMNS.values())


def of_contracts(rows: pd.DataFrame, underlying: str) -> pd.DataFrame:
    """Rows of ``pnl`` that are of contracts of one underlying; of all where it is ``ALL``."""
    contracts: pd.DataFrame = rows[rows["instrument"].notna().to_numpy()]
    if underlying == ALL or not len(contracts):
        return contracts
    names = contracts["instrument"].astype("str")
    terms = INSTRUMENT_TERMS.describe(names.unique())
    own = set(terms["instrument"][(terms["underlying"].astype("str") == underlying).to_numpy()].astype("str"))
    return contracts[names.isin(own).to_numpy()]


def summed(contracts: pd.DataFrame) -> pd.DataFrame:
    """Amounts of contracts added up at every instant one of them was published: the last known of each counts.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 1, 2], "venue": "okx", "account": "", "instrument": ["A", "B", "A"], **dict.fromkeys(AMOUNTS, 1.0)})
    >>> summed(rows.assign(total=[1.0, 2.0, 5.0]))[["event_ns", "total"]].values.tolist()
    [[1.0, 3.0], [2.0, 7.0]]
    """
    names = list(dict.fromkeys(AMOUNTS))
    contract = ["instrument", "venue", "account"]
    plain = contracts[["event_ns", *contract, *names]].astype(dict.fromkeys(contract, "str"))
    newest = plain.drop_duplicates(["event_ns", *contract], keep="last").set_index(["event_ns", *contract])
    if not len(plain):
        return plain[["event_ns", *names]]
    wide = newest.unstack(contract).ffill()
    sums = wide.T.groupby(level=0).sum(min_count=1).T[names]
    return sums.rename_axis("event_ns").reset_index()


def span(rows: pd.DataFrame, period: str) -> tuple[pd.Series, pd.Series] | None:
    """First and last row of a period: ``day`` since 00:00 UTC, ``hour``, or ``all``; None with less than one row.

    A book younger than the period starts from nothing: its first row is all zeros.
    """
    rows = rows[np.isfinite(rows["total"].to_numpy())]
    if not len(rows):
        return None
    last = rows.iloc[-1]
    newest = int(last["event_ns"])
    start = {"day": newest // DAY_NS * DAY_NS, "hour": newest - HOUR_NS, "all": -1}[period]
    before = rows[rows["event_ns"].to_numpy() <= start]
    if len(before):
        return before.iloc[-1], last
    nothing = rows.iloc[0].copy()
    numbers = ["total", "realised", "unrealised", *COLUMNS.values()]
    nothing[numbers] = 0.0
    return nothing, last


def explained(rows: pd.DataFrame, period: str) -> pd.Series | None:
    """``PARTS`` and ``total`` of a period in USD, to the cent and adding up; None without PnL."""
    found = span(rows, period)
    if found is None:
        return None
    first, last = found
    parts = {part: float(last[COLUMNS[part]]) - float(first[COLUMNS[part]]) for part in PARTS}
    parts["total"] = float(last["total"]) - float(first["total"])
    return cents(pd.DataFrame([parts])).iloc[0]
