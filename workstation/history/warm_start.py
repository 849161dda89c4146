"""The recent past of derived state, read so that little has to be moved: what a desk begins with when it starts again."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from workstation.history.history import History
from workstation.indicators.candles.venue_candles import across_venues
from workstation.market.instants import DAY_NS, MINUTE_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import CANDLES, EXPOSURES, TradeFlag

_FIRST_OF_MINUTE = """
SELECT e.underlying, e.sign_model, e.basis, e.event_ns, e.strike,
    sum(e.gex) AS gex, sum(e.call_gex) AS call_gex, sum(e.put_gex) AS put_gex
FROM exposures e JOIN (
    SELECT underlying, sign_model, basis, min(event_ns) AS event_ns FROM exposures
    WHERE event_ns >= $start AND event_ns <= $newest GROUP BY underlying, sign_model, basis, event_ns / $minute
) f ON e.underlying = f.underlying AND e.sign_model = f.sign_model AND e.basis = f.basis AND e.event_ns = f.event_ns
WHERE e.event_ns >= $start AND e.event_ns <= $newest
GROUP BY e.underlying, e.sign_model, e.basis, e.event_ns, e.strike ORDER BY e.event_ns
"""
_LAST_CANDLES = """
SELECT * FROM candles WHERE event_ns > $start AND event_ns > $newest - $kept * every_ns AND event_ns + every_ns <= $until
ORDER BY event_ns, seq
"""
_FLOW = """
SELECT instrument, sum(side * size * CASE WHEN flags & $cancel > 0 THEN -1 ELSE 1 END) AS signed, count(*) AS prints,
    sum(CASE WHEN side = 0 THEN 1 ELSE 0 END) AS unsided, min(event_ns) AS first_ns
FROM trades WHERE event_ns >= $start AND event_ns <= $newest GROUP BY instrument ORDER BY instrument
"""


class PastFlow(NamedTuple):
    """Prints of a day by instrument: instrument, signed (contracts), prints, unsided; and when the first happened."""

    rows: pd.DataFrame
    since_ns: int


_ALL_NS = int(np.iinfo(np.int64).max)


def newest_ns(history: History, table: str, until_ns: int | None = None) -> int | None:
    """Newest ``event_ns`` of a table, of the rows before ``until_ns`` if given; None when there is no row."""
    held = history.tables()
    held = held[held["name"] == table]
    if not len(held):
        return None
    first_ns, last_ns = int(held["first_event_ns"].iloc[0]), int(held["last_event_ns"].iloc[0])
    if until_ns is None or last_ns < until_ns:
        return last_ns
    end_ns, span_ns = int(until_ns), MINUTE_NS
    while end_ns > first_ns:
        event_ns = history.read(table, end_ns - span_ns, end_ns, columns=["event_ns"])["event_ns"]
        if len(event_ns):
            return int(event_ns.max())
        end_ns, span_ns = end_ns - span_ns, 4 * span_ns
    return None


def exposures_by_minute(history: History, minutes: int, until_ns: int | None = None) -> pd.DataFrame:
    """Gex by strike of the first snapshot of each of the last minutes: rows of ``exposures``, summed over expiries.

    ``expiry_ns`` and what is not gex are unknown. One row per minute and strike at the most, so a day's worth is small.
    """
    newest = newest_ns(history, "exposures", until_ns)
    if newest is None:
        return EXPOSURES.empty()
    rows = history.sql(_FIRST_OF_MINUTE, start=newest - minutes * MINUTE_NS, newest=newest, minute=MINUTE_NS)
    return EXPOSURES.conform(rows)


def candles(
    history: History, span_ns: int, kept: int, kinds: Collection[str], until_ns: int | None = None
) -> pd.DataFrame:
    """The last candles of every length, at most ``kept`` and ``span_ns`` back, of instruments of these kinds.

    Of those before ``until_ns`` only the ones that had closed by then.
    """
    newest = newest_ns(history, "candles", until_ns)
    if newest is None:
        return CANDLES.empty()
    until = _ALL_NS if until_ns is None else until_ns
    rows = history.sql(_LAST_CANDLES, start=newest - span_ns, newest=newest, kept=kept, until=until)
    kind = (
        INSTRUMENT_TERMS.describe(rows["instrument"].unique()).set_index("instrument")["kind"].astype("str")
    )
    wanted = rows["instrument"].astype("str").map(kind).isin(kinds)
    return across_venues(CANDLES.conform(rows.loc[wanted, list(CANDLES.names)]))


def flow_of_the_day(history: History, until_ns: int | None = None) -> PastFlow | None:
    """Signed taker flow of every instrument since the UTC day of the newest trade (before ``until_ns``) began; None without."""
    newest = newest_ns(history, "trades", until_ns)
    if newest is None:
        return None
    rows = history.sql(_FLOW, start=newest // DAY_NS * DAY_NS, newest=newest, cancel=int(TradeFlag.CANCEL))
    return PastFlow(rows, int(rows["first_ns"].min()))
