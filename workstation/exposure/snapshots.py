"""The timer under the live exposure engines: which underlying is shown, when, and from what state."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.exposure.flow import TakerFlow
from workstation.exposure.priced import priced
from workstation.exposure.signs import check
from workstation.market.engine import Engine
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TABLES, Column
from workstation.pricing.contracts import STALE_AFTER_S, ContractArrays, Floats
from workstation.pricing.latest import OPTION, TERMS, LatestMarks


@dataclass(frozen=True)
class ChainSnapshotsParameters:
    """Parameters of an engine that takes snapshots of chains on a timer.

    Attributes
    ----------
    every
        Time between snapshots, anything ``pandas.Timedelta`` reads; ticks fall on its multiples in UTC.
    sign_model, basis
        As for ``workstation.exposure.book.exposure``.
    stale_after_s
        Contracts whose newest price or vol is older are left out and counted.
    underlyings
        Which ones; empty: all that marks arrive of.
    """

    every: str = "10s"
    sign_model: str = "calls_long"
    basis: str = "open_interest"
    stale_after_s: float = STALE_AFTER_S
    underlyings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self.sign_model, self.basis)
        if self.every_ns <= 0:
            raise ValueError(f"every must be a positive time, got {self.every!r}")
        if not self.stale_after_s > 0:
            raise ValueError(f"stale_after_s must be positive, got {self.stale_after_s!r}")

    @property
    def every_ns(self) -> int:
        """``every`` in nanoseconds."""
        return int(pd.Timedelta(self.every).as_unit("ns").value)


@dataclass(frozen=True)
class _Shown:
    underlying: str
    tick_ns: int
    rows: int
    columns: dict[str, Any]


class ChainSnapshots(Engine):
    """Takes snapshots of chains on an event-time timer.

    The timer ticks at the multiples of ``every``. When a row moves the watermark (the running maximum of
    ``event_ns`` over all inputs) to or past a tick, the state before that row is shown as of the tick; its
    ``event_ns`` is the tick. An underlying is shown at a tick only if

    - marks of it arrived since it was last shown: at the first tick after them, however many the row skips; or
    - a contract of it expired since, and its newest price is not older than ``stale_after_s``: at the first
      tick at or after the expiry.

    So a recording of sparse snapshots gives one group of rows each, not one per tick of the gaps between them. Expired contracts
    are counted in the ledger of the snapshot they first miss, then forgotten.
    """

    inputs: ClassVar[tuple[str, ...]] = ("marks", "heartbeat", "trades", "instruments")

    def __init__(self, parameters: ChainSnapshotsParameters, **changes: Any) -> None:
        self.parameters = replace(parameters, **changes)
        self._every_ns = self.parameters.every_ns
        self._reset()

    def _reset(self) -> None:
        self._latest = LatestMarks()
        self._flow = TakerFlow()
        self._watermark_ns = NO_TIME
        self._fresh: set[str] = set()

    @abstractmethod
    def _rows(self, contracts: ContractArrays, flow: Floats | None) -> dict[str, Any]:
        """Columns of one snapshot's rows, without stamp, underlying, sign model and basis; no rows = no snapshot."""

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of one of ``inputs`` and give the rows of the snapshots they complete."""
        table = table or self.inputs[0]
        if table not in self.inputs:
            raise ValueError(f"{type(self).__name__} reads {', '.join(self.inputs)}, not {table!r}")
        parts: list[_Shown] = []
        if len(batch):
            event_ns = batch["event_ns"].to_numpy()
            watermark = np.maximum(np.maximum.accumulate(event_ns), self._watermark_ns)
            before = np.concatenate(
                (watermark[:1] if self._watermark_ns == NO_TIME else [self._watermark_ns], watermark[:-1])
            )
            every = self._every_ns
            start = 0
            for row in np.flatnonzero(watermark // every > before // every):
                if row > start:
                    self._take(batch.iloc[start:row], table)
                parts += self._tick(
                    int(before[row] // every + 1) * every, int(watermark[row] // every) * every
                )
                start = int(row)
            self._take(batch.iloc[start:] if start else batch, table)
            self._watermark_ns = int(watermark[-1])
        return self._batch(parts)

    def _take(self, rows: pd.DataFrame, table: str) -> None:
        if not len(rows):
            return
        if table == "marks":
            codes = self._latest.take(rows)
            self._fresh |= {
                self._latest.underlyings[row] for row in np.unique(self._latest.underlying[codes]) if row >= 0
            }
            if self.parameters.sign_model == "flow":
                self._flow.published(codes, self._latest.published_ns[codes])
        elif table == "trades" and self.parameters.sign_model == "flow":
            self._flow.take(rows)
        elif table == "instruments":
            self._latest.describe(terms_of(rows))

    def _tick(self, first_ns: int, last_ns: int) -> list[_Shown]:
        due: list[tuple[int, str, npt.NDArray[np.int64]]] = []
        for order, underlying in enumerate(self._latest.underlyings):
            if self.parameters.underlyings and underlying not in self.parameters.underlyings:
                continue
            options = self._options(order)
            ticks = self._expiry_ticks(options, first_ns, last_ns)
            if underlying in self._fresh:
                ticks.add(first_ns)
            if options.size:
                due += [(tick, underlying, options) for tick in ticks]
        self._fresh.clear()
        due.sort(key=lambda snapshot: snapshot[:2])
        return [self._show(underlying, tick, options) for tick, underlying, options in due]

    def _options(self, order: int) -> npt.NDArray[np.int64]:
        latest = self._latest
        ours = np.flatnonzero((latest.underlying == order) & (latest.kind == OPTION))
        return ours[(latest.times[:, ours] > NO_TIME).any(axis=0)]

    def _expiry_ticks(self, options: npt.NDArray[np.int64], first_ns: int, last_ns: int) -> set[int]:
        every = self._every_ns
        expiry_ns = np.unique(self._latest.expiry_ns[options])
        ticks = np.maximum(-(-expiry_ns // every) * every, first_ns)
        newest = int(self._latest.priced_ns()[options].max(initial=NO_TIME))
        alive = newest + int(self.parameters.stale_after_s * 1e9) if newest > NO_TIME else NO_TIME
        return {int(tick) for tick in ticks[(ticks <= last_ns) & (ticks <= alive)]}

    def _show(self, underlying: str, tick_ns: int, options: npt.NDArray[np.int64]) -> _Shown:
        latest = self._latest
        found = priced(
            latest, underlying=underlying, asof_ns=tick_ns, stale_after_s=self.parameters.stale_after_s
        )
        flow = self._flow.of(found.codes) if self.parameters.sign_model == "flow" else None
        columns = self._rows(found, flow)
        expired = options[latest.expiry_ns[options] <= tick_ns]
        if expired.size:
            latest.forget(expired)
            self._flow.forget(expired)
        return _Shown(underlying, tick_ns, len(next(iter(columns.values()))), columns)

    def _batch(self, shown: list[_Shown]) -> pd.DataFrame:
        rows = sum(part.rows for part in shown)
        if not rows:
            return _empty(self.output).copy(deep=False)
        counts = [part.rows for part in shown]
        columns: dict[str, Any] = {
            "event_ns": np.repeat([part.tick_ns for part in shown], counts),
            "underlying": _category([part.underlying for part in shown], counts),
            "sign_model": _category([self.parameters.sign_model], [rows]),
            "basis": _category([self.parameters.basis], [rows]),
        }
        table = TABLES[self.output]
        for column in table.columns:
            if column.name not in columns:
                columns[column.name] = _joined(column, shown, counts)
        return table.assembled([columns[name] for name in table.names], rows)

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return {
            "latest": self._latest.snapshot(),
            "flow": self._flow.snapshot(),
            "watermark_ns": self._watermark_ns,
            "fresh": sorted(self._fresh),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._reset()
        self._latest.restore(state["latest"])
        self._flow.restore(state["flow"])
        self._watermark_ns = int(state["watermark_ns"])
        self._fresh = set(state["fresh"])


@lru_cache(maxsize=16)
def _empty(table: str) -> pd.DataFrame:
    return TABLES[table].empty()


def _joined(column: Column, shown: list[_Shown], counts: list[int]) -> Any:
    """One column of all snapshots; a category is one word per snapshot, order and time of arrival are the hub's."""
    if column.name in ("seq", "seen_ns"):
        return np.zeros(sum(counts), dtype=np.int64)
    parts = [part.columns[column.name] for part in shown]
    if column.kind == "category":
        return _category([part[0] for part in parts], counts)
    if column.kind == "str":
        return pd.array([text for part in parts for text in part], dtype="str")
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return np.array(whole, dtype=column.dtype)


def _category(names: list[str], counts: list[int]) -> pd.Categorical:
    """Each name repeated as often as its count."""
    known = list(dict.fromkeys(names))
    codes = np.repeat([known.index(name) for name in names], counts)
    return pd.Categorical.from_codes(codes, dtype=_category_dtype(tuple(known)), validate=False)


@lru_cache(maxsize=256)
def _category_dtype(names: tuple[str, ...]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.Index(names, dtype="str"))


def terms_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Terms as the rows say, and as the registry knows where they do not."""
    rows = rows.drop_duplicates("instrument", keep="last", ignore_index=True)
    terms = REGISTRY.describe(rows["instrument"].astype("str").tolist())
    for name in TERMS:
        own = rows[name].astype("object")
        known = own.notna() & (own != "") & (own != NO_TIME)
        terms[name] = terms[name].astype("object").where(~known, own)
    return terms
