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
    with_nan: list[Path] = field(default_factory=list)
    """Segments of earlier versions, which hold NaN where a number is unknown."""
    log: list[pa.RecordBatch] = field(default_factory=list)


def tables_in(query: str) -> list[str]:
    """Names of our tables that occur in a query's text (perhaps more than it reads, never fewer)."""
    words = {word.removesuffix(REVISIONS) for word in _WORD.findall(query.lower())}
    return [name for name in TABLES if name in words]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _stored(table: Table, schema: pa.Schema, *, with_nan: bool) -> str:
    """Columns of segments as they are read.

    A text of the key that an older segment does not hold is empty, as it is in ``read``; an unknown number is NULL, in older
    segments it was NaN.
    """
    words = {name for name in table.key if name in table.by_name and table.by_name[name].kind == "category"}
    columns = []
    for column in schema:
        name = f'"{column.name}"'
        if column.name in words:
            columns.append(f"coalesce({name}, '') AS {name}")
        elif with_nan and pa.types.is_floating(column.type):
            columns.append(f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END AS {name}")
        else:
            columns.append(name)
    return ", ".join(columns)


def _register(context: SessionContext, source: Source, folder: Path) -> None:
    table = source.table
    schema = stored_schema(table)
    columns = _quoted(schema.names)
    parts = []
    rows = source.log or [pa.RecordBatch.from_pylist([], schema=schema)]
    context.register_record_batches(f"_{table.name}_log", [rows])
    parts.append(f"SELECT {columns} FROM _{table.name}_log")
    for kind, files in (("segments", source.files), ("with_nan", source.with_nan)):
        if not files:
            continue
        # DataFusion reads a folder, the manifest names files: a folder of links to exactly those.
        links = folder / f"{table.name}_{kind}"
        links.mkdir()
        for path in files:
            (links / path.name).symlink_to(path)
        context.register_parquet(f"_{table.name}_{kind}", links, schema=schema)
        shown = _stored(table, schema, with_nan=kind == "with_nan")
        parts.append(f"SELECT {shown} FROM _{table.name}_{kind}")
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
    config = SessionConfig().with_information_schema(False)
    if any(source.with_nan for source in sources):
        # Parquet's statistics leave NaN out: by them DataFusion takes a column of one number and NaN for a constant.
        config = config.set("datafusion.execution.collect_statistics", "false")
    context = SessionContext(config)
    try:
        with tempfile.TemporaryDirectory(prefix="history-") as folder:
            for source in sources:
                _register(context, source, Path(folder))
            return _to_pandas(context.sql_with_options(query, _READ_ONLY, param_values=values))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in DataFusion is no Exception
        raise QueryError(_in_words(str(error).strip(), query)) from error


_REMEDIES = {
    "No field named": "the columns of a table are in `workstation.market.tables.TABLES[name].describe()`",
    "not found": "the tables are those of `workstation.market.tables.TABLES`, and `<table>_revisions` of keyed ones",
    "timestamp": "write a time as TIMESTAMP '2026-03-20T04:00:00', or pass it: time >= to_timestamp_nanos($start)",
    "Timestamp": "write a time as TIMESTAMP '2026-03-20T04:00:00', or pass it: time >= to_timestamp_nanos($start)",
    "DDL not supported": "history is only read by SQL; rows come in by `write`",
    "DML not supported": "history is only read by SQL; rows come in by `write`",
    "Statement not supported": "history is only read by SQL; rows come in by `write`",
    "placeholder": "give every $name of the query as an argument of that name",
}


def _in_words(reason: str, query: str) -> str:
    """DataFusion's whole answer, what to do about it, and the query."""
    remedy = next((f"; {advice}" for word, advice in _REMEDIES.items() if word in reason), "")
    return f"the query cannot be answered: {reason}{remedy}; in: {query.strip()[:500]}"


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
