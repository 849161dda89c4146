"""A sample paper book on whatever market runs, so that a first look at the portfolio is not empty."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from workstation.market.instants import DAY_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.portfolio.paper import paper_fills

HEADER = "time,venue,instrument,side,size,price,fee,fee_currency,kind,index"
SIZES = {"BTC": 5.0, "ETH": 50.0}
"""Underlying units of each leg; else 200."""


def sample_book(marks: pd.DataFrame, trades: pd.DataFrame | None = None, most: int = 2) -> str:
    """A paper book as CSV: per underlying a short strangle of a month, a long straddle of a week, and a hedge.

    Every leg is traded at its newest mark, at the newest time of the marks.

    Parameters
    ----------
    marks
        Rows of ``marks``: options of at least one underlying with mark, delta or vol, and index.
    trades
        Rows of ``trades``, for the price of the hedge; none: no hedge.
    most
        Underlyings at the most, those with the most contracts first.

    Raises
    ------
    ValueError
        No option with a mark.

    Examples
    --------
    >>> marks = pd.DataFrame({"event_ns": pd.Timestamp("2026-11-25").value, "mark": [0.03, 0.02], "index": 1e5,
    ...     "instrument": ["BTC/USD:BTC-261225-100000-C", "BTC/USD:BTC-261225-90000-P"]})
    >>> print(sample_book(marks).splitlines()[1])
    2026-11-25T00:00:00Z,paper,BTC/USD:BTC-261225-100000-C,sell,5,0.03,0.0015,BTC,trade,100000
    """
    terms = INSTRUMENT_TERMS.describe(marks["instrument"].astype("str").tolist())
    rows = terms.assign(mark=marks["mark"].to_numpy(), index=marks["index"].to_numpy())
    rows = rows[
        (rows["kind"] == "option").to_numpy()
        & (rows["mark"] > 0).to_numpy()
        & rows["index"].notna().to_numpy()
    ]
    if not len(rows):
        raise ValueError("no option with a mark: wait for the first marks, then load the sample book")
    now_ns = int(marks["event_ns"].max())
    names = rows["underlying"].astype("str").value_counts().index[:most]
    lines = [HEADER]
    for name in sorted(names):
        lines += _legs(name, rows[rows["underlying"].astype("str") == name], now_ns)
        spot = float(rows["index"][rows["underlying"].astype("str") == name].iloc[-1])
        lines += _hedge(name, trades, now_ns, spot)
    return "\n".join(lines) + "\n"


def _legs(name: str, rows: pd.DataFrame, now_ns: int) -> list[str]:
    expiries = np.unique(rows["expiry_ns"].to_numpy(dtype=np.int64))
    expiries = expiries[expiries > now_ns]
    if not expiries.size:
        return []
    month, week = (int(expiries[np.abs(expiries - now_ns - days * DAY_NS).argmin()]) for days in (30, 7))
    size, spot = SIZES.get(name, 200.0), float(rows["index"].iloc[-1])
    wanted = [(month, "C", 1.06, "sell", size), (month, "P", 0.94, "sell", size)]
    if week != month:
        wanted += [(week, right, 1.0, "buy", 0.4 * size) for right in "CP"]
    found = []
    for expiry, right, ratio, side, amount in wanted:
        same = rows[
            (rows["expiry_ns"] == expiry).to_numpy() & (rows["right"].astype("str") == right).to_numpy()
        ]
        if len(same):
            leg = same.iloc[int((same["strike"] / spot - ratio).abs().to_numpy().argmin())]
            fee = 0.0003 * amount * (1.0 if leg["inverse"] else spot)
            found.append(
                _line(
                    now_ns,
                    str(leg["instrument"]),
                    side,
                    amount,
                    float(leg["mark"]),
                    fee,
                    str(leg["premium_currency"] or "USD"),
                    spot,
                )
            )
    return found


def _hedge(name: str, trades: pd.DataFrame | None, now_ns: int, spot: float) -> list[str]:
    if trades is None or not len(trades):
        return []
    known = trades["instrument"].cat.remove_unused_categories().cat.categories.astype("str")
    terms = INSTRUMENT_TERMS.describe(list(known))
    same = terms[
        (terms["underlying"].astype("str") == name) & terms["kind"].isin(("perpetual", "equity", "spot"))
    ]
    if not len(same):
        return []
    order = same["kind"].astype("str").map({"perpetual": 0, "equity": 1, "spot": 2})
    leg = same.iloc[int(order.to_numpy().argmin())]
    price = float(trades["price"][(trades["instrument"] == leg["instrument"]).to_numpy()].iloc[-1])
    units = 0.1 * SIZES.get(name, 200.0)
    size = units * price if leg["inverse"] else units
    fee = 0.0005 * units * (1.0 if leg["inverse"] else price)
    return [
        _line(
            now_ns,
            str(leg["instrument"]),
            "buy",
            size,
            price,
            fee,
            str(leg["settle_currency"] or "USD"),
            spot,
        )
    ]


def _line(
    time_ns: int,
    instrument: str,
    side: str,
    size: float,
    price: float,
    fee: float,
    currency: str,
    spot: float,
) -> str:
    time = pd.Timestamp(time_ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ").replace(".000000Z", "Z")
    return (
        f"{time},paper,{instrument},{side},{size:.10g},{price:.10g},{fee:.10g},{currency},trade,{spot:.10g}"
    )


def sample_fills(marks: pd.DataFrame, trades: pd.DataFrame | None = None) -> pd.DataFrame:
    """The sample book as rows of ``fills``, read as any paper book is; arguments and errors as ``sample_book``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.csv"
        path.write_text(sample_book(marks, trades), encoding="utf-8")
        return paper_fills(path)
