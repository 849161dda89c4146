"""Positions from fills by average cost; settlement at expiry; what the venue says next to what the fills say.

Quantities are in underlying units: Deribit's option contracts are 1 coin, OKX's ctVal x ctMult (0.01 BTC, 0.1 ETH),
US options 100 shares. Inverse perpetuals and futures are contracts of USD value at the venue: here a fill's ``size`` is
that value divided by its price, and a position's ``quantity`` the coin its contracts bought at the entry, so that
``quantity * entry`` is their USD value, whatever closed in between. Of a block or a combo the legs are counted, each once
by its ``fill_id``; the combo's own row is not a fill.

A ``funding`` fill carries the payment in ``fee`` (positive = paid) and the position in side, size and price.
A ``settlement`` fill carries the settlement price in the premium's currency (coin for inverse options) and the index.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.public_face import make_callable
from workstation.market.tables import FILLS, NO_TIME, POSITIONS
from workstation.portfolio.ledger import FIELDS, KINDS, LEG, Floats, Ledger

CUMULATIVE = ("realised", "realised_usd", "settled_usd", "funding_usd", "fees_usd")
"""What a position has gained since its first fill; fees are negative when paid."""
CONTRACT = LEG[:3]
"""What names a contract held: the sum of its positions is the net quantity."""


def positions(fills: pd.DataFrame, rates: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Positions after all fills, one row per venue, account, instrument, side and margin mode; closed ones with quantity 0.

    Parameters
    ----------
    fills
        Rows of the ``fills`` table in the order they happened; event_ns, instrument, side, price and size are enough.
    rates
        Currency -> USD for rows without an index; dollars and dollar coins are 1.

    Returns
    -------
    pandas.DataFrame
        The columns of the ``positions`` table (mark, index and unrealised unknown), then ``realised`` (settle currency, trades and
        settlements), ``realised_usd`` (trades), ``settled_usd``, ``funding_usd``, ``fees_usd``, ``settled_price``,
        ``settled_index``, ``settled_ns`` and ``settlement_source`` (venue, or which index). attrs["set_aside"]: reason -> fills not
        booked.

    Raises
    ------
    ValueError
        There are fills and none of them can be booked.

    Examples
    --------
    >>> fills = pd.DataFrame({"event_ns": [1, 2, 3], "instrument": "BTC/USDC:USDC", "side": [1, 1, -1],
    ...                       "price": [100.0, 110.0, 120.0], "size": [1.0, 1.0, 0.5]})
    >>> positions(fills)[["quantity", "entry", "realised_usd"]].to_dict("records")
    [{'quantity': 1.5, 'entry': 105.0, 'realised_usd': 7.5}]
    """
    ledger = Ledger()
    rows = FILLS.conform(fills)
    ledger.take(rows, rates)
    if len(rows) and not len(ledger):
        raise ValueError(
            f"no fill can be booked: {', '.join(ledger.set_aside)}; kinds are {', '.join(filter(None, KINDS))}"
        )
    newest = int(rows["event_ns"].max()) if len(rows) else 0
    return positions_of(ledger, newest)


