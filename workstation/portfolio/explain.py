"""Why a book's PnL is what it is: greeks times moves, flows, and a residual that is named.

The PnL of an interval is the change of unrealised PnL in USD at the index plus what was realised, funded and paid in
it, each in USD at the index of its own moment. Positions held at the start are followed as if they had been held throughout:

========== ==================================================================================================
part       definition; q, greeks and the basis b = index / forward (1 for what is not inverse) at the start
========== ==================================================================================================
delta      q b delta dF
gamma      q b gamma dF^2 / 2
vega       q b vega dv
theta      q b theta dt
vanna      q b vanna dF dv
charm      q b charm dF dt
currency   the coin's own move: of the entry premium, - q entry dS, and of the index against the forward,
           q mark1 (S1 - b F1); of inverse futures the coin gained, q (1 - entry / mark1) (S1 - b F1)
new_trades what fills of the interval made against holding: realised and unrealised less those of holding on
settlement of positions settled in the interval: from the value at the start to the settlement value
funding    received
fees       negative when paid
residual   what the second-order expansion leaves: the rest, so that the parts add up to the total
========== ==================================================================================================

F is the expiry's forward (the mark of perpetuals and futures), v the vol marked, S the index. For inverse options V = mark S =
b Black(F), so the greeks explain the USD value and ``currency`` what the coin premium adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.public_face import make_callable
from workstation.market.tables import FILLS, NO_TIME
from workstation.portfolio.book import MARKET, worth
from workstation.portfolio.greeks import slopes
from workstation.portfolio.ledger import Floats, Ledger
from workstation.portfolio.positions import LEG, named, seeded
from workstation.portfolio.valuation import Quoted, Terms, terms_of, unrealised

PARTS = (
    "delta", "gamma", "vega", "theta", "vanna", "charm", "currency", "new_trades", "settlement", "funding", "fees",
    "residual",
)  # fmt: skip
"""They add up to ``total``."""

_AMOUNTS = ("quantity", "realised_usd", "settled_usd", "funding_usd", "fees_usd")


@dataclass(frozen=True)
class State:
    """Positions of n legs at one moment and what they have gained since their first fill, in USD."""

    quantity: Floats
    entry: Floats
    market: Quoted
    realised_usd: Floats
    settled_usd: Floats
    funding_usd: Floats
    fees_usd: Floats
    settled_price: Floats
    settled_index: Floats
    settled_ns: npt.NDArray[np.int64]

    def unrealised_usd(self, terms: Terms) -> Floats:
        """By leg, at the index."""
        return worth(terms, self.quantity, self.entry, self.market)["unrealised_usd"]

    def total(self, terms: Terms) -> Floats:
        """PnL since the first fill, USD by leg."""
        flows = self.realised_usd + self.settled_usd + self.funding_usd + self.fees_usd
        return flows + self.unrealised_usd(terms)

    def as_arrays(self) -> dict[str, Any]:
        """Every array by its name."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "market"}
        return own | {name: getattr(self.market, name) for name in MARKET}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any]) -> State:
        """A state from ``as_arrays()``."""
        own = {field.name: arrays[field.name] for field in fields(cls) if field.name != "market"}
        return cls(market=Quoted(*(arrays[name] for name in MARKET)), **own)

    @classmethod
    def padded(cls, state: State | None, like: State) -> State:
        """A state with as many legs as ``like``; those it did not know had nothing."""
        target = like.as_arrays()
        known = {} if state is None else state.as_arrays()
        full = {}
        for name, values in target.items():
            nothing = NO_TIME if name == "settled_ns" else 0.0 if name in _AMOUNTS else np.nan
            full[name] = np.full(values.size, nothing, dtype=values.dtype)
            if known:
                full[name][: known[name].size] = known[name]
        return cls.of_arrays(full)

    def where(self, chosen: npt.NDArray[np.bool_], other: State) -> State:
        """This state for the chosen legs, the other for the rest."""
        mine, theirs = self.as_arrays(), other.as_arrays()
        return State.of_arrays({name: np.where(chosen, mine[name], theirs[name]) for name in mine})


