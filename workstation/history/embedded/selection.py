"""What a read asks for: instruments, columns, and the columns that sort and choose rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workstation.history.arrow_codec import ORDER, is_keyed
from workstation.market.errors import HistoryError, TableError
from workstation.market.tables import Table


def chosen_instruments(table: Table, instruments: str | Iterable[str] | None) -> list[str] | None:
    """The instruments asked for, None for all. Raises ``HistoryError`` for a table without instruments."""
    if instruments is None:
        return None
    if "instrument" not in table.names:
        raise HistoryError(f"{table.name} has no instrument column; choose rows of it by sql")
    return [instruments] if isinstance(instruments, str) else [str(name) for name in instruments]


def existing_columns(table: Table, names: Sequence[str] | None) -> list[str]:
    """The columns asked for, None for all. Raises ``TableError`` for one the table does not have."""
    if names is None:
        return list(table.names)
    for name in names:
        if name not in table.by_name:
            raise TableError(table.name, name, -1, f"no such column; the table has {', '.join(table.names)}")
    return list(names)


def needed_columns(table: Table, wanted: Sequence[str], by_instrument: bool, newest_only: bool) -> list[str]:
    """The wanted columns and those that sort, choose and replace rows."""
    names = [*wanted, "event_ns", "seq"]
    if by_instrument:
        names.append("instrument")
    if newest_only and is_keyed(table):
        names.extend((*table.key, ORDER))
    return list(dict.fromkeys(names))
