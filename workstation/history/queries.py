"""SQL over a moment of the store, on DataFusion."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from datafusion import DataFrame, SessionConfig, SessionContext, SQLOptions

from workstation.history.arrow_codec import ORDER, categorical, is_keyed, stored_schema
from workstation.history.history import to_ns
from workstation.market.errors import QueryError
from workstation.market.instruments import REGISTRY
from workstation.market.tables import TABLES, Table

REVISIONS = "_revisions"
_READ_ONLY = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
_WORD = re.compile(r"[a-z_]+")


@dataclass
class Source:
    """What one table is made of at a moment."""

    table: Table
    files: list[Path] = field(default_factory=list)
    log: list[pa.RecordBatch] = field(default_factory=list)


def tables_in(query: str) -> list[str]:
    """Names of our tables that occur in a query's text (perhaps more than it reads, never fewer)."""
    words = {word.removesuffix(REVISIONS) for word in _WORD.findall(query.lower())}
    return [name for name in TABLES if name in words]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _stored(table: Table, names: Sequence[str]) -> str:
    """Columns of segments; a text of the key that an older segment does not hold is empty, as it is in ``read``."""
    words = {name for name in table.key if name in table.by_name and table.by_name[name].kind == "category"}
    return ", ".join(
        f'coalesce("{name}", \'\') AS "{name}"' if name in words else f'"{name}"' for name in names
    )


def _register(context: SessionContext, source: Source, folder: Path) -> None:
    table = source.table
    schema = stored_schema(table)
    columns = _quoted(schema.names)
    parts = []
    rows = source.log or [pa.RecordBatch.from_pylist([], schema=schema)]
    context.register_record_batches(f"_{table.name}_log", [rows])
    parts.append(f"SELECT {columns} FROM _{table.name}_log")
    if source.files:
        # DataFusion reads a folder, the manifest names files: a folder of links to exactly those.
        links = folder / table.name
        links.mkdir()
        for path in source.files:
            (links / path.name).symlink_to(path)
        context.register_parquet(f"_{table.name}_segments", links, schema=schema)
        parts.append(f"SELECT {_stored(table, schema.names)} FROM _{table.name}_segments")
    shown = f"{_quoted(table.names)}, arrow_cast(event_ns, 'Timestamp(Nanosecond, None)') AS time"
    union = " UNION ALL ".join(parts)
    if not is_keyed(table):
        context.register_view(table.name, context.sql(f"SELECT {shown} FROM ({union})"))
        return
    # A join on event_ns, where it is in the key, lets a filter on time reach both sides.
    joined = [name for name in table.key if name == "event_ns"]
    newest = f"SELECT {_quoted(joined) + ',' if joined else ''} max({ORDER}) AS {ORDER} FROM ({union}) "
    newest += f"GROUP BY {_quoted(table.key)}"
    on = " AND ".join(f"every.{name} = newest.{name}" for name in (*joined, ORDER))
    kept = f"SELECT * FROM ({union}) AS every LEFT SEMI JOIN ({newest}) AS newest ON {on}"
    context.register_view(table.name, context.sql(f"SELECT {shown} FROM ({kept})"))
    context.register_view(table.name + REVISIONS, context.sql(f"SELECT {shown} FROM ({union})"))


def _value(name: str, value: Any) -> Any:
    if isinstance(value, (pd.Timestamp, datetime, np.datetime64)):
        return to_ns(value)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise QueryError(f"${name} is a {type(value).__name__}; a parameter is a number, a text or a time")


def run(query: str, params: Mapping[str, Any], sources: Sequence[Source]) -> pd.DataFrame:
    """Answer one read-only query over the sources."""
    values = {name: _value(name, value) for name, value in params.items()}
    context = SessionContext(SessionConfig().with_information_schema(False))
    try:
        with tempfile.TemporaryDirectory(prefix="history-") as folder:
            for source in sources:
                _register(context, source, Path(folder))
            return _to_pandas(context.sql_with_options(query, _READ_ONLY, param_values=values))
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise QueryError(f"{reason}; in: {query.strip()[:200]}") from error


def _to_pandas(answer: DataFrame) -> pd.DataFrame:
    found = answer.to_arrow_table()
    columns = {
        name: categorical(values) if _is_names(values.type) else values.to_pandas()
        for name, values in zip(found.column_names, found.columns, strict=True)
    }
    frame = pd.DataFrame(columns)
    if "instrument" in frame.columns and isinstance(
        frame["instrument"].dtype, (pd.CategoricalDtype, pd.StringDtype)
    ):
        frame["instrument"] = REGISTRY.conform(frame["instrument"])
    return frame


def _is_names(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind) and kind.value_type in (
        pa.string(),
        pa.string_view(),
        pa.large_string(),
    )