def explained(terms: Terms, before: State, after: State) -> dict[str, Floats]:
    """``PARTS`` and ``total`` of the interval between two states of the same legs, USD by leg."""
    held, start = before.quantity != 0.0, before.unrealised_usd(terms)
    settled = after.settled_ns != before.settled_ns
    followed = replace(after, quantity=before.quantity, entry=before.entry).unrealised_usd(terms)
    # a leg closed in the interval may have no mark any more: then all it made is of its trades
    lost = np.isnan(followed) & (after.quantity == 0.0)
    carried = held & ~settled & ~lost
    parts = {name: np.where(carried, values, 0.0) for name, values in _carry(terms, before, after).items()}
    at_end = np.where(carried, followed, np.where(settled, _at_settlement(terms, before, after), start))
    result = (after.realised_usd - before.realised_usd) + (after.settled_usd - before.settled_usd)
    parts["new_trades"] = result + after.unrealised_usd(terms) - np.where(held, at_end, 0.0)
    parts["settlement"] = np.where(held & settled, at_end - start, 0.0)
    parts["funding"] = after.funding_usd - before.funding_usd
    parts["fees"] = after.fees_usd - before.fees_usd
    total = after.total(terms) - before.total(terms)
    parts["residual"] = total - np.sum([parts[name] for name in PARTS if name != "residual"], axis=0)
    return {name: parts[name] for name in PARTS} | {"total": total}


def _at_settlement(terms: Terms, before: State, after: State) -> Floats:
    """What the positions at the start are worth at the settlement, entry taken off, USD at its index."""
    gain = unrealised(terms, before.quantity, before.entry, after.settled_price)
    return gain * np.where(terms.inverse, after.settled_index, after.market.rate)


def _carry(terms: Terms, before: State, after: State) -> dict[str, Floats]:
    """Greeks times moves, and currency, of positions held throughout."""
    was, now, quantity = before.market, after.market, before.quantity
    unit = slopes(terms, was)
    with np.errstate(invalid="ignore", divide="ignore"):
        basis = np.where(terms.inverse, was.rate / was.forward, was.rate)
        held, move = quantity * basis, now.forward - was.forward
        vol, years = (
            np.where(terms.is_option, change, 0.0) for change in (now.iv - was.iv, was.years - now.years)
        )
        found = {
            "delta": held * unit["delta"] * move,
            "gamma": 0.5 * held * unit["gamma"] * move * move,
            "vega": held * unit["vega"] * vol,
            "theta": held * unit["theta"] * years,
            "vanna": held * unit["vanna"] * move * vol,
            "charm": held * unit["charm"] * move * years,
        }
        turned, against = now.rate - was.rate, now.rate - basis * now.forward
        coin = np.where(
            terms.is_future,
            (1.0 - before.entry / now.mark) * against,
            now.mark * against - before.entry * turned,
        )
        plain = (now.mark - before.entry) * turned
    found["currency"] = quantity * np.where(terms.inverse, coin, plain)
    return found


