"""Every table of the workstation, one declared schema each.

>>> "trades" in TABLES, TABLES["candles"].key
(True, ('instrument', 'every_ns', 'event_ns', 'venue'))
"""

from __future__ import annotations

import difflib
import re
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
    INSTRUMENT,
    INSTRUMENTS,
    LIQUIDATIONS,
    MARKS,
    POSITIONS,
    QUOTES,
    RAW,
    STAMP,
    TRADES,
    TradeFlag,
)
from workstation.market.tables.schema import Table

_KNOWN: dict[str, Table] = {table.name: table for table in (*RAW, *DERIVED)}
_STANDARD = frozenset(_KNOWN)
TABLES: Mapping[str, Table] = _KNOWN
"""Every table by name; ``declare`` adds those of one's own."""


def table(name: str) -> Table:
    """The declared table of that name; ``TableError`` names the known ones otherwise."""
    try:
        return TABLES[name]
    except KeyError:
        near = difflib.get_close_matches(str(name), TABLES, 1)
        meant = f"did you mean {near[0]!r}? Known" if near else "known"
        raise TableError(name, "", -1, f"no such table; {meant} are {', '.join(sorted(TABLES))}") from None


def own_table(name: str, columns: Mapping[str, str], doc: str = "") -> Table:
    """A table of one's own: ``seq``, ``event_ns``, ``seen_ns``, ``instrument``, and numbers.

    Parameters
    ----------
    name
        An identifier in lower case.
    columns
        Name -> unit of each number.
    doc
        What its rows mean.

    Raises
    ------
    TableError
        A name is none, or taken.

    Examples
    --------
    >>> own_table("drift", {"bps": "bps"}).names
    ('seq', 'event_ns', 'seen_ns', 'instrument', 'bps')
    """
    stamp = (*STAMP, INSTRUMENT)
    for one in (name, *columns):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", one):
            raise TableError(
                name,
                one if one != name else "",
                -1,
                f"{one!r} is no name: lower case, digits and underscores",
            )
    taken = {column.name for column in stamp} & set(columns)
    if taken:
        raise TableError(name, taken.pop(), -1, "every table has this column already")
    own = tuple(Column(column, "float64", unit) for column, unit in columns.items())
    return Table(name, (*stamp, *own), raw=False, doc=doc)


def declare(table: Table) -> Table:
    """Make a table of one's own known to this process, so that desk, board, history and SQL take it; returns it.

    Declared anew, as when a cell runs again, it replaces the one before. What a store holds of it is read by these columns.

    Raises
    ------
    TableError
        It has the name of one of the workstation's own tables, or lacks a column that every table has.
    """
    if table.name in _STANDARD and _KNOWN[table.name] is not table:
        raise TableError(table.name, "", -1, "the workstation has a table of this name; choose another")
    missing = [column.name for column in STAMP if column.name not in table.names]
    if missing:
        raise TableError(table.name, missing[0], -1, "every table has this column; own_table() makes it")
    if table.name not in _KNOWN or _KNOWN[table.name] != table:
        _KNOWN[table.name] = table
    return _KNOWN[table.name]


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
    "declare",
    "own_table",
    "table",
]
