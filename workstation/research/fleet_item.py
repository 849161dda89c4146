"""One item of a fleet: a span of a store replayed with some parameters, and its signals evaluated."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr

from workstation.engines import EngineParameters, standard_engines
from workstation.history import History, folder_of, open_history
from workstation.market.digest import digest
from workstation.market.dividends import Dividend
from workstation.market.engine import Engine
from workstation.market.errors import HistoryError, in_words
from workstation.market.tables import TABLES
from workstation.research.evaluate import evaluate
from workstation.research.provenance import code_version
from workstation.research.replay import replay

PRICE_COLUMNS = {
    "trades": ("event_ns", "instrument", "price", "flags"),
    "quotes": ("event_ns", "instrument", "bid", "ask"),
}
MakeEngines = Callable[..., Sequence[Engine]]


def standard(
    *, dividends: Sequence[Sequence[Any]] = (), rates_of: str = "", **parameters: Any
) -> list[Engine]:
    """The standard engines with the keywords of ``standard_engines``, and what their American chains are priced with.

    Parameters
    ----------
    dividends
        (underlying, from when the stock is without it in UTC ns, cash per share), as
        ``single_dividends(read_dividends("dividends.csv"))`` gives them.
    rates_of
        The underlying whose European chain tells the rates, such as SPX.
    parameters
        Of ``standard_engines``.

    Examples
    --------
    >>> book = standard(dividends=[["AAPL", 1_780_000_000_000_000_000, 0.26]], rates_of="SPX")[1]
    >>> book.parameters.carry.dividends[0].cash, book.parameters.carry.rates_of
    (0.26, 'SPX')
    """
    if dividends or rates_of:
        carried = tuple(Dividend(str(name), int(ex_ns), float(cash)) for name, ex_ns, cash in dividends)
        parameters["parameters"] = EngineParameters(dividends=carried, rates_of=rates_of)
    return standard_engines(**parameters)


@dataclass(frozen=True)
class Item:
    """What one worker does at a time.

    Attributes
    ----------
    store
        Address of the history; every worker must reach it.
    start_ns, end_ns
        Bounds of event time, half-open.
    instruments
        Names; empty: all.
    parameters
        Keywords of ``engines``, as a JSON text so that items compare.
    engines
        A module's function that gives fresh engines.
    signals, prices, horizons, options
        What is evaluated (a derived table; empty: nothing) by which prices, and further keywords of ``evaluate``, as JSON.
    raw_rows
        Rows of each raw table in the span: a store that was added to makes another item.
    """

    store: str
    start_ns: int
    end_ns: int
    instruments: tuple[str, ...] = ()
    parameters: str = "{}"
    engines: MakeEngines = field(default=standard, compare=False)
    signals: str = "reversals"
    prices: str = "trades"
    horizons: tuple[str, ...] = ("1min", "5min", "15min", "60min")
    options: str = "{}"
    raw_rows: tuple[tuple[str, int], ...] = ()

    @property
    def digest(self) -> str:
        """What names its result: all of the above, and the code; 32 hexadecimal digits."""
        told = {name: value for name, value in asdict(self).items() if name != "engines"}
        told |= {"engines": f"{self.engines.__module__}:{self.engines.__qualname__}", "code": code_version()}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


class Result(NamedTuple):
    """What an item gave; ``error`` is empty when nothing failed."""

    digests: Mapping[str, str]
    """Derived table -> ``workstation.market.digest.digest`` of its rows."""
    rows: Mapping[str, int]
    signals: pd.DataFrame | None
    evaluation: xr.Dataset | None
    seconds: float
    error: str = ""


def work(item: Item) -> Result:
    """Replay and evaluate an item; what fails is told, never raised."""
    began = time.perf_counter()
    options: dict[str, Any] = {"mode": "r", "upkeep": False} if folder_of(item.store) else {}
    try:
        with open_history(item.store, **options) as history:
            made = _worked(item, history)
    except Exception as error:  # noqa: BLE001 - one item's fault must not stop the others; it is told in its result
        return Result({}, {}, None, None, time.perf_counter() - began, in_words(error))
    return made._replace(seconds=time.perf_counter() - began)


def _worked(item: Item, history: History) -> Result:
    chosen = Chosen(history, item.instruments)
    engines = item.engines(**json.loads(item.parameters))
    derived = replay(chosen, item.start_ns, item.end_ns, engines, progress=False)
    digests = {name: digest(rows) for name, rows in derived.items()}
    counts = {name: len(rows) for name, rows in derived.items()}
    if not item.signals:
        return Result(digests, counts, None, None, 0.0)
    if item.signals not in derived:
        raise HistoryError(f"the engines make no {item.signals}; they make {', '.join(sorted(derived))}")
    signals = derived[item.signals]
    evaluation = None
    if len(signals):
        prices = chosen.read(item.prices, item.start_ns, item.end_ns)[list(PRICE_COLUMNS[item.prices])]
        evaluation = evaluate(signals, prices, item.horizons, **json.loads(item.options))
    return Result(digests, counts, as_text(signals), evaluation, 0.0)


def as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Names and categories as text: codes of one process mean nothing in another."""
    coded = [name for name, kind in rows.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    return rows.astype(dict.fromkeys(coded, "str"))


class Chosen:
    """A history of which only some instruments are read."""

    def __init__(self, history: History, instruments: Sequence[str] = ()) -> None:
        self._history, self._instruments = history, list(instruments)

    def read(self, table: str, start: Any = None, end: Any = None) -> pd.DataFrame:
        """Rows with ``start <= event_ns < end``."""
        chosen = self._instruments if self._instruments and "instrument" in TABLES[table].by_name else None
        return self._history.read(table, start, end, chosen)

    def tables(self) -> pd.DataFrame:
        """Those of the history."""
        return self._history.tables()
