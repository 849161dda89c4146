"""Snapshots of chains on the timer: what the live exposure engines share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.exposure.priced import priced
from workstation.exposure.signs import check
from workstation.flow.taker_flow import TakerFlow
from workstation.market.tables import TABLES, Column
from workstation.market.tables.categories import category
from workstation.pricing.contracts import ContractArrays, Floats
from workstation.pricing.latest import LatestMarks
from workstation.pricing.timer import ChainTimer, ChainTimerParameters


@dataclass(frozen=True)
class ChainSnapshotsParameters(ChainTimerParameters):
    """Parameters of an engine that takes snapshots of chains on a timer; the timer's are ``ChainTimerParameters``'s.

    Attributes
    ----------
    sign_model, basis
        As for ``workstation.exposure.book.exposure``.
    """

    sign_model: str = "calls_long"
    basis: str = "open_interest"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.sign_model, self.basis)


_STR = pd.StringDtype(na_value=np.nan)
"""pandas' ``str``; looking it up by that name costs more than a column of one row."""


@dataclass(frozen=True)
class _Shown:
    underlying: str
    tick_ns: int
    rows: int
    columns: dict[str, Any]


class ChainSnapshots(ChainTimer[_Shown]):
    """Takes snapshots of chains on the event-time timer of ``ChainTimer``; a snapshot's ``event_ns`` is the tick."""

    inputs: ClassVar[tuple[str, ...]] = ("marks", "heartbeat", "quotes", "trades", "instruments")
    parameters: ChainSnapshotsParameters
    on_priced: Callable[[LatestMarks, ContractArrays], None] | None = None
    """Is told of every chain when it is priced, before its rows; what it is told must not be changed."""

    def __init__(self, parameters: ChainSnapshotsParameters, **changes: Any) -> None:
        self.parameters = replace(parameters, **changes)
        super().__init__(self.parameters)

    def _reset(self) -> None:
        super()._reset()
        self._flow = TakerFlow()

    @abstractmethod
    def _rows(self, contracts: ContractArrays, flow: Floats | None) -> dict[str, Any]:
        """Columns of one snapshot's rows, without stamp, underlying, sign model and basis; no rows = no snapshot."""

    @property
    def _absorbed(self) -> frozenset[str]:
        return frozenset({"trades"} if self.parameters.sign_model == "flow" else ())

    @property
    def _absorbed_freely(self) -> frozenset[str]:
        return frozenset()  # open interest that is published takes the place of the flow before it

    def _take(self, rows: pd.DataFrame, table: str) -> None:
        super()._take(rows, table)
        if self.parameters.sign_model == "flow" and table == "trades" and len(rows):
            self._flow.take(rows)

    def _taken(self, slots: npt.NDArray[Any]) -> None:
        if self.parameters.sign_model == "flow":
            published_ns = self._latest.published_ns[slots]
            order = np.argsort(published_ns, kind="stable")
            self._flow.published(self._latest.code[slots[order]], published_ns[order])

    def _look(self, underlying: str, tick_ns: int) -> _Shown:
        parameters = self.parameters
        found = priced(
            self._latest, underlying=underlying, asof_ns=tick_ns, stale_after_s=parameters.stale_after_s,
            carry=parameters.carry,
        )  # fmt: skip
        if self.on_priced is not None:
            self.on_priced(self._latest, found)
        flow = self._flow_of(found.codes) if self.parameters.sign_model == "flow" else None
        columns = self._rows(found, flow)
        return _Shown(underlying, tick_ns, len(next(iter(columns.values()))), columns)

    def _flow_of(self, codes: npt.NDArray[np.int64]) -> Floats:
        """Flow of each contract; of one that several venues list it stands once, at the first."""
        flow = self._flow.of(codes)
        _, first = np.unique(codes, return_index=True)
        if first.size == codes.size:
            return flow
        once = np.zeros_like(flow)
        once[first] = flow[first]
        return once

    def _expired(self, codes: npt.NDArray[np.int64]) -> None:
        super()._expired(codes)
        self._flow.forget(self._latest.code[codes])

    def _joined(self, looks: list[_Shown]) -> pd.DataFrame:
        shown, rows = looks, sum(part.rows for part in looks)
        if not rows:
            return _empty(self.output)
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
                columns[column.name] = _column(column, shown, counts)
        return table.assembled([columns[name] for name in table.names], rows)

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return {**super().snapshot(), "flow": self._flow.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        super().restore(state)
        self._flow.restore(state["flow"])


@lru_cache(maxsize=16)
def _empty(table: str) -> pd.DataFrame:
    return TABLES[table].empty()


def _column(column: Column, shown: list[_Shown], counts: list[int]) -> Any:
    """One column of all snapshots; a category is one word per snapshot, order and time of arrival are the hub's."""
    if column.name in ("seq", "seen_ns"):
        return np.zeros(sum(counts), dtype=np.int64)
    parts = [part.columns[column.name] for part in shown]
    if column.kind == "category":
        return _category([part[0] for part in parts], counts)
    if column.kind == "str":
        return pd.array([text for part in parts for text in part], dtype=_STR)
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return np.array(whole, dtype=column.dtype)


def _category(names: list[str], counts: list[int]) -> pd.Categorical:
    """Each name repeated as often as its count."""
    return category(names, np.arange(len(names)).repeat(counts))
