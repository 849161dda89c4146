"""What the engines over tick windows share: how rows reach them, parameters, state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import TickGroups
from workstation.indicators.batch.instrument_state import nothing
from workstation.indicators.ticks.windows import Measured, TickWindowParameters, TickWindows, TickWindowSet
from workstation.market.engine import Beats, Engine
from workstation.market.instruments import REGISTRY
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import rows_of


class Made(NamedTuple):
    """Rows that an engine has to give.

    ``of``: the state row of each one's instrument; ``stacks``, ``others``: as ``Table.stacked`` takes them, without the
    instrument. Of the ``int64`` the first three are ``seq`` (0), ``event_ns`` and ``seen_ns`` (0).
    """

    of: npt.NDArray[np.int64]
    stacks: dict[str, npt.NDArray[Any]]
    others: dict[str, Any]


def stamped(event_ns: npt.NDArray[np.int64], *further: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The ``int64`` columns of rows at ``event_ns`` (n,), shape (3 or more, n)."""
    columns = np.zeros((3 + len(further), event_ns.size), dtype=np.int64)
    columns[1] = event_ns
    for position, values in enumerate(further, 3):
        columns[position] = values
    return columns


class Follower:
    """Windows that an engine follows, and how far it has: what they make of a batch they make once for all who follow."""

    def __init__(self, windows: TickWindows) -> None:
        self.windows = windows
        self._position: int = windows.step.position

    def take(self, batch: pd.DataFrame, step: Callable[[pd.DataFrame], Any]) -> Any:
        """What the windows make of a batch, or made of it for another."""
        result = self.windows.step.take(batch, self._position, step)
        self._position = self.windows.step.position
        return result

    def restored(self) -> None:
        """The windows go on from a snapshot."""
        self._position = self.windows.step.position


class TickEngine(Engine):
    """An engine over the ticks of trades.

    Reads ``health`` too: a gap, a stale or a lost feed (``TickWindowParameters.breaks``) empties the windows of the
    instruments it concerns, so that no row speaks across it; ``readiness()`` tells which are filling and why.

    Parameters
    ----------
    parameters, **changes
        What is measured, and changes of it.
    windows
        The windows of engines that get the same batches in the same order: what several measure is measured once.

    Attributes
    ----------
    ahead
        Trades set aside because they are dated after they were received, see ``TradeReader.live``.
    """

    inputs: ClassVar[tuple[str, ...]] = ("trades", "heartbeat", "health")

    def __init__(
        self, parameters: TickWindowParameters, windows: TickWindowSet | None = None, **changes: Any
    ) -> None:
        self.parameters = replace(parameters, **changes)
        windows = windows or TickWindowSet()
        self._reader = windows.reader
        self._followed = tuple([Follower(windows.of(measured)) for measured in self._windows_parameters()])
        for followed in self._followed:
            followed.windows.sampled_every(self._every_ns)
        self._windows: TickWindows = self._followed[0].windows
        self._schema = table_named(self.output)
        self.ahead = 0
        self._reset()

    @property
    def late(self) -> int:
        """Ticks too old to count."""
        return self._windows.paths.late

    @property
    def unpriced(self) -> int:
        """Ticks whose price was not positive and finite."""
        return self._windows.paths.unpriced

    def beats(self, rows: Mapping[str, pd.DataFrame]) -> Beats:
        """Heartbeats that the next trade reaches, if it counts, unless rows of two moments would come at once."""
        trades = rows.get("trades")
        reaching = {} if trades is None else {"trades": self._reader.counts(trades)}
        event_ns = np.empty(0, dtype=np.int64) if trades is None else trades["event_ns"].to_numpy()
        return Beats(reaching, self._dues_ns(event_ns))

    def _dues_ns(self, event_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
        """When rows fall due that no trade brings about, given the times of trades to come; None: they come in one order anyway."""
        return None

    def heeds(self, event: str) -> bool:
        """Whether ``health`` rows of this event empty windows."""
        return event in self.parameters.breaks

    def readiness(self) -> pd.DataFrame:
        """Instrument by instrument: ticks taken, needed, ready, reset_ns, reset_reason."""
        return self._windows.readiness()

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take trades, heartbeats or health rows and give the rows they complete."""
        result: Made | None = None
        if not rows_of(batch):
            return nothing(self._schema)
        if table == "trades":
            columns = self._reader.live(batch)
            self.ahead += columns.ahead
            if not columns.event_ns.size:
                return nothing(self._schema)
            result = self._take(
                batch,
                [followed.take(batch, self._measure_by(followed.windows)) for followed in self._followed],
            )
        elif table == "heartbeat":
            result = self._beat(int(batch["event_ns"].to_numpy().max()))
        else:
            concerned = [followed.take(batch, followed.windows.apply_health) for followed in self._followed]
            if concerned[0].size:  # of all the same: their paths are one
                self._forget(concerned[0])
        return self._frame(result) if result is not None else nothing(self._schema)

    @cached_property
    def _every_ns(self) -> int:
        """In what interval of time one tick of an instrument is looked at; 0: every tick."""
        return 0

    def _windows_parameters(self) -> Sequence[TickWindowParameters]:
        """Those of the windows it follows, which have their paths in common; the first are the engine's own."""
        return (self.parameters,)

    def _measure_by(self, windows: TickWindows) -> Callable[[pd.DataFrame], Measured]:
        return lambda trades: windows.take(trades, self._wanted)

    def _wanted(self, trades: pd.DataFrame, ticks: TickGroups) -> npt.NDArray[np.bool_]:
        """Of each tick whether it is looked at, where not every one is."""
        raise TypeError(f"{type(self).__name__} looks at every tick")

    def _frame(self, made: Made) -> pd.DataFrame:
        """A conformed frame."""
        rows = made.of.size
        if not rows:
            return nothing(self._schema)
        made.others["instrument"] = REGISTRY.categorical(self._windows.rows.codes[made.of])
        return self._schema.stacked(made.stacks, made.others, rows)

    @abstractmethod
    def _take(self, trades: pd.DataFrame, measured: Sequence[Measured]) -> Made | None:
        """Rows that a batch of trades completes, with what each of the windows gives."""

    def _beat(self, event_ns: int) -> Made | None:
        """Rows that a heartbeat completes."""
        return None

    @abstractmethod
    def _forget(self, rows: npt.NDArray[np.int64]) -> None:
        """Drop what is under way of these state rows."""

    @abstractmethod
    def _reset(self) -> None:
        """Begin anew."""

    @abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """State in addition to the windows."""

    @abstractmethod
    def _restore_own(self, state: dict[str, Any]) -> None:
        """Go on from ``_own_state()``; the windows are restored already."""

    def snapshot(self) -> dict[str, Any]:
        """The whole state; instruments by name."""
        return {
            "windows": [followed.windows.snapshot() for followed in self._followed],
            "own": self._own_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()`` of an engine with the same parameters."""
        for followed, held in zip(self._followed, state["windows"], strict=True):
            followed.windows.restore(held)
        for followed in self._followed:
            followed.restored()
        self._reset()
        self._restore_own(state["own"])
