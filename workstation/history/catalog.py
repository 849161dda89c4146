"""Intake 2 data types and readers over a history of any kind: frames, Datasets, lazily chunked Dask.

Intake knows them wherever the workstation is installed (entry point ``intake.imports``). ``catalogs/history.yaml`` names the
tables; its parameters are ``store`` (from the environment variable WORKSTATION_HISTORY), ``start``, ``end``, ``instruments``,
``underlying`` and ``venue``. An entry's table in another form: ``catalog.trades.to_reader("xarray")``, ``catalog.trades.to_reader("dask")``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs
import xarray as xr
from intake.readers.datatypes import BaseData
from intake.readers.readers import BaseReader

from workstation.history import History, folder_of, open_history
from workstation.history.cubes import exposure_by_strike, surfaces_over_time
from workstation.history.history import Time, to_ns
from workstation.market.durations import nanoseconds
from workstation.market.errors import HistoryError, unknown_name
from workstation.market.tables import Table
from workstation.market.tables import table as declared

PARTITION_ROWS = 500_000
"""Rows of a Dask partition, about."""
CUBES = {"exposure_by_strike": exposure_by_strike, "surfaces_over_time": surfaces_over_time}


def default_store() -> str:
    """Where history is kept: WORKSTATION_HISTORY, else the user's data folder."""
    folder = Path(platformdirs.user_data_dir("workstation", appauthor=False)) / "history"
    return os.environ.get("WORKSTATION_HISTORY") or str(folder)


def opened(store: str | None) -> History:
    """The store, to read; a catalogue makes no new one."""
    url = store or default_store()
    folder = folder_of(url)
    if folder is None:
        return open_history(url)
    try:
        return open_history(url, upkeep=False, mode="r")
    except HistoryError as error:
        raise HistoryError(f"{error}; set WORKSTATION_HISTORY to the folder of a history") from error


