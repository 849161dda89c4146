"""How the columns of a table lie in a batch on the bus, and how a reader of another version learns it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from workstation.market.tables import Table

_SENT: dict[str, pa.DataType] = {
    "int64": pa.int64(), "int32": pa.int32(), "int8": pa.int8(), "float64": pa.float64(), "bool": pa.uint8(),
    "str": pa.large_string(), "bytes": pa.large_binary(),
}  # fmt: skip
"""Arrow types of columns in a batch; codes of instruments and categories are as narrow as their texts allow."""
_CODES = ((1 << 7, pa.int8()), (1 << 15, pa.int16()), (1 << 31, pa.int32()))


class Layout:
    """Names and kinds of the columns of a table as one version of the program has them.

    Parameters
    ----------
    schema
        Arrow schema of the table (``Table.arrow``). Raises ``ValueError`` for a type that no table has.
    kinds
        Of its columns, where they are known; none: told from their types.

    Attributes
    ----------
    digest
        Names the layout in every batch, so that the schema itself is sent once.
    names, kinds
        Of the columns, in order.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT
    >>> Layout(HEARTBEAT.arrow).kinds
    ('int64', 'int64', 'int64', 'category')
    """

    def __init__(self, schema: pa.Schema, kinds: Sequence[str] = ()) -> None:
        self.message: bytes = schema.serialize().to_pybytes()
        self.digest = hashlib.sha256(self.message).hexdigest()[:16]
        self.names: tuple[str, ...] = tuple(schema.names)
        self.kinds: tuple[str, ...] = tuple(kinds) or tuple(_kind(field) for field in schema)
        self._bodies: dict[tuple[int, tuple[int, ...]], pa.Schema] = {}

    @classmethod
    def read(cls, message: bytes) -> Layout:
        """The layout of an Arrow schema message; ``ValueError`` where it is none."""
        return cls(pa.ipc.read_schema(pa.py_buffer(message)))

    @cached_property
    def stacks(self) -> dict[str, tuple[int, ...]]:
        """Numeric kind -> places of its columns."""
        found: dict[str, list[int]] = {}
        for place, kind in enumerate(self.kinds):
            if kind in _SENT and kind not in ("str", "bytes"):
                found.setdefault(kind, []).append(place)
        return {kind: tuple(places) for kind, places in found.items()}

    def body(self, sent: int, texts: Sequence[int]) -> pa.Schema:
        """Arrow schema of the columns that a batch carries.

        Parameters
        ----------
        sent
            Bit ``i`` is set where column ``i`` is carried.
        texts
            How many texts each carried column of codes has, in order.
        """
        key = sent, tuple(texts)
        if key not in self._bodies:
            if len(self._bodies) > 1_000:
                self._bodies.clear()
            counts = iter(texts)
            fields = [
                pa.field(name, _SENT[kind] if kind in _SENT else code_type(next(counts)))
                for place, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True))
                if sent >> place & 1
            ]
            self._bodies[key] = pa.schema(fields)
        return self._bodies[key]


def code_type(texts: int) -> pa.DataType:
    """The narrowest integer for codes of so many texts.

    >>> str(code_type(8)), str(code_type(1_000))
    ('int8', 'int16')
    """
    return next(kind for most, kind in _CODES if texts < most)


def code_dtype(texts: int) -> np.dtype[Any]:
    """As ``code_type``, of NumPy."""
    made: np.dtype[Any] = np.dtype(code_type(texts).to_pandas_dtype())
    return made


_LAYOUTS: dict[int, tuple[Table, Layout]] = {}
"""By the id of a table, which is kept with it."""


def layout_of(table: Table) -> Layout:
    """The layout of a table as this program has it."""
    found = _LAYOUTS.get(id(table))
    if found is None:
        found = _LAYOUTS[id(table)] = table, Layout(table.arrow, [column.kind for column in table.columns])
    return found[1]


def _kind(field: Any) -> str:
    if pa.types.is_dictionary(field.type):
        return "instrument" if field.name == "instrument" else "category"
    if pa.types.is_string(field.type):
        return "str"
    if pa.types.is_binary(field.type):
        return "bytes"
    kind = (
        "bool"
        if pa.types.is_boolean(field.type)
        else {"double": "float64"}.get(str(field.type), str(field.type))
    )
    if kind not in _SENT:
        raise ValueError(f"column {field.name!r} is of type {field.type}, which no table has")
    return kind
