"""What retention goes by: the newest row that can be believed."""

from __future__ import annotations

import logging
import time

import pandas as pd

from workstation.history.arrow_codec import is_keyed
from workstation.history.embedded.queries import REVISIONS
from workstation.history.history import History
from workstation.market.errors import HistoryError
from workstation.market.instants import SECOND_NS
from workstation.market.tables import Table

log = logging.getLogger("workstation.history")

_CLOCK_SLACK_NS = SECOND_NS
_OUTLIER_SPANS = 30
"""Rows are far after all others when the gap before them is so many times what is kept."""


def not_ahead(table: str, now_ns: int) -> None:
    """Refuse a moment that has not come yet.

    Raises
    ------
    HistoryError
        It is ahead of this machine's clock.
    """
    clock = time.time_ns()
    if now_ns > clock + _CLOCK_SLACK_NS:
        raise HistoryError(
            f"retention of {table} is asked as of {pd.Timestamp(now_ns)} UTC, ahead of the clock ({pd.Timestamp(clock)}); "
            "nothing is forgotten"
        )


def newest_credible(history: History, table: Table, span_ns: int) -> tuple[int | None, str]:
    """Newest event time that retention may go by, None without rows; and why it is not the newest row, if it is not.

    Rows ahead of the clock are left out, and so are a few rows that lie further after all others than 30 spans.

    Parameters
    ----------
    history, table
        Where the rows are.
    span_ns
        How much is kept.
    """
    sizes = history.tables().set_index("name")
    if table.name not in sizes.index:
        return None, ""
    held = sizes.loc[table.name].to_dict()
    newest, rows = int(held["last_event_ns"]), int(held["rows"])
    source = table.name + (REVISIONS if is_keyed(table) else "")
    reference: int | None = newest
    latest_ns = time.time_ns() + _CLOCK_SLACK_NS
    if newest > latest_ns:
        reference = _newest_before(history, source, latest_ns)
    few = max(3, rows // 1000)
    while reference is not None and span_ns > 0:
        older = _newest_before(history, source, reference - span_ns)
        if older is None or reference - older <= _OUTLIER_SPANS * span_ns:
            break
        if _rows_between(history, source, reference - span_ns, reference) > few:
            break
        reference = older
    if reference is None or reference == newest:
        return reference, ""
    reported = (
        f"rows up to {pd.Timestamp(newest)} UTC are ahead of the clock or far after all others; retention goes by "
        f"{pd.Timestamp(reference)} UTC"
    )
    log.warning("%s: %s", table.name, reported)
    return reference, reported


def _rows_between(history: History, source: str, after_ns: int, last_ns: int) -> int:
    found = history.sql(
        f"SELECT count(*) AS n FROM {source} WHERE event_ns > $first AND event_ns <= $last",
        first=after_ns,
        last=last_ns,
    )
    return int(found["n"].to_numpy()[0])


def _newest_before(history: History, source: str, last_ns: int) -> int | None:
    found = history.sql(f"SELECT max(event_ns) AS newest FROM {source} WHERE event_ns <= $last", last=last_ns)
    return None if found["newest"].isna().any() else int(found["newest"].to_numpy()[0])