def current(fills: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """Positions as the fills make them, then those the venues tell of that no fill has moved (the newest row of each).

    Parameters
    ----------
    fills
        Rows of the ``fills`` table in the order they happened.
    told
        Rows of the ``positions`` table.

    Returns
    -------
    pandas.DataFrame
        As ``positions``; what only fills can tell is NaN in the rows of the venues.

    Examples
    --------
    >>> leg = {"event_ns": [1, 1], "instrument": "BTC/USDT:USDT", "margin_mode": "cross", "position_side": ["long", "short"]}
    >>> told = pd.DataFrame({**leg, "quantity": [1.0, -0.4], "entry": 70_000.0})
    >>> current(FILLS.empty(), told)["quantity"].tolist()
    [1.0, -0.4]
    """
    ledger = Ledger()
    rows = FILLS.conform(fills)
    ledger.take(rows)
    result = named(positions_of(ledger, int(rows["event_ns"].max()) if len(rows) else 0))
    newest = named(POSITIONS.conform(told)).sort_values("event_ns", kind="stable")
    newest = newest.drop_duplicates(LEG, keep="last")
    keys = newest[LEG].itertuples(index=False, name=None)
    newest = newest[np.array([not ledger.explains(key) for key in keys], dtype=bool)]
    parts = [part for part in (result, newest) if len(part)]
    found = pd.concat(parts, ignore_index=True) if parts else result
    found.attrs["set_aside"] = dict(ledger.set_aside)
    return found


def positions_of(ledger: Ledger, asof_ns: int) -> pd.DataFrame:
    """A ledger's legs as ``positions`` gives them."""
    named = {
        name: pd.Series([key[part] for key in ledger.keys], dtype="str") for part, name in enumerate(LEG)
    }
    known: dict[str, Any] = named | {
        "event_ns": np.full(len(ledger), asof_ns),
        "quantity": ledger.quantity(),
        "entry": ledger.row("entry").copy(),
        "settle_currency": pd.Series(ledger.settle, dtype="str"),
    }
    frame = POSITIONS.conform(pd.DataFrame(known))
    added = {name: ledger.row(name).copy() for name in (*CUMULATIVE, "settled_price", "settled_index")}
    source = pd.Series(ledger.settlement_source, dtype="str")
    result = frame.assign(**added, settled_ns=ledger.settled_ns.copy(), settlement_source=source)
    result.attrs["set_aside"] = dict(ledger.set_aside)
    return result


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose ``LEG`` columns are text; those it does not have are empty."""
    return frame.assign(
        **{name: frame[name].astype("str").fillna("") if name in frame else "" for name in LEG}
    )


def seeded(held: pd.DataFrame) -> Ledger:
    """A ledger that goes on from positions: their quantities and entries, nothing realised yet."""
    ledger = Ledger()
    rows = POSITIONS.conform(named(held)[[*LEG, "quantity", "entry"]].assign(event_ns=0))
    if len(rows):
        ledger.adopt(rows)
    ledger.adopted_ns[:] = NO_TIME
    return ledger


def settlements(held: pd.DataFrame, indices: pd.DataFrame, asof_ns: int) -> pd.DataFrame:
    """Settlement fills for open positions that have expired and that no venue has settled.

    An option is worth its intrinsic value at the index (in coin, divided by it, when inverse), a future the index. The index is
    the newest at or before the expiry (of equal times the median), and ``fill_id`` says which: ``index at 2026-03-27T08:00:00Z``. A venue settles at its
    average over the last half hour: give that as a fill of kind ``settlement`` where it is known.

    Parameters
    ----------
    held
        From ``positions``.
    indices
        Any rows with event_ns, instrument and index (``marks``, ``trades``); the instrument tells the underlying.
    asof_ns
        Positions that expired at or before it.

    Returns
    -------
    pandas.DataFrame
        Rows of ``fills`` at the expiry; price NaN is impossible: a position without any index before its expiry is
        left open.

    Examples
    --------
    >>> option = "BTC/USD:BTC-260327-70000-C"
    >>> held = positions(pd.DataFrame({"event_ns": [1], "instrument": option, "side": 1, "price": 0.01, "size": 2.0}))
    >>> at = pd.Timestamp("2026-03-27T08:00").value
    >>> index = pd.DataFrame({"event_ns": [at], "instrument": option, "index": 80_000.0})
    >>> settlements(held, index, at)[["side", "price", "size", "fill_id"]].values.tolist()
    [[-1, 0.125, 2.0, 'index at 2026-03-27T08:00:00Z']]
    """
    terms = INSTRUMENT_TERMS.describe(held["instrument"])
    expiry = terms["expiry_ns"].to_numpy()
    quantity = held["quantity"].to_numpy()
    due = np.flatnonzero((quantity != 0) & (expiry != NO_TIME) & (expiry <= asof_ns))
    known = indices[indices["index"].notna()]
    underlying = INSTRUMENT_TERMS.describe(known["instrument"])["underlying"].astype("str").to_numpy()
    at_ns, index = known["event_ns"].to_numpy(), known["index"].to_numpy()
    rows = []
    for place in due:
        before = np.flatnonzero(
            (underlying == str(terms["underlying"].iloc[place])) & (at_ns <= expiry[place])
        )
        if before.size:
            newest_ns = int(at_ns[before].max())
            price = float(np.median(index[before][at_ns[before] == newest_ns]))
            rows.append(_settlement(held.iloc[place], terms.iloc[place], price, newest_ns))
    frame = pd.DataFrame(rows)
    return FILLS.conform(frame) if rows else FILLS.empty()


def _settlement(held: pd.Series[Any], terms: pd.Series[Any], index: float, at_ns: int) -> dict[str, Any]:
    price = settlement_price(
        index=np.array([index]),
        strike=np.array([terms["strike"]]),
        is_call=np.array([terms["right"] == "C"]),
        is_option=np.array([terms["kind"] == "option"]),
        inverse=np.array([bool(terms["inverse"])]),
    )
    return {
        "event_ns": int(terms["expiry_ns"]), "instrument": str(held["instrument"]), "venue": str(held["venue"]),
        "account": str(held["account"]), "position_side": str(held.get("position_side", "")),
        "margin_mode": str(held.get("margin_mode", "")), "side": -1 if held["quantity"] > 0 else 1, "price": float(price[0]),
        "size": abs(float(held["quantity"])), "kind": "settlement", "index": index, "fill_id": source_of(at_ns),
    }  # fmt: skip


def source_of(index_ns: int) -> str:
    """How a settlement at an index is reported: which index."""
    return f"index at {pd.Timestamp(index_ns, unit='ns').isoformat(timespec='seconds')}Z"


def settlement_price(
    *,
    index: Floats,
    strike: Floats,
    is_call: npt.NDArray[np.bool_],
    is_option: npt.NDArray[np.bool_],
    inverse: npt.NDArray[np.bool_],
) -> Floats:
    """What one unit settles at, shape (n,): intrinsic value (in coin when inverse) of options, the index of futures."""
    intrinsic = np.maximum(np.where(is_call, index - strike, strike - index), 0.0)
    return np.where(is_option, np.where(inverse, intrinsic / index, intrinsic), index)


def reconcile(held: pd.DataFrame, told: pd.DataFrame, tolerance: float = 1e-6) -> pd.DataFrame:
    """Contracts where the fills and the venue disagree: venue, account, instrument, quantity, told, difference.

    Sides and margin modes of one contract are summed, for not every venue's fills tell them.

    Parameters
    ----------
    held
        From ``positions``.
    told
        Rows of the ``positions`` table as the venues told them; of several per position the newest counts.
    tolerance
        Share of the larger quantity that is no difference.

    Examples
    --------
    >>> held = pd.DataFrame({"venue": "okx", "account": "", "instrument": ["BTC/USDT:USDT"], "quantity": 1.0})
    >>> reconcile(held, held.assign(event_ns=1, quantity=1.5))["difference"].tolist()
    [0.5]
    """
    ours = named(held).groupby(CONTRACT)["quantity"].sum()
    newest = named(told).sort_values("event_ns", kind="stable").drop_duplicates(LEG, keep="last")
    theirs = newest.groupby(CONTRACT)["quantity"].sum()
    both = pd.concat([ours.rename("quantity"), theirs.rename("told")], axis=1).fillna(0.0)
    both["difference"] = both["told"] - both["quantity"]
    far = both["difference"].abs() > tolerance * both[["quantity", "told"]].abs().max(axis=1)
    return both[far].reset_index()


__all__ = [
    "CONTRACT",
    "CUMULATIVE",
    "FIELDS",
    "LEG",
    "current",
    "named",
    "positions",
    "positions_of",
    "reconcile",
    "seeded",
    "settlement_price",
    "settlements",
]


make_callable(__name__)
