"""What a desk's board begins with: the recent past of derived tables, read from history as it was known at a moment."""

from __future__ import annotations

from workstation.board.board import CANDLES_KEPT, Board
from workstation.board.retention import PAST_MINUTES
from workstation.history import History, folder_of, open_history
from workstation.history import warm_start as recent
from workstation.indicators.batch.instrument_state import FOLLOWED_KINDS
from workstation.market.instants import HOUR_NS, MINUTE_NS

_DAY_AND_A_HALF = 36 * HOUR_NS
SEEDED = {
    "levels": _DAY_AND_A_HALF,
    "intensity": 10 * MINUTE_NS,
    "spikes": _DAY_AND_A_HALF,
    "reversals": _DAY_AND_A_HALF,
    "cascade": _DAY_AND_A_HALF,
    "alerts": _DAY_AND_A_HALF,
}
"""Tables whose recent past is read, and how much of it."""


def seed_board(board: Board, history: History, until_ns: int | None = None) -> None:
    """Add to an empty board what history holds of the recent past.

    Parameters
    ----------
    board, history
        Where to, and from where.
    until_ns
        What happened from here on is left out, candles that had not closed by then too; None: nothing is.
    """
    known = history.table_names()
    for table, span_ns in SEEDED.items():
        newest = recent.newest_ns(history, table, until_ns) if table in known else None
        if newest is not None:
            end = newest + 1
            board.add(table, history.read(table, start=end - span_ns, end=end))
    board.add("candles", recent.candles(history, _DAY_AND_A_HALF, CANDLES_KEPT, FOLLOWED_KINDS, until_ns))
    board.remember_exposures(recent.exposures_by_minute(history, PAST_MINUTES, until_ns))
    flow = recent.flow_of_the_day(history, until_ns)
    if flow is not None:
        board.remember_flow(*flow)


def store_at(url: str, *, read_only: bool) -> History | None:
    """The store of an address; one that is only read may not be there yet."""
    folder = folder_of(url) if read_only else None
    if folder is None:
        return open_history(url)
    return open_history(url, mode="r", upkeep=False) if folder.exists() else None
