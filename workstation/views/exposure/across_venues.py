"""One contract on several venues: vol and price on each, the widest differences first."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from workstation.views.state.choice import Choice
from workstation.views.state.priced_chain import NO_MARKS
from workstation.views.state.source import Source
from workstation.views.widgets import formats
from workstation.views.widgets.assets import table_css
from workstation.views.widgets.card import Card, Markup
from workstation.views.widgets.figure import TextView

MOST = 40
"""Contracts listed."""
ONE = "One venue lists these options, or no contract is on two."
NAMES = {"okx": "OKX", "iqfeed": "IQFeed"}
"""Names that are not written with one capital."""
_CSS = table_css(__package__, "across_venues.css")


def venue_name(venue: str) -> str:
    """A venue as it writes itself.

    Examples
    --------
    >>> venue_name("okx"), venue_name("deribit")
    ('OKX', 'Deribit')
    """
    return NAMES.get(venue, venue.capitalize())


class AcrossVenues(TextView):
    """Vol and USD price of the same contract on each venue, of the strikes and expiries shown."""

    inputs = ("priced_chain",)
    every_s = 1.0

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self._table = Markup(_CSS, sizing_mode="stretch_both")
        self.card = Card(
            "Across venues", self._table.panel, unit="IV %, USD per coin or share", area="across"
        )

    def refresh(self, source: Source) -> None:
        """Write the newest differences."""
        chain = source.priced_chain(self.choice.underlying)
        if chain is None:
            self._table.show("")
            self.card.empty(NO_MARKS)
            return
        found = chain.across_venues
        inside = np.abs(found["strike"].to_numpy(dtype=float) / chain.spot - 1.0) <= self.choice.reach
        if self.choice.expiries:
            inside &= found["expiry_ns"].isin(self.choice.expiries).to_numpy()
        shown = found[inside]
        venues = [name.removeprefix("iv_") for name in found.columns if name.startswith("iv_") and name != "iv_difference"]  # fmt: skip
        self.card.empty("" if len(shown) else ONE)
        self.card.say(f"{len(shown)} contracts on several venues" if len(shown) else "")
        self._table.show(_markup(shown.head(MOST), venues) if len(shown) else "")


def _markup(rows: pd.DataFrame, venues: list[str]) -> str:
    head = ["contract", *(venue_name(venue) for venue in venues), "Δ vol pt", "Δ USD"]
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(_row(row, venues) for row in rows.to_dict("records"))
    return f'<table tabindex="0" aria-label="contracts across venues"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'


def _row(row: dict[Hashable, Any], venues: list[str]) -> str:
    number = {str(name): value for name, value in row.items() if isinstance(value, float)}
    name = (
        f"{formats.expiry(int(str(row['expiry_ns'])))[:6]} {formats.strike(number['strike'])} {row['right']}"
    )
    cells = []
    for venue in venues:
        iv, usd = number[f"iv_{venue}"], number[f"usd_{venue}"]
        role = "up" if venue == row["high_venue"] else "down" if venue == row["low_venue"] else ""
        told = (
            f'{100.0 * iv:.1f} <span class="muted">{formats.price(usd)}</span>'
            if np.isfinite(iv)
            else formats.UNKNOWN
        )
        cells.append(f'<td class="{role}">{told}</td>')
    points = f"{100.0 * number['iv_difference']:.2f}"
    return f'<tr><td>{name}</td>{"".join(cells)}<td class="wide">{points}</td><td>{formats.price(number["usd_difference"])}</td></tr>'
