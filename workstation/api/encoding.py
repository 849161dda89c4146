"""Answers as JSON or as an Arrow stream, as the Accept header asks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from workstation.market.instants import NO_TIME

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
_JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def accepted(header: str, offered: tuple[str, ...]) -> str | None:
    """Which of the offered media types an Accept header prefers; the first offered one where it does not care, None where none fits.

    Examples
    --------
    >>> accepted("", (JSON, ARROW)), accepted("application/vnd.apache.arrow.stream, */*;q=0.1", (JSON, ARROW))
    ('application/json', 'application/vnd.apache.arrow.stream')
    >>> accepted("text/html", (JSON, ARROW)) is None
    True
    """
    if not header.strip():
        return offered[0]
    weights = dict.fromkeys(offered, (-1, 0.0))
    for part in header.split(","):
        name, *options = (piece.strip().lower() for piece in part.split(";"))
        for media in offered:
            exact = (
                2
                if name == media
                else 1
                if name == f"{media.partition('/')[0]}/*"
                else 0
                if name == "*/*"
                else -1
            )
            if exact > weights[media][0] or exact == weights[media][0] == 2:
                weights[media] = exact, _quality(options)
    best = max(offered, key=lambda media: weights[media][1])
    return best if weights[best][1] > 0.0 else None


def _quality(options: list[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                value = float(option[2:])
            except ValueError:
                return 0.0
            return value if math.isfinite(value) else 0.0
    return 1.0


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries; unknown numbers, times and names are None.

    Examples
    --------
    >>> records(pd.DataFrame({"event_ns": [5], "expiry_ns": [NO_TIME], "price": [float("nan")]}))
    [{'event_ns': 5, 'expiry_ns': None, 'price': None}]
    """
    columns = [_values(str(name), frame[name]) for name in frame.columns]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(name: str, column: pd.Series[Any]) -> list[Any]:
    if pd.api.types.is_float_dtype(column.dtype):
        known = np.isfinite(column.to_numpy())
        return [value if told else None for value, told in zip(column.tolist(), known.tolist(), strict=True)]
    if pd.api.types.is_integer_dtype(column.dtype):
        return [None if value == NO_TIME else value for value in column.tolist()]
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.tolist()
    return [None if pd.isna(value) else str(value) for value in column.astype(object).tolist()]


def as_json(body: Mapping[str, Any]) -> bytes:
    """A document; frames in it become lists of rows."""
    return orjson.dumps(body, default=_plain, option=_JSON_OPTIONS)


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return records(value)
    if isinstance(value, pd.Series):
        return records(value.to_frame().T.infer_objects())[0]
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in an answer")


def as_arrow(frame: pd.DataFrame, units: Mapping[str, str], told: Mapping[str, str]) -> bytes:
    """Rows as an Arrow IPC stream, units in the field metadata and ``told`` in the schema's.

    Examples
    --------
    >>> stream = as_arrow(pd.DataFrame({"price": [1.0]}), {"price": "USD"}, {"next": "5.6"})
    >>> read = pa.ipc.open_stream(stream).read_all()
    >>> read.num_rows, read.schema.field("price").metadata, read.schema.metadata
    (1, {b'unit': b'USD'}, {b'next': b'5.6'})
    """
    arrays, fields = [], []
    for name in frame.columns:
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype)
        values = pa.array(column.to_numpy() if numeric else column.astype(object), from_pandas=True)
        if pa.types.is_null(values.type):
            values = values.cast(pa.string())
        unit = units.get(str(name), "")
        arrays.append(values)
        fields.append(pa.field(str(name), values.type, metadata={"unit": unit} if unit else None))
    schema = pa.schema(fields, metadata=dict(told) or None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return bytes(sink.getvalue())
