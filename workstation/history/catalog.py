"""Intake 2 data types and readers over a history: a catalogue entry's ``read()`` gives the frame.

``catalogs/history.yaml`` names the tables; its parameters are ``store`` (from the environment variable
WORKSTATION_HISTORY), ``start``, ``end``, ``instruments`` and ``underlying``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs
from intake.readers.datatypes import BaseData
from intake.readers.readers import BaseReader

from workstation.history import History, folder_of, open_history
from workstation.history.history import Time
from workstation.market.errors import HistoryError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import Table
from workstation.market.tables import table as declared


def default_store() -> str:
    """Where history is kept: WORKSTATION_HISTORY, else the user's data folder."""
    folder = Path(platformdirs.user_data_dir("workstation", appauthor=False)) / "history"
    return os.environ.get("WORKSTATION_HISTORY") or str(folder)


def _opened(store: str | None) -> History:
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
        columns: Sequence[str] | None = None,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """Rows with ``start <= event_ns < end`` of the instruments, or of all instruments of an underlying.

        ``defaults`` holds start, end, instruments and underlying of the whole catalogue, for what is not given.
        """
        given: dict[str, Any] = {
            "start": start,
            "end": end,
            "instruments": instruments,
            "underlying": underlying,
        }
        chosen: dict[str, Any] = {
            name: (defaults or {}).get(name) if value is None else value for name, value in given.items()
        }
        underlying = chosen.pop("underlying")
        table = declared(data.table)
        wanted = None if columns is None else list(columns)
        needed = wanted
        if underlying is not None and wanted is not None:
            needed = list(dict.fromkeys([*wanted, _owner(table)]))
        with _opened(data.url) as history:
            rows = history.read(data.table, columns=needed, revisions=revisions, **chosen)
        if underlying is not None:
            rows = rows[_of_underlying(table, rows, underlying)].reset_index(drop=True)
        return rows if wanted is None else rows[wanted]

    def discover(self, **kwargs: Any) -> pd.DataFrame:
        """The newest row of every instrument."""
        data = self.data
        with _opened(data.url) as history:
            return history.latest(data.table)


class QueryReader(BaseReader):
    """The answer to a query, as a pandas frame; its arguments fill the query's ``$name``."""

    implements = {StoredQuery}  # noqa: RUF012 -- intake's own convention
    output_instance = "pandas:DataFrame"

    def _read(self, data: StoredQuery, **params: Any) -> pd.DataFrame:
        with _opened(data.url) as history:
            return history.sql(data.query, **params)


def _owner(table: Table) -> str:
    for name in ("underlying", "instrument"):
        if name in table.by_name:
            return name
    raise HistoryError(f"{table.name} has neither an underlying nor an instrument to choose by")


def _of_underlying(table: Table, rows: pd.DataFrame, underlying: str) -> pd.Series:
    column = rows[_owner(table)]
    if column.name == "underlying":
        return column == underlying
    codes = column.cat.codes.unique()
    names = column.cat.categories[codes[codes >= 0]]
    terms = INSTRUMENT_TERMS.describe(names)
    chosen = terms.loc[(terms["underlying"] == underlying).to_numpy(), "instrument"]
    return column.isin(chosen.astype("str").tolist())
