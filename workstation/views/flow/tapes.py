"""The live tapes: option prints, packets and equity prints as one table that is filtered, sorted, paused and copied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import panel as pn

from workstation.market.contract_words import CONTRACTS
from workstation.plots import formats
from workstation.views.flow.choice import FlowChoice
from workstation.views.flow.selection import (
    cancelled,
    days_to_expiry,
    members,
    newest,
    off_exchange,
    ordered,
    packet_sides,
    print_sides,
    select_packets,
    select_prints,
)
from workstation.views.state.source import Source
from workstation.views.widgets.card import Card
from workstation.views.widgets.figure import TextView
from workstation.views.widgets.row_table import RowTable, TableColumn

SIDE_WORDS = {1: "▲ bought", -1: "▼ sold", 0: "–"}


def _plain(value: Any) -> str:
    return str(value)


def _price(value: float) -> str:
    return f"{value:,.2f}".replace(",", formats.THIN) if np.isfinite(value) else formats.UNKNOWN


def _count(value: float) -> str:
    return formats.number(value)


def _age(value: float) -> str:
    if not np.isfinite(value):
        return "none"
    return f"{value:.0f}{formats.THIN}ms" if value < 1000 else formats.age(value / 1000)


def _share(value: float) -> str:
    return formats.percent(value, 0)


def _days(value: int) -> str:
    return formats.UNKNOWN if value < 0 else f"{value} d"


def _sigma(value: float) -> str:
    return formats.sd(value) if np.isfinite(value) else formats.UNKNOWN


def _basis_points(value: float) -> str:
    return f"{formats.number(value, signed=True)} bps" if np.isfinite(value) else formats.UNKNOWN


_TIME = TableColumn("event_ns", "time", "time", str)
_WHO = TableColumn("contract", "contract", "", _plain)
_SIDE = TableColumn("side", "side", "", lambda value: SIDE_WORDS[int(value)])
_SIZE = TableColumn("size", "size", "n", _count)
_PREMIUM = TableColumn("premium_usd", "premium", "n", formats.usd)
_QUOTE = (
    TableColumn("bid", "bid", "n", _price),
    TableColumn("ask", "ask", "n", _price),
    TableColumn("quote_age_ms", "quote age", "n", _age),
)
COLUMNS = {
    "options": (
        _TIME, _WHO, _SIDE, TableColumn("price", "price", "n", _price), _SIZE, _PREMIUM, TableColumn("placement", "at", "", _plain), *_QUOTE,
        TableColumn("dte", "DTE", "n", _days), TableColumn("vol_edge_bps", "vol edge", "n", _basis_points),
        TableColumn("condition", "cond.", "", _plain), TableColumn("exchange", "exch.", "", _plain),
        TableColumn("exclusion", "why no side", "", _plain),
    ),
    "packets": (
        _TIME, _WHO, _SIDE, TableColumn("vwap", "vwap", "n", _price), _SIZE, _PREMIUM, TableColumn("prints", "prints", "n", _count),
        TableColumn("exchanges", "exch.", "n", _count), TableColumn("coverage", "quotes", "n", _share), TableColumn("dte", "DTE", "n", _days),
        TableColumn("premium_z", "premium z", "n", _sigma), TableColumn("quote_age_ms", "oldest quote", "n", _age),
    ),
    "equities": (
        _TIME, _WHO, _SIDE, TableColumn("price", "price", "n", _price), _SIZE, _PREMIUM._replace(title="worth"),
        TableColumn("placement", "at", "", _plain), *_QUOTE, TableColumn("where", "where", "", _plain),
        TableColumn("late_s", "reported after", "n", lambda value: formats.age(value) if np.isfinite(value) else formats.UNKNOWN),
        TableColumn("exclusion", "why no side", "", _plain),
    ),
}  # fmt: skip


def tape_rows(source: Source, choice: FlowChoice) -> pd.DataFrame:
    """Rows of the chosen tape that pass the filters, the newest first, as ``RowTable`` shows them."""
    chosen = members(source.latest("alerts"), choice)
    if choice.tape == "packets":
        packets = source.latest("packets")
        mask = select_packets(packets, choice, None if chosen is None else chosen[0])
        return packet_rows(packets.iloc[newest(mask)])
    prints = source.latest("prints")
    mask = select_prints(prints, choice, None if chosen is None else chosen[1])
    return print_rows(prints.iloc[newest(mask)])


def print_rows(prints: pd.DataFrame) -> pd.DataFrame:
    """Prints as a tape shows them."""
    codes = prints["instrument"].cat.codes.to_numpy()
    sides, outside = print_sides(prints), off_exchange(prints)
    exclusion = prints["exclusion"].astype("str").to_numpy()
    event_ns, seen_ns = prints["event_ns"].to_numpy(), prints["seen_ns"].to_numpy()
    named = ("price", "size", "premium_usd", "bid", "ask", "quote_age_ms", "vol_edge_bps")
    return pd.DataFrame(
        {
            "key": prints["print_number"].to_numpy(), "look": _looks(sides, cancelled(prints)), "event_ns": event_ns,
            "contract": CONTRACTS.words(codes), "side": sides, **{name: prints[name].to_numpy() for name in named},
            "placement": prints["placement"].astype("str").to_numpy(), "condition": prints["condition"].astype("str").to_numpy(),
            "exchange": prints["exchange"].astype("str").to_numpy(), "exclusion": exclusion,
            "dte": days_to_expiry(CONTRACTS.expiries(codes), event_ns), "where": np.where(outside, "off exchange", "exchange"),
            "late_s": np.where(seen_ns > 0, (seen_ns - event_ns) / 1e9, np.nan),
        }
    )  # fmt: skip


def packet_rows(packets: pd.DataFrame) -> pd.DataFrame:
    """Packets as a tape shows them."""
    codes = packets["instrument"].cat.codes.to_numpy()
    sides, event_ns = packet_sides(packets), packets["event_ns"].to_numpy()
    named = ("vwap", "size", "premium_usd", "prints", "exchanges", "coverage", "premium_z", "quote_age_ms")
    gone = packets["size"].to_numpy() <= 0
    return pd.DataFrame(
        {
            "key": packets["packet_id"].to_numpy(), "look": _looks(sides, gone), "event_ns": event_ns, "contract": CONTRACTS.words(codes),
            "side": sides, **{name: packets[name].to_numpy() for name in named},
            "dte": days_to_expiry(CONTRACTS.expiries(codes), event_ns),
        }
    )  # fmt: skip


def _looks(sides: np.ndarray, gone: np.ndarray) -> np.ndarray:
    return np.where(gone, "gone", np.array(["sell", "quiet", "buy"], dtype=object)[sides + 1])


class Tape(TextView):
    """The chosen tape; paused or scrolled away it stands still and counts what has passed."""

    inputs = ("prints", "packets", "alerts")

    def __init__(self, choice: FlowChoice) -> None:
        self.choice = choice
        self._source: Source | None = None
        self._seen = 0
        """Rows of the tape that had come when it was last shown."""
        self.tables = {tape: RowTable(columns, f"{tape} tape") for tape, columns in COLUMNS.items()}
        for table in self.tables.values():
            table.on_sort, table.on_live = self._sort, self._live
            table.nothing = "No row passes the filters."
        self._body = pn.Column(self.tables[choice.tape], sizing_mode="stretch_both", margin=0)
        self.card = Card("Tape", self._body, area="tape")

    @property
    def table(self) -> RowTable:
        """The one on screen."""
        return self.tables[self.choice.tape]

    def chosen(self) -> None:
        """Show what is chosen now, from the top."""
        if self._body.objects != [self.table]:
            self._body.objects = [self.table]
        if self._source is not None:
            self.table.first = 0
            self._show(self._source, top=True)

    def pause(self, paused: bool) -> None:
        """Stand still, or go on from now."""
        for table in self.tables.values():
            table.paused = paused
        if not paused and self._source is not None:
            self._show(self._source)
        else:
            self.table.redraw()

    def refresh(self, source: Source) -> None:
        """Show the newest rows; a table that is held counts them."""
        self._source = source
        self.choice.offer(source)
        if self.table.held:
            self.table.say_missed(self._passed(source) - self._seen)
        else:
            self._show(source)

    def _show(self, source: Source, top: bool = False) -> None:
        table = self.table
        self._seen, table.missed = self._passed(source), 0
        table.show(ordered(tape_rows(source, self.choice), table.sort, table.descending), top=top)
        self.card.say(title=f"Tape · {self.choice.tape}", unit=_filters(self.choice))

    def _passed(self, source: Source) -> int:
        """How many rows of the tape's table have come in all."""
        if self.choice.tape == "packets":
            return int(source.latest("packets")["seq"].to_numpy().max(initial=0))
        return int(source.latest("prints")["print_number"].to_numpy().max(initial=0))

    def _sort(self, column: str) -> None:
        table = self.table
        table.descending = not table.descending if table.sort == column else True
        table.sort = column
        if self._source is not None:
            table.first = 0
            self._show(self._source, top=True)

    def _live(self) -> None:
        if self._source is not None and not self.table.paused:
            self._show(self._source)


def _filters(choice: FlowChoice) -> str:
    return f"{choice.filters} filter{'s' if choice.filters != 1 else ''}" if choice.filters else "all"