class StoredTable(BaseData):
    """A table of a history.

    Parameters
    ----------
    table
        Name of the table.
    url
        Address of the history, None for ``default_store()``.
    """

    structure = frozenset({"table", "timeseries"})

    def __init__(self, table: str, url: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.table = table
        self.url = url
        super().__init__(metadata)


class StoredQuery(BaseData):
    """A SELECT over the tables of a history; ``$name`` takes the reader's argument of that name."""

    structure = frozenset({"table"})

    def __init__(self, query: str, url: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.query = query
        self.url = url
        super().__init__(metadata)


class StoredCube(BaseData):
    """What is derived of a history by time: ``cube`` is a name of ``CUBES``."""

    structure = frozenset({"array", "timeseries"})

    def __init__(self, cube: str, url: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        if cube not in CUBES:
            raise HistoryError(unknown_name("cube", cube, CUBES))
        self.cube = cube
        self.url = url
        super().__init__(metadata)


def stored_rows(
    history: History,
    table: Table,
    columns: Sequence[str] | None = None,
    venue: str | None = None,
    every: str | None = None,
    **chosen: Any,
) -> pd.DataFrame:
    """Rows of a table as ``History.read`` gives them, of one venue and one length of candle where asked for."""
    wanted = list(table.names if columns is None else columns)
    keep = {
        "venue": venue,
        "every_ns": None if every is None else nanoseconds(every),
    }
    keep = {name: value for name, value in keep.items() if value is not None}
    for name in keep:
        if name not in table.by_name:
            raise HistoryError(
                f"{table.name} has no {name} to choose by; leave {name.removesuffix('_ns')} out"
            )
    rows = history.read(table.name, columns=list(dict.fromkeys([*wanted, *keep])), **chosen)
    for name, value in keep.items():
        rows = rows[(rows[name] == value).to_numpy()]
    return rows[wanted].reset_index(drop=True)


def _chosen(defaults: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given; of the whole catalogue what was not."""
    chosen = dict(defaults or {})
    chosen.update({name: value for name, value in given.items() if value is not None})
    return {name: value for name, value in chosen.items() if value is not None}


class TableReader(BaseReader):
    """Rows of a table between two moments, as a pandas frame."""

    implements = {StoredTable}  # noqa: RUF012 -- intake's own convention
    output_instance = "pandas:DataFrame"

    def _read(
        self,
        data: StoredTable,
        defaults: Mapping[str, Any] | None = None,
        start: Time | None = None,
        end: Time | None = None,
        instruments: str | Iterable[str] | None = None,
        underlying: str | None = None,
        venue: str | None = None,
        every: str | None = None,
        columns: Sequence[str] | None = None,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """Rows with ``start <= event_ns < end`` of the instruments, or of all instruments of an underlying.

        ``every`` chooses candles by length. ``defaults`` holds the parameters of the whole catalogue, for what is not given.
        """
        given = {
            "start": start, "end": end, "instruments": instruments, "underlying": underlying, "venue": venue, "every": every,
            "columns": columns,
        }  # fmt: skip
        with opened(data.url) as history:
            return stored_rows(history, declared(data.table), revisions=revisions, **_chosen(defaults, given))

    def discover(self, **kwargs: Any) -> pd.DataFrame:
        """The newest row of every instrument."""
        data = self.data
        with opened(data.url) as history:
            return history.latest(data.table)


class TableDatasetReader(BaseReader):
    """The same rows as an xarray Dataset with units."""

    implements = {StoredTable}  # noqa: RUF012 -- intake's own convention
    output_instance = "xarray:Dataset"

    def _read(self, data: StoredTable, **chosen: Any) -> xr.Dataset:
        """One variable per column over ``row``, ``time`` (UTC) its coordinate; parameters are those of ``TableReader``."""
        return as_dataset(declared(data.table), TableReader(data).read(**chosen))


class TableDaskReader(BaseReader):
    """The same rows as a Dask frame that is read partition by partition, in whatever process."""

    implements = {StoredTable}  # noqa: RUF012 -- intake's own convention
    imports = {"dask"}  # noqa: RUF012 -- intake's own convention
    output_instance = "dask.dataframe:DataFrame"

    def _read(
        self,
        data: StoredTable,
        defaults: Mapping[str, Any] | None = None,
        partition_rows: int = PARTITION_ROWS,
        **given: Any,
    ) -> Any:
        """Partitions by time; names and categories are text. Other parameters are those of ``TableReader``."""
        import dask.dataframe as dd

        chosen = _chosen(defaults, given)
        start, end = to_ns(chosen.pop("start", None)), to_ns(chosen.pop("end", None))
        with opened(data.url) as history:
            windows = _windows(history, data.table, start, end, partition_rows)
        schema = declared(data.table)
        meta = _as_text(schema.empty()[list(chosen.get("columns") or schema.names)])
        return dd.from_map(_partition, windows, table=data.table, url=data.url, chosen=chosen, meta=meta)


class QueryReader(BaseReader):
    """The answer to a query, as a pandas frame; its arguments fill the query's ``$name``."""

    implements = {StoredQuery}  # noqa: RUF012 -- intake's own convention
    output_instance = "pandas:DataFrame"

    def _read(self, data: StoredQuery, **params: Any) -> pd.DataFrame:
        with opened(data.url) as history:
            return history.sql(data.query, **params)


class CubeReader(BaseReader):
    """A derived cube as an xarray Dataset: at each instant what was known by then."""

    implements = {StoredCube}  # noqa: RUF012 -- intake's own convention
    output_instance = "xarray:Dataset"

    def _read(
        self,
        data: StoredCube,
        defaults: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> xr.Dataset:
        """Parameters are those of the function in ``CUBES``: underlying, start, end, every, chunk (instants of a Dask chunk)."""
        chosen = _chosen(defaults, given)
        if "underlying" not in chosen:
            raise HistoryError(f"{data.cube} is of one underlying; say which: read(underlying='BTC')")
        with opened(data.url) as history:
            return CUBES[data.cube](history, **chosen)


def as_dataset(table: Table, rows: pd.DataFrame) -> xr.Dataset:
    """Rows as a Dataset over ``row`` with the units of their columns.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> rows = pd.DataFrame({"event_ns": [1], "instrument": "X", "price": 2.0, "size": 1.0})
    >>> made = as_dataset(TRADES, TRADES.conform(rows))
    >>> made["price"].attrs["units"], made["time"].dtype.str
    ('quote or premium currency', '<M8[ns]')
    """
    made = xr.Dataset(
        {
            str(name): (
                "row",
                values.to_numpy(dtype=object) if values.dtype.kind == "O" else values.to_numpy(),
                {"units": table.by_name[str(name)].unit},
            )
            for name, values in _as_text(rows).items()
        }
    )
    if "event_ns" in rows:
        times = rows["event_ns"].to_numpy().astype("datetime64[ns]")
        made = made.assign_coords(time=("row", times, {"time_zone": "UTC"}))
    return made.assign_attrs(table=table.name)


def _as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Names and categories as text: codes of this process mean nothing in another."""
    coded = [name for name, kind in rows.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    return rows.astype(dict.fromkeys(coded, "str"))


def _windows(
    history: History, table: str, start: int | None, end: int | None, rows: int
) -> list[tuple[int, int]]:
    """Spans of equal length that hold about so many rows each."""
    if rows < 1:
        raise HistoryError(f"partitions of {rows} rows cannot be; give 1 or more")
    held = {one["name"]: one for one in history.tables().to_dict("records")}
    if table not in held:
        return [(0, 0)]
    one = held[table]
    first, last = int(one["first_event_ns"]), int(one["last_event_ns"]) + 1
    begin = first if start is None else start
    until = max(begin, last if end is None else end)
    parts = max(1, round(one["rows"] * (until - begin) / (last - first) / rows))
    return list(pairwise(begin + (until - begin) * at // parts for at in range(parts + 1)))


def _partition(span: tuple[int, int], table: str, url: str | None, chosen: Mapping[str, Any]) -> pd.DataFrame:
    with opened(url) as history:
        return _as_text(stored_rows(history, declared(table), start=span[0], end=span[1], **chosen))
