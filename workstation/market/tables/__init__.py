"""Every table of the workstation, one declared schema each.

>>> "trades" in TABLES, TABLES["candles"].key
(True, ('instrument', 'every_ns', 'event_ns', 'venue'))
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from workstation.market.errors import TableError
from workstation.market.instants import NO_TIME
from workstation.market.tables.columns import Column
from workstation.market.tables.derived import (
    ALERTS,
    CANDLES,
    CASCADE,
    CASCADE_PARTS,
    DERIVED,
    EXPOSURES,
    HITS,
    INTENSITY,
    LEVELS,
    NBBO_BUCKETS,
    OFFEXCHANGE,
    PACKETS,
    PNL,
    REVERSALS,
    SPIKES,
    SURFACES,
)
from workstation.market.tables.raw import (
    BALANCES,
    FILLS,
    FRAMES,
    HEALTH,
    HEARTBEAT,
    INSTRUMENTS,
    LIQUIDATIONS,
    MARKS,
    POSITIONS,
    QUOTES,
    RAW,
    TRADES,
    TradeFlag,
)
from workstation.market.tables.schema import Table

TABLES: Mapping[str, Table] = {table.name: table for table in (*RAW, *DERIVED)}


def table(name: str) -> Table:
    """The declared table of that name; ``TableError`` names the known ones otherwise."""
    try:
        return TABLES[name]
    except KeyError:
        near = difflib.get_close_matches(str(name), TABLES, 1)
        meant = f"did you mean {near[0]!r}? Known" if near else "known"
        raise TableError(name, "", -1, f"no such table; {meant} are {', '.join(sorted(TABLES))}") from None


__all__ = [
    "ALERTS",
    "BALANCES",
    "CANDLES",
    "CASCADE",
    "CASCADE_PARTS",
    "EXPOSURES",
    "FILLS",
    "FRAMES",
    "HEALTH",
    "HEARTBEAT",
    "HITS",
    "INSTRUMENTS",
    "INTENSITY",
    "LEVELS",
    "LIQUIDATIONS",
    "MARKS",
    "NBBO_BUCKETS",
    "NO_TIME",
    "OFFEXCHANGE",
    "PACKETS",
    "PNL",
    "POSITIONS",
    "QUOTES",
    "REVERSALS",
    "SPIKES",
    "SURFACES",
    "TABLES",
    "TRADES",
    "Column",
    "Table",
    "TradeFlag",
    "table",
]
