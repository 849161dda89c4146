"""The same replay and evaluation over many days, instruments and parameters, on one core or on Dask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from workstation.feeds.tape.tape import ROWS
from workstation.history import History, folder_of, open_history
from workstation.history.history import Time, to_ns
from workstation.market.errors import HistoryError, unknown_name
from workstation.market.instants import DAY_NS
from workstation.market.tables import TABLES
from workstation.research.fleet_item import PRICE_COLUMNS, Item, MakeEngines, Result, standard, work
from workstation.research.fleet_results import Results
from workstation.research.progress import progress as progress_bar

SCHEDULERS = ("", "threads", "local", "tcp://host:port")
Span = tuple[Time, Time]


class Fleet:
    """What a fleet made: one row per item, and the results on disk.

    Attributes
    ----------
    frame
        start, end (UTC), instruments, parameters (JSON), rows and digest of the signals, ``error``, ``item`` (its digest).
    """

    def __init__(self, results: Results, items: Sequence[Item]) -> None:
        self._results, self._items = results, list(items)
        self.frame = pd.DataFrame([results.row(item) for item in items])

    @property
    def failures(self) -> dict[str, str]:
        """Item -> why it failed; run again, it is tried again."""
        failed = self.frame[self.frame["error"] != ""]
        return dict(zip(failed["item"], failed["error"], strict=True))

    def digests(self) -> dict[str, Mapping[str, str]]:
        """Item -> digest of each derived table."""
        return {item.digest: self._results.digests(item) for item in self._items if self._results.has(item)}

    def signals(self) -> pd.DataFrame:
        """Signals of all items in their order, with ``parameters``: to be evaluated together by ``workstation.evaluate``."""
        parts = [self._results.signals(item).assign(parameters=item.parameters) for item in self._done()]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def evaluation(self, item: str) -> xr.Dataset:
        """The evaluation of an item by its digest. ``HistoryError`` where it has none."""
        found = next((one for one in self._items if one.digest == item), None)
        if found is None:
            raise HistoryError(unknown_name("item", item, [one.digest for one in self._items]))
        return self._results.evaluation(found)

    def _done(self) -> Iterator[Item]:
        return (item for item in self._items if item.signals and self._results.has(item))

    def _repr_html_(self) -> str:
        return str(self.frame.to_html(index=False))


def days(start: Time, end: Time) -> list[tuple[int, int]]:
    """UTC days from ``start`` to ``end``, cut at both.

    >>> [(first // DAY_NS, (last - first) // 3_600_000_000_000) for first, last in days("1970-01-01 12:00", "1970-01-03")]
    [(0, 12), (1, 24)]
    """
    first, last = to_ns(start), to_ns(end)
    if first is None or last is None or first >= last:
        raise HistoryError(f"no day lies between {start!r} and {end!r}")
    edges = [first, *range((first // DAY_NS + 1) * DAY_NS, last, DAY_NS), last]
    return list(pairwise(edges))


def run(
    store: str | Path,
    spans: Iterable[Span],
    results: str | Path,
    *,
    instruments: Sequence[Sequence[str] | str | None] = (None,),
    parameters: Sequence[Mapping[str, Any]] = ({},),
    engines: MakeEngines = standard,
    signals: str = "reversals",
    prices: str = "trades",
    horizons: Sequence[str] = ("1min", "5min", "15min", "60min"),
    options: Mapping[str, Any] | None = None,
    scheduler: str = "",
    workers: int = 2,
    memory: str = "2GiB",
    progress: bool | None = None,
) -> Fleet:
    """Replay and evaluate every span with every choice of instruments and every set of parameters.

    Parameters
    ----------
    store
        Address of the history; every worker opens it to read.
    spans
        (start, end) pairs, half-open; ``days`` cuts a range. Each is an item of its own whose engines begin empty.
    results
        Folder of the results, one per item by the digest of all that makes it; what is there is not made again.
    instruments
        Choices of names, None for all.
    parameters
        Sets of keywords of ``engines``, of what JSON can say.
    engines
        A function of a module that gives fresh engines; default: the standard ones.
    signals, prices, horizons, options
        What is evaluated by which prices, as for ``workstation.evaluate``; no signals: replays and digests alone.
    scheduler
        Empty: one item after another in this process. ``threads``: Dask's threads. ``local``: Dask worker processes on this machine.
        ``tcp://host:port``: a Dask scheduler somewhere; its workers need the workstation and must reach the store.
    workers
        Of ``threads`` and ``local``; one item each at a time.
    memory
        Of a ``local`` worker: one that takes more is started anew, and its item given to another.
    progress
        None: a bar where somebody looks; False: none.

    Returns
    -------
    Fleet
        The same rows and digests whatever the scheduler. An item that failed says why and keeps no other from being made.

    Raises
    ------
    HistoryError
        No span, no such table or scheduler, or engines that a worker cannot import.
    """
    _check(engines, signals, prices, scheduler)
    items = _items(
        str(store), list(spans), instruments, parameters,
        Item(str(store), 0, 0, engines=engines, signals=signals, prices=prices, horizons=tuple(horizons), options=_said(options or {})),
    )  # fmt: skip
    kept = Results(Path(results))
    missing = [item for item in items if not kept.has(item)]
    with progress_bar("fleet", len(items), shown=progress) as bar:
        done = len(items) - len(missing)
        bar.tell(done)
        for item, result in _made(missing, scheduler, workers, memory):
            kept.keep(item, result)
            done += 1
            bar.tell(done, str(pd.Timestamp(item.start_ns)))
    return Fleet(kept, items)


def _check(engines: MakeEngines, signals: str, prices: str, scheduler: str) -> None:
    if signals and signals not in TABLES:
        raise HistoryError(
            unknown_name("table", signals, [name for name, one in TABLES.items() if not one.raw])
        )
    if prices not in PRICE_COLUMNS:
        raise HistoryError(unknown_name("table of prices", prices, PRICE_COLUMNS))
    if scheduler not in SCHEDULERS[:3] and "://" not in scheduler:
        raise HistoryError(unknown_name("scheduler", scheduler, SCHEDULERS[1:]))
    if "<" in engines.__qualname__ and scheduler not in ("", "threads"):
        raise HistoryError(
            f"engines: {engines.__qualname__} is of no module, so no worker can import it; def it in one"
        )


def _items(
    store: str,
    spans: Sequence[Span],
    instruments: Sequence[Sequence[str] | str | None],
    parameters: Sequence[Mapping[str, Any]],
    like: Item,
) -> list[Item]:
    if not spans:
        raise HistoryError("a fleet needs a span: [(start, end)], or fleet.days(start, end)")
    opened: dict[str, Any] = {"mode": "r", "upkeep": False} if folder_of(store) else {}
    with open_history(store, **opened) as history:
        bounds = [(_moment(start), _moment(end)) for start, end in spans]
        rows = {span: _raw_rows(history, *span) for span in bounds}
    names = [() if one is None else (one,) if isinstance(one, str) else tuple(one) for one in instruments]
    return [
        replace(
            like,
            start_ns=span[0],
            end_ns=span[1],
            instruments=some,
            parameters=_said(chosen),
            raw_rows=rows[span],
        )
        for span, some, chosen in product(bounds, names, parameters)
    ]


def _moment(when: Time) -> int:
    found = to_ns(when)
    if found is None:
        raise HistoryError("a span of a fleet has a start and an end")
    return found


def _said(values: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(values), sort_keys=True)
    except TypeError as error:
        raise HistoryError(f"{dict(values)!r} cannot be said in JSON: {error}") from error


def _raw_rows(history: History, start_ns: int, end_ns: int) -> tuple[tuple[str, int], ...]:
    found = []
    for table in sorted(set(ROWS) & history.table_names()):
        answer = history.sql(
            f"SELECT count(*) AS n FROM {table} WHERE event_ns >= $start AND event_ns < $end",
            start=start_ns,
            end=end_ns,
        )
        found.append((table, int(answer["n"].iloc[0])))
    return tuple(found)


def _made(items: Sequence[Item], scheduler: str, workers: int, memory: str) -> Iterator[tuple[Item, Result]]:
    """Results as they are made."""
    if not items:
        return
    if not scheduler:
        for item in items:
            yield item, work(item)
    elif scheduler == "threads":
        yield from _in_threads(items, workers)
    else:
        yield from _distributed(items, scheduler, workers, memory)


def _in_threads(items: Sequence[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    """A round of as many items as there are threads after another, so that what is done is kept."""
    from dask import delayed
    from dask.base import compute

    for at in range(0, len(items), workers):
        some = items[at : at + workers]
        made = compute(
            *(delayed(work, pure=False)(item) for item in some), scheduler="threads", num_workers=workers
        )
        yield from zip(some, made, strict=True)


def _distributed(
    items: Sequence[Item], scheduler: str, workers: int, memory: str
) -> Iterator[tuple[Item, Result]]:
    """On worker processes; an item whose worker dies is given to another."""
    from distributed import Client, LocalCluster, as_completed

    cluster = None
    if scheduler == "local":
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory,
            dashboard_address=None,
            host="127.0.0.1",
        )
    try:
        with Client(cluster or scheduler) as client:
            futures = {
                client.submit(work, item, pure=False, key=f"fleet-{item.digest}"): item for item in items
            }
            for future in as_completed(futures):
                yield futures[future], _result(future)
                future.release()
    finally:
        if cluster is not None:
            cluster.close()


def _result(future: Any) -> Result:
    error = future.exception()
    if error is not None:
        return Result({}, {}, None, None, 0.0, f"{type(error).__name__}: {error}")
    made: Result = future.result()
    return made
