"""Net premium by ticker and expiry: what takers paid for calls and puts less what they received."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from workstation.market.contract_words import CONTRACTS
from workstation.market.instants import DAY_NS
from workstation.plots import formats
from workstation.views.flow.choice import FlowChoice
from workstation.views.flow.selection import cancelled, print_sides
from workstation.views.state.source import Source
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Card, Markup
from workstation.views.widgets.figure import TextView


def net_premium(prints: pd.DataFrame) -> pd.DataFrame:
    """Premium by underlying and expiry of option prints.

    Parameters
    ----------
    prints
        Rows of ``prints``.

    Returns
    -------
    pandas.DataFrame
        ticker, expiry_ns (its UTC day), calls and puts (USD bought less sold), net (calls less puts: bullish above zero), unsided (USD of prints
        without a side), sorted.
    """
    codes = prints["instrument"].cat.codes.to_numpy()
    standing = CONTRACTS.is_option(codes) & ~cancelled(prints)
    standing &= ~prints["exclusion"].astype("str").isin(("duplicate", "void")).to_numpy()
    kept, codes = prints[standing], codes[standing]
    sides, usd = print_sides(kept), kept["premium_usd"].to_numpy(dtype=float)
    words = CONTRACTS.words(codes)
    call = np.array([str(text).endswith("C") for text in words], dtype=bool)
    signed = np.where(np.isfinite(usd), usd, 0.0) * sides
    rows = pd.DataFrame(
        {
            "ticker": CONTRACTS.underlyings(codes), "expiry_ns": CONTRACTS.expiries(codes) // DAY_NS * DAY_NS, "calls": np.where(call, signed, 0.0),
            "puts": np.where(call, 0.0, signed), "unsided": np.where(sides == 0, np.nan_to_num(usd), 0.0),
        }
    )  # fmt: skip
    made = rows.groupby(["ticker", "expiry_ns"], as_index=False).sum()
    return made.assign(net=made["calls"] - made["puts"])[
        ["ticker", "expiry_ns", "calls", "puts", "net", "unsided"]
    ]


class NetPremium(TextView):
    """A table of net premium: a row per ticker, a column per expiry."""

    inputs = ("prints",)
    every_s = 1.0

    def __init__(self, choice: FlowChoice) -> None:
        self.choice = choice
        self._table = Markup(asset(__package__, "net_premium.css"), sizing_mode="stretch_both")
        self.card = Card("Net premium", self._table.panel, unit="calls less puts, USD", area="premium")

    def refresh(self, source: Source) -> None:
        """Sum up what the board holds."""
        rows = net_premium(source.latest("prints"))
        if self.choice.ticker:
            rows = rows[(rows["ticker"] == self.choice.ticker).to_numpy()]
        self._table.show(table_html(rows))
        unsided, sided = rows["unsided"].sum(), rows["net"].sum()
        self.card.say(f"{_signed(sided)} · {formats.usd(unsided)} without a side" if len(rows) else "")


def table_html(rows: pd.DataFrame) -> str:
    """Net premium with calls and puts below it; all expiries in the last column."""
    if not len(rows):
        return '<p class="none">No option print yet.</p>'
    expiries = sorted(rows["expiry_ns"].unique().tolist())
    heads = "".join(f'<th scope="col">{formats.expiry(int(one))}</th>' for one in expiries)
    body = ""
    for ticker, own in rows.groupby("ticker", sort=True):
        by = own.set_index("expiry_ns")
        cells = "".join(
            _cell(*by.loc[one, ["net", "calls", "puts"]].tolist()) if one in by.index else "<td>–</td>"
            for one in expiries
        )
        body += f"<tr><td><b>{escape(str(ticker))}</b></td>{cells}{_cell(*own[['net', 'calls', 'puts']].sum().tolist())}</tr>"
    return f'<table><thead><tr><th scope="col">ticker</th>{heads}<th scope="col">all</th></tr></thead><tbody>{body}</tbody></table>'


def _cell(net: float, calls: float, puts: float) -> str:
    parts = "".join(
        f"<small>{what} {formats.usd(usd, signed=True)}</small>"
        for what, usd in (("calls", calls), ("puts", puts))
    )
    return f"<td>{_signed(net)}{parts}</td>"


def _signed(usd: float) -> str:
    kind, mark = ("up", "▲") if usd > 0 else ("down", "▼") if usd < 0 else ("", "")
    return f'<span class="{kind}">{mark} {formats.usd(usd, signed=True)}</span>'
