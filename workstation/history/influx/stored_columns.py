"""What a table of ours is on the server: SQL that gives its columns as they are declared, and rows back as batches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.history.arrow_codec import ORDER, is_keyed
from workstation.history.history import to_ns
from workstation.market.errors import QueryError
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TABLES, Column, Table

REVISIONS = "_revisions"
_SQL_TYPES = {
    "int64": "BIGINT", "int32": "INT", "int8": "TINYINT", "float64": "DOUBLE", "bool": "BOOLEAN",
}  # fmt: skip
_WITH = re.compile(r"\s*WITH\s+(RECURSIVE\s+)?", re.IGNORECASE)
_WORD = re.compile(r"[a-z_]+")


def tables_in(query: str) -> list[str]:
    """Names of our tables that occur in a query's text (perhaps more than it reads, never fewer)."""
    words = {word.removesuffix(REVISIONS) for word in _WORD.findall(query.lower())}
    return [name for name in TABLES if name in words]


def expression(column: Column, held: frozenset[str]) -> str:
    """A column of ours as the server computes it; what was never written is unknown.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> expression(TRADES.by_name["seq"], frozenset({"seq"}))
    'CAST("seq" AS BIGINT) AS "seq"'
    >>> expression(TRADES.by_name["event_ns"], frozenset())
    'CAST("time" AS BIGINT) AS "event_ns"'
    """
    name, kind = column.name, _SQL_TYPES.get(column.kind, "VARCHAR")
    if name == "event_ns":
        return 'CAST("time" AS BIGINT) AS "event_ns"'
    value = f'CAST("{name}" AS {kind})' if name in held else f"CAST(NULL AS {kind})"
    if column.kind in ("int64", "int32", "int8") and column.unknown == NO_TIME:
        value = f"coalesce({value}, {NO_TIME + 1} - 1)"
    elif column.kind in ("category", "str"):
        value = f"coalesce({value}, '{column.unknown or ''}')"
    return f'{value} AS "{name}"'


def definition(table: Table, held: frozenset[str] | None) -> list[str]:
    """Common table expressions under which a query finds a table as declared; ``held`` is None when nothing was written."""
    columns = ", ".join(expression(column, held or frozenset()) for column in table.columns)
    if held is None:
        empty = f'SELECT {columns}, "time" FROM (SELECT arrow_cast(0, \'Timestamp(Nanosecond, None)\') AS "time") WHERE false'
        return [f"{name} AS ({empty})" for name in _names(table)]
    source = f'iox."{table.name}"'
    every = f'SELECT {columns}, "time" FROM {source}'
    if not is_keyed(table):
        return [f"{table.name} AS ({every})"]
    key = ", ".join(
        f'"{name}"' if name != "event_ns" else '"time"'
        for name in table.key
        if name in held or name == "event_ns"
    )
    newest = (
        f'SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY "{ORDER}" DESC) AS "_newest" FROM {source}'
    )
    kept = f'SELECT {columns}, "time" FROM ({newest}) WHERE "_newest" = 1'
    return [f"{table.name} AS ({kept})", f"{table.name}{REVISIONS} AS ({every})"]


def _names(table: Table) -> list[str]:
    return [table.name, table.name + REVISIONS] if is_keyed(table) else [table.name]


def with_tables(query: str, held: Mapping[str, frozenset[str] | None]) -> str:
    """A query over our tables as the server can answer it: the same text, each table defined before it.

    Examples
    --------
    >>> with_tables("WITH a AS (SELECT 1) SELECT * FROM a", {})
    'WITH a AS (SELECT 1) SELECT * FROM a'
    """
    defined = [one for name, columns in held.items() for one in definition(TABLES[name], columns)]
    if not defined:
        return query
    found = _WITH.match(query)
    recursive = "RECURSIVE " if found and found.group(1) else ""
    rest = ", " + query[found.end() :] if found else " " + query
    return f"WITH {recursive}{', '.join(defined)}{rest}"


def selected(table: Table, names: Sequence[str], held: frozenset[str]) -> str:
    """The columns a read needs, ``_order`` of keyed tables among them."""
    parts = [expression(table.by_name[name], held) for name in names if name != ORDER]
    if ORDER in names:
        parts.append(f'"{ORDER}"')
    return ", ".join(parts)


def to_stored(table: Table, rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Rows from the server in the types of a stored batch; dictionaries or plain text both pass."""
    arrays = []
    for name in names:
        kind = pa.int64() if name == ORDER else table.by_name[name].arrow
        values = rows.column(name)
        if pa.types.is_dictionary(kind):
            values = values.cast(pa.string()) if not pa.types.is_string(values.type) else values
            values = pc.dictionary_encode(values)
        arrays.append(_filled(table, name, values if values.type == kind else values.cast(kind)))
    return pa.table(arrays, names=list(names))


def _filled(table: Table, name: str, values: Any) -> Any:
    """A column whose missing values are the table's unknown, where it has one and is no double."""
    column = table.by_name.get(name)
    if column is None or values.null_count == 0 or column.kind in ("float64", "instrument", "category"):
        return values
    return pc.fill_null(values, pa.scalar(column.unknown, values.type))


def parameter(name: str, value: Any) -> Any:
    """An argument of a query as the server takes it: a moment is int64 ns."""
    if isinstance(value, pd.Timestamp | datetime | np.datetime64):
        return to_ns(value)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise QueryError(f"${name} is a {type(value).__name__}; a parameter is a number, a text or a time")


def answer(found: pa.Table) -> pd.DataFrame:
    """The server's answer as a frame; instruments over the registry."""
    frame = pd.DataFrame({name: found.column(name).to_pandas() for name in found.column_names})
    if "instrument" in frame.columns and isinstance(
        frame["instrument"].dtype, pd.CategoricalDtype | pd.StringDtype
    ):
        frame["instrument"] = REGISTRY.conform(frame["instrument"].astype("category"))
    return frame
