"""Every table of the workstation, one declared schema each.

>>> "trades" in TABLES, TABLES["candles"].key
(True, ('instrument', 'every_ns', 'event_ns', 'venue'))
"""

from __future__ import annotations

from collections.abc import Mapping

from workstation.market.errors import TableError
from workstation.market.instants import NO_TIME
from workstation.market.tables.columns import Column
from workstation.market.tables.derived import (
    CANDLES,
    CASCADE,
    CASCADE_PARTS,
    DERIVED,
    EXPOSURES,
    INTENSITY,
    LEVELS,
    PNL,
    REVERSALS,
    SPIKES,
    SURFACES,
)
from workstation.market.tables.flow import (
    ALERTS,
    EXCLUSIONS,
    HITS,
    NBBO_BUCKETS,
    OFFEXCHANGE,
    OPEN_INTEREST_VERDICTS,
    PACKETS,
    PRINTS,
    STRUCTURES,
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
        raise TableError(name, "", -1, f"no such table; known are {', '.join(sorted(TABLES))}") from None


__all__ = [
    "ALERTS",
    "BALANCES",
    "CANDLES",
    "CASCADE",
    "CASCADE_PARTS",
    "EXCLUSIONS",
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
    "OPEN_INTEREST_VERDICTS",
    "PACKETS",
    "PNL",
    "POSITIONS",
    "PRINTS",
    "QUOTES",
    "REVERSALS",
    "SPIKES",
    "STRUCTURES",
    "SURFACES",
    "TABLES",
    "TRADES",
    "Column",
    "Table",
    "TradeFlag",
    "table",
]
