"""A batch on the bus and back: an Arrow record batch of the columns that vary, and a header of those that do not.

The schema is not in the batch: a reader of the same version has it, any other asks for it once by its digest. Texts of
instruments and categories are few and go into the header, their codes into the batch. Nothing is compressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.bus.layout import Layout, code_dtype, code_type, layout_of
from workstation.market.instruments import REGISTRY
from workstation.market.tables import Table
from workstation.market.tables.categories import categories, coded
from workstation.market.tables.columns import unknowns
from workstation.market.tables.frames import arrays_of
from workstation.market.tables.texts import text_column

FEW_TEXTS = 8
"""Up to so many categories all are sent; of more, those that are used."""


class Header(msgspec.Struct, array_like=True, frozen=True):
    """What a reader must know of a batch beside its Arrow message.

    Attributes
    ----------
    table, rows, layout
        Name, number of rows, digest of the layout of the columns.
    first_seq
        ``seq`` of the first row where it counts up by one; -1: ``seq`` is a column like others.
    sent
        Bit ``i`` is set where column ``i`` is in the message.
    values
        Of numeric columns that are not, by place: the one value of all rows.
    texts
        Of columns of texts, by place: what their codes stand for, or the one text of all rows; none: missing in all rows.
    size
        Bytes of the message.
    """

    table: str
    rows: int
    layout: str
    first_seq: int
    sent: int
    values: dict[int, bool | int | float]
    texts: dict[int, tuple[str, ...]]
    size: int


def packed(table: Table, frame: pd.DataFrame) -> tuple[Header, Any]:
    """A conformed batch as its header and its Arrow message, a buffer.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT
    >>> header, body = packed(HEARTBEAT, HEARTBEAT.numbered(pd.DataFrame({"event_ns": [8, 9], "feed": "x"}), 5))
    >>> header.first_seq, header.texts, [name for at, name in enumerate(HEARTBEAT.names) if header.sent >> at & 1]
    (5, {3: ('x',)}, ['event_ns'])
    >>> unpacked(HEARTBEAT, header, body)[["seq", "event_ns", "feed"]].values.tolist()
    [[5, 8, 'x'], [6, 9, 'x']]
    """
    layout, arrays, rows = layout_of(table), arrays_of(frame), len(frame)
    if not rows:
        return Header(table.name, 0, layout.digest, 0, 0, {}, {}, 0), b""
    first_seq = _first_of_run(arrays[table.places["seq"]])
    values: dict[int, bool | int | float] = {}
    texts: dict[int, tuple[str, ...]] = {}
    carried: list[pa.Array] = []
    counts: list[int] = []
    sent = 0
    for place, (kind, array) in enumerate(zip(layout.kinds, arrays, strict=True)):
        if kind in ("instrument", "category"):
            codes, texts[place] = _coded(kind, array)
            if codes is None:
                continue
            counts.append(len(texts[place]))
            array = _plain(codes, code_type(counts[-1]))
        elif kind == "str":
            array = _texts(array)
            if array is None:
                texts[place] = ("",)
                continue
        elif kind == "bytes":
            array = pa.array(array, pa.large_binary())
        elif first_seq >= 0 and place == table.places["seq"]:
            continue
        elif _is_one_value(array):
            values[place] = array.item(0)
            continue
        else:
            array = _plain(array, _TYPES[kind])
        carried.append(array)
        sent |= 1 << place
    body = pa.RecordBatch.from_arrays(carried, schema=layout.body(sent, counts)).serialize() if sent else b""
    return Header(table.name, rows, layout.digest, first_seq, sent, values, texts, len(body)), body


def unpacked(table: Table, header: Header, body: Any, layout: Layout | None = None) -> pd.DataFrame:
    """The batch, conformed; one of another layout is brought into today's columns.

    Numbers are copied once, side by side as the hub's own batches have them, so that they can be written to and kernels
    compiled for those batches take these; texts are not copied.

    Parameters
    ----------
    table, header, body
        The table of the header's name, and a batch as ``packed`` gave it.
    layout
        Where it is not the table's own.

    Raises
    ------
    ValueError, pyarrow.ArrowInvalid, OSError
        It is no such batch. ``TableError``, where another version's rows do not fit.
    """
    own = layout_of(table)
    layout = layout or own
    if header.layout != layout.digest:
        raise ValueError(f"its columns are those of layout {header.layout}, not of {layout.digest}")
    if not header.rows:
        return table.empty()
    found = _Columns(layout, header, body)
    stacks = found.stacks()
    others = {
        name: found.other(place, kind)
        for place, (name, kind) in enumerate(zip(layout.names, layout.kinds, strict=True))
        if kind in ("instrument", "category", "str", "bytes")
    }
    if layout is own:
        return table.stacked(stacks, others, header.rows)
    numeric = {
        layout.names[place]: stacks[kind][row]
        for kind, held in layout.stacks.items()
        for row, place in enumerate(held)
    }
    known = {name: values for name, values in (numeric | others).items() if name in table.by_name}
    return table.conform(pd.DataFrame(known))


class _Columns:
    """The columns of one batch as a reader takes them."""

    def __init__(self, layout: Layout, header: Header, body: Any) -> None:
        self._layout, self._header, self._rows = layout, header, header.rows
        self._carried: dict[int, pa.Array] = {}
        if header.sent:
            places = [place for place in range(len(layout.kinds)) if header.sent >> place & 1]
            counts = [
                len(header.texts[place])
                for place in places
                if layout.kinds[place] in ("instrument", "category")
            ]
            batch = pa.ipc.read_record_batch(pa.py_buffer(body), layout.body(header.sent, counts))
            if batch.num_rows != self._rows:
                raise ValueError(f"{batch.num_rows} rows where {self._rows} were announced")
            self._carried = dict(zip(places, batch.columns, strict=True))

    def stacks(self) -> dict[str, npt.NDArray[Any]]:
        """Numeric kind -> its columns, shape (columns, rows)."""
        made = {}
        first, values = self._header.first_seq, self._header.values
        for kind, places in self._layout.stacks.items():
            stack = made[kind] = np.empty((len(places), self._rows), dtype=kind)
            for row, place in enumerate(places):
                if place in self._carried:
                    stack[row] = self._numbers(place, stack.dtype)
                elif place in values:
                    stack[row] = values[place]
                else:
                    stack[row] = np.arange(first, first + self._rows)
        return made

    def other(self, place: int, kind: str) -> Any:
        """A column of texts or bytes."""
        array = self._carried.get(place)
        if kind == "str":
            return unknowns("str", "", self._rows) if array is None else text_column(array)
        if kind == "bytes":
            return array.to_numpy(zero_copy_only=False)  # type: ignore[union-attr]
        texts = self._header.texts[place]
        if array is None and kind == "category" and texts:
            return unknowns("category", texts[0], self._rows)
        if array is None:
            codes = np.full(self._rows, 0 if texts else -1, dtype=np.int8)
        else:
            codes = self._numbers(place, code_dtype(len(texts)))
        if kind == "instrument":
            return REGISTRY.categorical(_registered(texts)[codes])
        return coded(codes.copy(), categories(*texts))

    def _numbers(self, place: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        return np.frombuffer(self._carried[place].buffers()[1], dtype, self._rows)


_TYPES = {name: pa.from_numpy_dtype(np.dtype(name)) for name in ("int64", "int32", "int8", "float64")} | {
    "bool": pa.uint8()
}


def _plain(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """An Arrow array over NumPy numbers, not copied; ``pa.array`` takes three times as long."""
    return pa.Array.from_buffers(kind, values.size, [None, pa.py_buffer(np.ascontiguousarray(values))], 0)


def _is_one_value(values: npt.NDArray[Any]) -> bool:
    """Whether all are the same to the bit; comparing bytes takes a fifth of comparing numbers."""
    width, held = values.itemsize, values.tobytes()
    return held[:width] == held[-width:] and held[width:] == held[:-width]


def _first_of_run(seq: npt.NDArray[np.int64]) -> int:
    """The first number where they count up by one, else -1."""
    first, last = seq.item(0), seq.item(-1)
    run = last == first + seq.size - 1 and np.arange(first, last + 1).tobytes() == seq.tobytes()
    return first if run else -1


def _coded(kind: str, values: pd.Categorical) -> tuple[npt.NDArray[Any] | None, tuple[str, ...]]:
    """Codes of a column, as narrow as they can be, and the texts they stand for; no codes where all rows have one text."""
    codes = values.codes
    if _is_one_value(codes):
        first = codes.item(0)
        return None, _names(kind, values, [first]) if first >= 0 else ()
    count = values.categories.size
    if count <= FEW_TEXTS:
        return codes.astype(np.int8, copy=False), _names(kind, values, range(count))
    seen = np.zeros(count + 1, dtype=bool)
    seen[codes] = True
    seen[-1] = False
    used = np.flatnonzero(seen)
    mapped = np.full(count + 1, -1, dtype=code_dtype(used.size))
    mapped[used] = np.arange(used.size)
    return mapped[codes], _names(kind, values, used.tolist())


def _names(kind: str, values: pd.Categorical, codes: Sequence[int]) -> tuple[str, ...]:
    if kind == "instrument" and REGISTRY.issued(values):
        return tuple(REGISTRY.names(codes))
    names = _category_names(id(values.categories), _Held(values.categories))
    return tuple([names[code] for code in codes])


class _Held:
    """Categories as an argument that equals whatever has the same id."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.held is self.held

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=1_024)
def _category_names(_: int, categories: _Held) -> list[str]:
    return [str(name) for name in categories.held.tolist()]


@lru_cache(maxsize=1_024)
def _registered(texts: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """Codes that the registry has for these names, and that of a missing one at the end."""
    return np.append(REGISTRY.codes(texts), np.int32(-1))


def _texts(values: Any) -> pa.Array | None:
    """A column of texts in one piece; None where all are empty."""
    array = values.__arrow_array__()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    offsets = np.frombuffer(array.buffers()[1], np.int64, len(array) + 1, 8 * array.offset)
    return None if offsets[0] == offsets[-1] else array
