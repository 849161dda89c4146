"""The event-time timer under engines that look at whole chains: which underlying, when, from what state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.durations import nanoseconds
from workstation.market.engine import Engine, Reading
from workstation.market.instrument_terms import INSTRUMENT_TERMS, known
from workstation.market.tables import NO_TIME, TABLES
from workstation.market.tables.frames import array_of
from workstation.pricing.carry import CarryParameters
from workstation.pricing.fresh import STALE_AFTER_S
from workstation.pricing.latest import OPTION, TERMS, LatestMarks


@dataclass(frozen=True)
class ChainTimerParameters(CarryParameters):
    """Parameters of an engine that looks at chains on a timer; what American ones are priced with: ``CarryParameters``.

    Attributes
    ----------
    every
        Time between looks, anything ``pandas.Timedelta`` reads; ticks fall on its multiples in UTC.
    stale_after_s
        Contracts whose newest price or vol is older are left out and counted.
    underlyings
        Which ones; empty: all that marks arrive of.
    """

    every: str = "10s"
    stale_after_s: float = STALE_AFTER_S
    underlyings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.every_ns <= 0:
            raise ValueError(f"every must be a positive time, got {self.every!r}")
        if not self.stale_after_s > 0:
            raise ValueError(f"stale_after_s must be positive, got {self.stale_after_s!r}")

    @property
    def every_ns(self) -> int:
        """``every`` in nanoseconds."""
        return nanoseconds(self.every)


class TimerParameters(Protocol):
    """What the timer needs to know."""

    @property
    def every_ns(self) -> int: ...
    @property
    def stale_after_s(self) -> float: ...
    @property
    def underlyings(self) -> tuple[str, ...]: ...


_CHAIN_TABLES = ("marks", "quotes", "instruments")

Look = TypeVar("Look")
"""What a look at one underlying's chain gives, before the looks of a batch are joined."""


