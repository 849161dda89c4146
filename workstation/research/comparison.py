"""Derived rows of two runs compared: their digests, and the first difference in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.tape.recordings import Recording
from workstation.history.history import to_ns
from workstation.market.digest import UNDIGESTED, digest
from workstation.market.engine import Engine
from workstation.market.public_face import make_callable
from workstation.market.tables import TABLES
from workstation.research.replay import replay


class TableComparison(NamedTuple):
    """One derived table of two runs; ``difference`` is empty when their digests are equal."""

    table: str
    recorded_rows: int
    replayed_rows: int
    recorded_digest: str
    replayed_digest: str
    difference: str

    @property
    def equal(self) -> bool:
        """Whether both runs have the same rows."""
        return not self.difference


def comparison(
    history: Any,
    start: Any = None,
    end: Any = None,
    engines: Sequence[Engine] | None = None,
    tables: Sequence[str] = (),
) -> list[TableComparison]:
    """Replay a stretch of a history and compare with the derived rows that were recorded then.

    Parameters
    ----------
    history, start, end, engines, tables
        As ``replay`` takes them.

    Returns
    -------
    list
        One entry per derived table that either run has rows of, with ``start <= event_ns < end``, revisions included.

    Notes
    -----
    Engines of a replay begin empty at ``start``: where the recording run began earlier, rows that look back differ at first. Choose
    the start of the recording.
    """
    return compare(
        recorded_rows(history, start, end, _outputs(engines)),
        replay(history, start, end, engines, tables),
        start,
        end,
    )


def _outputs(engines: Sequence[Engine] | None) -> list[str]:
    if engines is None:
        from workstation.engines import standard_engines

        engines = standard_engines()
    return list(dict.fromkeys(engine.output for engine in engines))


def recorded_rows(
    history: Any, start: Any = None, end: Any = None, tables: Iterable[str] = ()
) -> dict[str, pd.DataFrame]:
    """Recorded rows of derived tables, every revision of them, in ``seq`` order.

    Parameters
    ----------
    history
        A history, or any recording with its ``read``.
    """
    first, last = to_ns(start), to_ns(end)
    return {name: _in_order(_every_revision(history, name, first, last)) for name in tables}


def _every_revision(history: Recording, table: str, start: int | None, end: int | None) -> pd.DataFrame:
    from workstation.history.history import History

    if isinstance(history, History):
        return history.read(table, start, end, revisions=True)
    return history.read(table, start, end)


def compare(
    recorded: Mapping[str, pd.DataFrame],
    replayed: Mapping[str, pd.DataFrame],
    start: Any = None,
    end: Any = None,
) -> list[TableComparison]:
    """Compare derived rows of two runs, table by table.

    Parameters
    ----------
    recorded, replayed
        Table name -> rows in ``seq`` order; those outside ``start <= event_ns < end`` are left out.

    Examples
    --------
    >>> one = {"spikes": pd.DataFrame({"event_ns": [1, 2], "instrument": "X", "peak": [3.0, 4.0]})}
    >>> two = {"spikes": one["spikes"].assign(peak=[3.0, 5.0])}
    >>> compare(one, two)[0].difference
    'row 2 of 2 (X, 1970-01-01 00:00:00.000000002): peak is 4.0 recorded, 5.0 replayed'
    """
    first, last = to_ns(start), to_ns(end)
    told = []
    for name in dict.fromkeys((*recorded, *replayed)):
        ours, theirs = (_inside(name, rows.get(name), first, last) for rows in (recorded, replayed))
        if not len(ours) and not len(theirs):
            continue
        digests = digest(ours), digest(theirs)
        difference = "" if digests[0] == digests[1] else first_difference(ours, theirs, TABLES[name].key)
        told.append(TableComparison(name, len(ours), len(theirs), *digests, difference))
    return told


def _inside(table: str, rows: pd.DataFrame | None, start: int | None, end: int | None) -> pd.DataFrame:
    if rows is None:
        return TABLES[table].empty()
    frame = TABLES[table].conform(rows)
    event_ns = frame["event_ns"].to_numpy()
    kept = np.ones(len(frame), dtype=bool)
    if start is not None:
        kept &= event_ns >= start
    if end is not None:
        kept &= event_ns < end
    return frame if kept.all() else TABLES[table].take(frame, np.flatnonzero(kept))


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("seq", kind="stable").reset_index(drop=True) if "seq" in rows else rows


def first_difference(recorded: pd.DataFrame, replayed: pd.DataFrame, key: Sequence[str] = ()) -> str:
    """The first row in which two runs differ, in words; empty when none does.

    Parameters
    ----------
    recorded, replayed
        Rows with the same columns, each in its order.
    key
        Columns that name a row, by which one that is missing is told from one that is changed.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 2], "instrument": "X", "price": [1.0, 2.0]})
    >>> first_difference(rows, rows.iloc[1:])
    'row 1 of 2 (X, 1970-01-01 00:00:00.000000001) is recorded and not replayed; X, 1970-01-01 00:00:00.000000002 comes in its place'
    >>> first_difference(rows.iloc[:1], rows)
    'row 2 of 2 (X, 1970-01-01 00:00:00.000000002) is replayed and not recorded'
    """
    common = min(len(recorded), len(replayed))
    columns = [name for name in recorded.columns if name not in UNDIGESTED]
    unequal = {name: _unequal(recorded[name], replayed[name], common) for name in columns}
    differing = (
        np.flatnonzero(np.any(list(unequal.values()), axis=0)) if common else np.empty(0, dtype=np.intp)
    )
    if not differing.size:
        if len(recorded) == len(replayed):
            return ""
        longer, words = (
            (recorded, "recorded and not replayed")
            if len(recorded) > common
            else (replayed, "replayed and not recorded")
        )
        return f"row {common + 1:,} of {len(longer):,} ({_named(longer, common)}) is {words}"
    at = int(differing[0])
    named = [name for name in key if name in columns] or [
        name for name in ("event_ns", "instrument") if name in columns
    ]
    if any(unequal[name][at] for name in named):
        return _missing(recorded, replayed, at, named)
    changes = [
        f"{name} is {_told(recorded[name].iloc[at])} recorded, {_told(replayed[name].iloc[at])} replayed"
        for name in columns
        if unequal[name][at]
    ]
    more = f", and {len(changes) - 4} columns more" if len(changes) > 4 else ""
    count = f"; {differing.size:,} rows differ" if differing.size > 1 else ""
    return (
        f"row {at + 1:,} of {len(recorded):,} ({_named(recorded, at)}): {'; '.join(changes[:4])}{more}{count}"
    )


def _missing(recorded: pd.DataFrame, replayed: pd.DataFrame, at: int, named: list[str]) -> str:
    if _comes_later(recorded, replayed, at, named):
        return f"row {at + 1:,} of {len(recorded):,} ({_named(recorded, at)}) is recorded and not replayed; {_named(replayed, at)} comes in its place"
    return f"row {at + 1:,} of {len(replayed):,} ({_named(replayed, at)}) is replayed and not recorded; {_named(recorded, at)} is recorded in its place"


def _comes_later(recorded: pd.DataFrame, replayed: pd.DataFrame, at: int, named: list[str]) -> bool:
    """Whether the replayed row at this place is recorded further on: then it is the recorded one that is missing."""
    same = np.ones(len(recorded) - at, dtype=bool)
    for name in named:
        same &= recorded[name].iloc[at:].to_numpy(dtype=object) == replayed[name].iloc[at]
    return bool(same.any())


def _unequal(ours: pd.Series[Any], theirs: pd.Series[Any], rows: int) -> npt.NDArray[np.bool_]:
    one, two = (column.iloc[:rows].to_numpy() for column in (ours, theirs))
    if one.dtype.kind in "iufb" and two.dtype.kind in "iufb":
        different = one != two
        if one.dtype.kind == "f":
            different &= ~(np.isnan(one) & np.isnan(two))
        return np.asarray(different)
    one, two = (column.iloc[:rows].astype(object).to_numpy(dtype=object) for column in (ours, theirs))
    missing = np.asarray(pd.isna(one)), np.asarray(pd.isna(two))
    return np.asarray(((one != two) & ~(missing[0] & missing[1])) | (missing[0] != missing[1]), dtype=bool)


def _named(rows: pd.DataFrame, at: int) -> str:
    """What a row is about and when."""
    row = rows.iloc[at]
    names = [
        str(row[name])
        for name in ("instrument", "underlying")
        if name in rows and not pd.isna(row[name]) and str(row[name])
    ]
    return ", ".join([*names[:1], str(pd.Timestamp(int(row["event_ns"])))])


def _told(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return repr(float(value))
    text = str(value)
    return repr(text if len(text) <= 80 else text[:77] + "...") if isinstance(value, str | bytes) else text


make_callable(__name__)
