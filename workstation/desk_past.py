"""What a desk knows when it starts: the recent past of its board, read from history."""

from __future__ import annotations

from workstation.board.board import CANDLES_KEPT, Board
from workstation.board.retention import PAST_MINUTES
from workstation.history import History, folder_of, open_history
from workstation.history import warm_start as recent
from workstation.indicators.batch.instrument_state import FOLLOWED_KINDS
from workstation.market.instants import HOUR_NS, MINUTE_NS

_CANDLES_NS = 36 * HOUR_NS
_SPANS_NS = {
    "levels": 36 * HOUR_NS,
    "intensity": 10 * MINUTE_NS,
    "spikes": 36 * HOUR_NS,
    "reversals": 36 * HOUR_NS,
    "cascade": 36 * HOUR_NS,
    "alerts": 36 * HOUR_NS,
}
"""Tables whose recent past is read, and how much of it."""


def seed_board(board: Board, history: History) -> None:
    """Put the newest rows of a store on a board that is still empty."""
    known = set(history.tables()["name"])
    for table, span_ns in _SPANS_NS.items():
        if table in known:
            newest = history.latest(table)
            if len(newest):
                end = int(newest["event_ns"].max()) + 1
                board.add(table, history.read(table, start=end - span_ns, end=end))
    board.add("candles", recent.candles(history, _CANDLES_NS, CANDLES_KEPT, FOLLOWED_KINDS))
    board.remember_exposures(recent.exposures_by_minute(history, PAST_MINUTES))
    flow = recent.flow_of_the_day(history)
    if flow is not None:
        board.remember_flow(*flow)


def store_at(url: str, *, read_only: bool) -> History | None:
    """The store of an address; one that is only read may not be there yet."""
    folder = folder_of(url) if read_only else None
    if folder is None:
        return open_history(url)
    return open_history(url, mode="r", upkeep=False) if folder.exists() else None