class ChainTimer(Engine, Generic[Look]):
    """Looks at chains on an event-time timer.

    The timer ticks at the multiples of ``every``. When a row moves the watermark (the running maximum of
    ``event_ns`` over all inputs) to or past a tick, the state before that row is looked at as of the tick. An underlying is looked at
    only if

    - marks of it arrived since the last look, or quotes of an option whose venue sends no marks: at the first tick after
      them, however many the row skips; or
    - a contract of it expired since, and its newest price is not older than ``stale_after_s``: at the first
      tick at or after the expiry.

    So a recording of sparse snapshots gives one look each, not one per tick of the gaps between them. Expired
    contracts are counted in the ledger of the look they first miss, then forgotten.
    """

    inputs: ClassVar[tuple[str, ...]] = ("marks", "heartbeat", "quotes", "instruments")

    def __init__(self, parameters: TimerParameters) -> None:
        self._timer = parameters
        self._every_ns = parameters.every_ns
        self._reset()

    def _reset(self) -> None:
        self._latest = LatestMarks(by_venue=True)
        self._watermark_ns = NO_TIME
        self._fresh: set[str] = set()

    @abstractmethod
    def _look(self, underlying: str, tick_ns: int) -> Look:
        """Look at one underlying's chain, in ``self._latest``, as of a tick."""

    @abstractmethod
    def _joined(self, looks: list[Look]) -> pd.DataFrame:
        """The conformed batch of all looks that a batch of input completed."""

    def _expired(self, codes: npt.NDArray[np.int64]) -> None:
        """Forget contracts whose expiry was shown."""
        self._latest.forget(codes)

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of one of ``inputs`` and give the rows of the looks they complete."""
        table = table or self.inputs[0]
        if table not in self.inputs:
            raise ValueError(f"{type(self).__name__} reads {', '.join(self.inputs)}, not {table!r}")
        looks: list[Look] = []
        if batch.shape[0]:
            start = 0
            crossings = self._crossings(array_of(batch, TABLES[table].places["event_ns"]))
            if crossings and table not in _CHAIN_TABLES and not self._holds_options():
                self._fresh.clear()  # all that a tick does without options
                crossings = []
            for row, first_ns, last_ns in crossings:
                if row > start:
                    self._take(batch.iloc[start:row], table)
                looks += self._tick(first_ns, last_ns)
                start = row
            self._take(batch.iloc[start:] if start else batch, table)
        return self._joined(looks)

    def reading(self, rows: Mapping[str, pd.DataFrame]) -> Reading:
        """Marks, instruments and quotes of options count in their order; what else there is moves the clock."""
        inert: dict[str, npt.NDArray[np.bool_] | bool] = {
            name: True for name in rows if name not in (*_CHAIN_TABLES, *self._absorbed)
        }
        if "quotes" in rows and not len(rows.get("instruments", ())):
            inert["quotes"] = self._latest.indifferent(rows["quotes"])
        return Reading(
            int(self._watermark_ns), self._every_ns, not self._holds_options(), inert, self._absorbed_freely
        )

    @property
    def _absorbed(self) -> frozenset[str]:
        """Tables beside those of the chain whose rows it takes in."""
        return frozenset()

    @property
    def _absorbed_freely(self) -> frozenset[str]:
        """Those of them whose rows meet the chain's at looks alone."""
        return self._absorbed

    def _holds_options(self) -> bool:
        return bool(((self._latest.kind == OPTION) & self._latest.seen).any())

    def _crossings(self, event_ns: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
        """Rows that move the watermark to or past a tick, with the first and the last tick they reach; moves it."""
        every, then = self._every_ns, self._watermark_ns
        then = int(event_ns[0]) if then == NO_TIME else then
        self._watermark_ns = max(int(event_ns.max()), then)
        if self._watermark_ns // every == then // every:
            return []
        watermark = np.maximum(np.maximum.accumulate(event_ns), then)
        before = np.append(then, watermark[:-1])
        crossed = np.flatnonzero(watermark // every > before // every)
        first, last = (before[crossed] // every + 1) * every, (watermark[crossed] // every) * every
        return list(zip(crossed.tolist(), first.tolist(), last.tolist(), strict=True))

    def _take(self, rows: pd.DataFrame, table: str) -> None:
        """Absorb rows of one of ``inputs``."""
        if not len(rows):
            return
        if table in ("marks", "quotes"):
            latest = self._latest
            slots = latest.take(rows) if table == "marks" else latest.take_quotes(rows)
            if not slots.size:
                return
            rows_of = np.bincount(latest.underlying[slots] + 1)[1:]
            self._fresh.update(latest.underlyings[place] for place in np.flatnonzero(rows_of))
            self._taken(slots)
        elif table == "instruments":
            self._latest.describe(terms_of(rows))

    def _taken(self, slots: npt.NDArray[Any]) -> None:
        """Something new is known of these slots of ``self._latest``."""

    def _tick(self, first_ns: int, last_ns: int) -> list[Look]:
        due: list[tuple[int, str, npt.NDArray[np.int64]]] = []
        for order, underlying in enumerate(self._latest.underlyings):
            if self._timer.underlyings and underlying not in self._timer.underlyings:
                continue
            options = self._options(order)
            if options.size:
                ticks = self._ticks(options, first_ns, last_ns, underlying in self._fresh)
                due += [(tick, underlying, options) for tick in ticks]
        self._fresh.clear()
        due.sort(key=lambda look: look[:2])
        looks = []
        for tick, underlying, options in due:
            looks.append(self._look(underlying, tick))
            expired = options[self._latest.expiry_ns[options] <= tick]
            if expired.size:
                self._expired(expired)
        return looks

    def _options(self, order: int) -> npt.NDArray[np.int64]:
        latest = self._latest
        return np.flatnonzero((latest.underlying == order) & (latest.kind == OPTION) & latest.seen)

    def _ticks(self, options: npt.NDArray[np.int64], first_ns: int, last_ns: int, fresh: bool) -> list[int]:
        """Ticks at which an underlying is looked at, however far the row skips: as if every tick had come by itself.

        What a look finds expired is forgotten, and its price no longer keeps the underlying alive at the ticks after it.
        """
        expiry_ns = self._latest.expiry_ns[options]
        ticks = np.maximum(-(-expiry_ns // self._every_ns) * self._every_ns, first_ns)
        due = sorted(set(ticks[expiry_ns <= last_ns].tolist()))
        if not due:
            return [first_ns] if fresh else []
        priced_ns, left = self._latest.priced_ns()[options], expiry_ns
        shown = []
        for tick in dict.fromkeys(([first_ns] if fresh else []) + due):
            newest = int(priced_ns.max(initial=NO_TIME))
            alive = newest > NO_TIME and tick <= newest + int(self._timer.stale_after_s * 1e9)
            if alive or (fresh and tick == first_ns):
                shown.append(tick)
                priced_ns, left = priced_ns[left > tick], left[left > tick]
        return shown

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return {
            "latest": self._latest.snapshot(),
            "watermark_ns": self._watermark_ns,
            "fresh": sorted(self._fresh),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._reset()
        self._latest.restore(state["latest"])
        self._watermark_ns = int(state["watermark_ns"])
        self._fresh = set(state["fresh"])


def terms_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Terms as the rows say of each instrument and venue, and as the registry knows where they do not."""
    rows = rows.drop_duplicates(["instrument", "venue"], keep="last", ignore_index=True)
    terms = INSTRUMENT_TERMS.describe(rows["instrument"])
    columns: dict[str, Any] = {"instrument": terms["instrument"], "venue": rows["venue"].astype("str")}
    for name in TERMS:
        said = zip(rows[name].tolist(), terms[name].tolist(), strict=True)
        columns[name] = pd.Series([own if known(own) else held for own, held in said], dtype=object)
    return pd.DataFrame(columns)
