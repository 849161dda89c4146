"""Pages of rows by (event_ns, seq), from history where there is one, else from what the board holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workstation.api.parameters import RequestError
from workstation.history import History
from workstation.market.tables import Table


class Page(NamedTuple):
    """Rows of a table and where the next page begins; ``next`` is empty on the last one."""

    rows: pd.DataFrame
    next: str


class Asked(NamedTuple):
    """What a page is asked for: a half-open span of event time, a cursor, a size, a direction and wanted values by column."""

    start: int | None
    end: int | None
    cursor: tuple[int, int] | None
    limit: int
    newest_first: bool
    where: Mapping[str, str | int]


def asked(values: Mapping[str, Any], where: Mapping[str, str | int | None]) -> Asked:
    """What the values of ``PAGING`` and the filters of a resource ask for."""
    wanted = {name: value for name, value in where.items() if value is not None}
    return Asked(
        values["start"], values["end"], values["cursor"], values["limit"], values["order"] == "desc", wanted
    )


def page_of_history(history: History, table: Table, wanted: Asked) -> Page:
    """A page from a store, by SQL with parameters: no value of a request is ever part of the text."""
    back = wanted.newest_first
    conditions, values = [], dict[str, Any]()
    if wanted.start is not None:
        conditions.append("event_ns >= $start")
        values["start"] = wanted.start
    if wanted.end is not None:
        conditions.append("event_ns < $end")
        values["end"] = wanted.end
    if wanted.cursor is not None:
        beyond = "<" if back else ">"
        conditions.append(
            f"(event_ns {beyond} $cursor_ns OR (event_ns = $cursor_ns AND seq {beyond} $cursor_seq))"
        )
        values["cursor_ns"], values["cursor_seq"] = wanted.cursor
    for name, value in wanted.where.items():
        conditions.append(f'"{table.by_name[name].name}" = $is_{name}')
        values[f"is_{name}"] = value
    columns = ", ".join(f'"{name}"' for name in table.names)
    text = f"SELECT {columns} FROM {table.name}"
    text += f" WHERE {' AND '.join(conditions)}" if conditions else ""
    way = " DESC" if back else ""
    text += f" ORDER BY event_ns{way}, seq{way} LIMIT {wanted.limit + 1}"
    return _cut(history.sql(text, **values)[list(table.names)], wanted.limit)


def page_of_frame(rows: pd.DataFrame, wanted: Asked) -> Page:
    """A page from rows in memory.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 2, 3], "seq": [7, 8, 9]})
    >>> page = page_of_frame(rows, Asked(None, None, None, 2, False, {}))
    >>> page.rows["seq"].tolist(), page.next
    ([7, 8], '2.8')
    >>> page_of_frame(rows, Asked(None, None, (2, 8), 2, False, {})).rows["seq"].tolist()
    [9]
    """
    event, seq = rows["event_ns"].to_numpy(), rows["seq"].to_numpy()
    keep = np.ones(len(rows), dtype=bool)
    if wanted.start is not None:
        keep &= event >= wanted.start
    if wanted.end is not None:
        keep &= event < wanted.end
    if wanted.cursor is not None:
        at, number = wanted.cursor
        same = event == at
        keep &= (
            ((event < at) | (same & (seq < number)))
            if wanted.newest_first
            else ((event > at) | (same & (seq > number)))
        )
    for name, value in wanted.where.items():
        keep &= (rows[name] == value).to_numpy(dtype=bool, na_value=False)
    places = np.flatnonzero(keep)
    places = places[np.lexsort((seq[places], event[places]))]
    if wanted.newest_first:
        places = places[::-1]
    return _cut(rows.take(places[: wanted.limit + 1]).reset_index(drop=True), wanted.limit)


def _cut(rows: pd.DataFrame, limit: int) -> Page:
    """The first ``limit`` of the rows; the cursor stands between rows of different (event_ns, seq) only."""
    if len(rows) <= limit:
        return Page(rows, "")
    event, seq = rows["event_ns"].to_numpy(), rows["seq"].to_numpy()
    last = limit
    while last and event[last - 1] == event[last] and seq[last - 1] == seq[last]:
        last -= 1
    if not last:
        raise RequestError(
            422,
            "limit",
            f"more than {limit} rows share event_ns {event[0]} and seq {seq[0]}; ask for more at once",
        )
    return Page(rows.iloc[:last].reset_index(drop=True), f"{event[last - 1]}.{seq[last - 1]}")