def explain(
    before: pd.DataFrame,
    after: pd.DataFrame,
    flows: pd.DataFrame | None = None,
    rates: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """PnL explain between two books.

    Parameters
    ----------
    before, after
        From ``workstation.portfolio.book.book``.
    flows
        Rows of the ``fills`` table between them: trades, settlements, funding; none: nothing happened.
    rates
        Currency -> USD for flows without an index; none: the indices of ``before``.

    Returns
    -------
    pandas.DataFrame
        One row per leg and the row ``total`` in the end: ``PARTS``, which add up to ``total``, in USD. The row ``total`` sums the legs that
        are known; attrs["unpriced"] names the others.

    Raises
    ------
    ValueError
        The flows do not lead from one book to the other: names leg and quantities.

    Examples
    --------
    >>> from workstation.portfolio.book import book
    >>> perp = "BTC/USDC:USDC"
    >>> def at(time, mark):
    ...     held = pd.DataFrame({"event_ns": [time], "instrument": perp, "quantity": 2.0, "entry": 90.0})
    ...     return book(held, pd.DataFrame({"event_ns": [time], "instrument": perp, "mark": mark, "index": mark}))
    >>> found = explain(at(1, 100.0), at(2, 103.0))
    >>> found.loc["total", ["delta", "residual", "total"]].tolist()
    [6.0, 0.0, 6.0]
    """
    ledger = seeded(before)
    count = len(before)
    if rates is None:
        known = before[before["index"].notna()]
        rates = dict(zip(known["underlying"].astype("str"), known["index"], strict=True))
    if flows is not None:
        ledger.take(FILLS.conform(flows), rates)
    # the ledger holds the legs of `before` in its order, then those the flows opened
    names = pd.DataFrame(ledger.keys, columns=LEG)
    last = names.merge(named(after), on=LEG, how="left")
    _check(ledger, last)
    terms = terms_of([key[2] for key in ledger.keys])
    opening = _padded(before, len(ledger))
    first = _state(opening, opening["quantity"].fillna(0.0).to_numpy(), opening["entry"].to_numpy())
    second = _state(last, ledger.quantity(), ledger.row("entry"), ledger)
    parts = explained(terms, first, second)
    frame = pd.DataFrame(parts)
    index = [" ".join(filter(None, key)) for key in ledger.keys]
    frame.index = pd.Index(index, dtype="str")
    whole = np.asarray(frame.notna().to_numpy(dtype=bool).all(axis=1), dtype=bool)
    frame.loc["total"] = frame[whole].sum() if whole.any() or not len(frame) else np.nan
    frame.attrs["units"] = dict.fromkeys((*PARTS, "total"), "USD")
    frame.attrs["legs"] = count
    frame.attrs["unpriced"] = [name for name, reported in zip(index, whole, strict=True) if not reported]
    frame.attrs["set_aside"] = dict(ledger.set_aside)
    return frame


def _padded(before: pd.DataFrame, rows: int) -> pd.DataFrame:
    return before.reset_index(drop=True).reindex(range(rows))


def _check(ledger: Ledger, after: pd.DataFrame) -> None:
    reported = after["quantity"].fillna(0.0).to_numpy()
    ours = ledger.quantity()
    off = np.abs(reported - ours) > 1e-6 * np.maximum(np.abs(reported), np.abs(ours))
    if off.any():
        place = int(off.argmax())
        raise ValueError(
            f"{' '.join(filter(None, ledger.keys[place]))}: the flows lead to a quantity of {ours[place]:.12g}, the later book holds "
            f"{reported[place]:.12g}; give all fills and settlements between the two books"
        )


def _state(frame: pd.DataFrame, quantity: Any, entry: Any, ledger: Ledger | None = None) -> State:
    def row(name: str) -> Floats:
        return np.zeros(len(frame)) if ledger is None else ledger.row(name)

    market = Quoted(*(frame[name].to_numpy(dtype=np.float64) for name in MARKET))
    settled_ns = np.full(len(frame), NO_TIME) if ledger is None else ledger.settled_ns
    return State(
        quantity=np.asarray(quantity, dtype=np.float64),
        entry=np.asarray(entry, dtype=np.float64),
        market=market,
        realised_usd=row("realised_usd"),
        settled_usd=row("settled_usd"),
        funding_usd=row("funding_usd"),
        fees_usd=row("fees_usd"),
        settled_price=row("settled_price"),
        settled_index=row("settled_index"),
        settled_ns=settled_ns,
    )


def cents(explanation: pd.DataFrame) -> pd.DataFrame:
    """Every number to the cent, the residual taking the rounding, so that shown parts add up to the shown total.

    Examples
    --------
    >>> parts = pd.DataFrame({**dict.fromkeys(PARTS, 0.0), "delta": [1.004], "theta": 1.004, "total": 2.008})
    >>> cents(parts)[["delta", "theta", "residual", "total"]].values.tolist()
    [[1.0, 1.0, 0.01, 2.01]]
    """
    shown = explanation.round(2)
    others = [name for name in PARTS if name != "residual"]
    shown["residual"] = (shown["total"] - shown[others].sum(axis=1, skipna=False)).round(2)
    return shown


make_callable(__name__)
