"""Spikes: bursts of intensity, from their begin to their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators import tick_kernels as kernels
from workstation.indicators.rows import Field, RowArrays
from workstation.indicators.tick_engine import TickEngine
from workstation.indicators.tick_windows import Measured, TickWindowParameters
from workstation.market.tables import TRADES
from workstation.market.tables.frames import array_of

START_NS, PEAK_NS, DIRECTION, OPEN = range(4)
PEAK, HEIGHT = range(2)


@dataclass(frozen=True)
class SpikesParameters(TickWindowParameters):
    """Parameters of ``Spikes``: those of the tick windows, and where a spike begins and ends.

    Attributes
    ----------
    start_sd, end_sd
        Smoothed intensity above baseline mean + ``start_sd`` deviations begins a spike, under mean + ``end_sd`` ends it;
        3 is rare in the baseline, and the lower end keeps one burst from counting twice.
    """

    start_sd: float = 3.0
    end_sd: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.start_sd >= self.end_sd:
            raise ValueError(f"start_sd must be at least end_sd, got {self.start_sd} and {self.end_sd}")


class Burst(NamedTuple):
    """The spike under way of each instrument."""

    marks: Any
    levels: Any


@numba.njit(cache=True, nogil=True, error_model="numpy")
def find_spikes(
    owners: Any, event_ns: Any, rows: Any, values: Any, start_sd: float, end_sd: float, state: Burst,
    of_out: Any, marks_out: Any, levels_out: Any, end_out: Any,
) -> int:  # fmt: skip
    """Follow measured ticks; write the spikes that end. Returns how many."""
    done = 0
    marks, levels = state.marks, state.levels
    for place in range(rows.size):
        r, now = owners[place], event_ns[rows[place]]
        smoothed, mean = values[kernels.OUT_SMOOTHED, place], values[kernels.OUT_MEAN, place]
        sd = values[kernels.OUT_SD, place]
        if marks[r, OPEN]:
            now = max(now, marks[r, PEAK_NS])
            if smoothed < mean + end_sd * sd:
                of_out[done], marks_out[done], levels_out[done], end_out[done] = r, marks[r], levels[r], now
                marks[r, OPEN] = 0
                done += 1
        elif sd > 0.0 and smoothed > mean + start_sd * sd:
            marks[r, OPEN], marks[r, START_NS], levels[r, PEAK] = 1, now, -np.inf
        if marks[r, OPEN] and smoothed > levels[r, PEAK]:
            marks[r, PEAK_NS], levels[r, PEAK] = now, smoothed
            levels[r, HEIGHT] = (smoothed - mean) / sd if sd > 0.0 else np.inf
            marks[r, DIRECTION] = int(np.sign(values[kernels.OUT_VELOCITY, place]))
    return done


class Spikes(TickEngine):
    """Live spikes: a row when a spike ends, ``event_ns`` its end.

    ``height_sd`` and ``direction`` (the sign of the move over the last N ticks) are those at the peak, against the baseline of
    that moment. A spike that a gap cuts off gives no row.

    Examples
    --------
    >>> engine = Spikes(ticks=1, smoothing="sma", length=1, window=10)
    >>> steps = [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 9, 1]
    >>> trades = TRADES.conform(pd.DataFrame({
    ...     "event_ns": np.arange(15) * 10**9, "instrument": "X", "price": np.exp(np.cumsum([0, *steps]) * 1e-4), "size": 1.0}))
    >>> engine.update(trades)[["start_ns", "end_ns", "height_sd", "peak", "direction"]].round(6).values.tolist()
    [[13000000000.0, 14000000000.0, 15.0, 9.0, 1.0]]
    """

    output: ClassVar[str] = "spikes"
    parameters: SpikesParameters

    def __init__(
        self, parameters: SpikesParameters | None = None, beside: TickEngine | None = None, **changes: Any
    ) -> None:
        super().__init__(parameters or SpikesParameters(), beside, **changes)

    def _reset(self) -> None:
        self._bursts = RowArrays(Burst, {"marks": Field(4, "int64"), "levels": Field(2)})

    def _take(self, trades: pd.DataFrame, measured: Measured) -> dict[str, Any]:
        room = measured.rows.size
        of, ends = np.empty(room, np.int32), np.empty(room, np.int64)
        marks, levels = np.empty((room, 4), np.int64), np.empty((room, 2))
        done = find_spikes(
            measured.owners, array_of(trades, _EVENT_PLACE), measured.rows, measured.values,
            float(self.parameters.start_sd), float(self.parameters.end_sd),
            self._bursts.make_room(len(self._windows.rows)), of, marks, levels, ends,
        )  # fmt: skip
        return {
            "of": of[:done],
            "event_ns": ends[:done],
            "start_ns": marks[:done, START_NS].copy(),
            "peak_ns": marks[:done, PEAK_NS].copy(),
            "end_ns": ends[:done].copy(),
            "height_sd": levels[:done, HEIGHT].copy(),
            "peak": levels[:done, PEAK].copy(),
            "direction": marks[:done, DIRECTION].astype(np.int8),
        }

    def _forget(self, rows: npt.NDArray[np.int64]) -> None:
        self._bursts.make_room(len(self._windows.rows))
        self._bursts.forget(rows)

    def _own_state(self) -> dict[str, Any]:
        rows = len(self._windows.rows)
        self._bursts.make_room(rows)
        return {"bursts": self._bursts.snapshot(rows)}

    def _restore_own(self, state: dict[str, Any]) -> None:
        self._bursts.restore(state["bursts"])


_EVENT_PLACE = TRADES.names.index("event_ns")


def spikes(trades: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Spikes of a whole history of trades.

    Parameters
    ----------
    trades
        Rows of the ``trades`` table in the order they arrived; ``event_ns, instrument, price, size`` suffice.
    **parameters
        ``SpikesParameters``.

    Returns
    -------
    pandas.DataFrame
        Rows of the ``spikes`` table, one per spike that has ended.

    Raises
    ------
    TableError
        ``trades`` do not fit their table.
    ValueError
        A parameter that cannot be.

    Examples
    --------
    >>> quiet = pd.DataFrame({"event_ns": np.arange(50) * 10**9, "instrument": "X", "price": 1.0, "size": 1.0})
    >>> len(spikes(quiet, ticks=2, window=10))
    0
    """
    return Spikes(**parameters).update(TRADES.conform(trades))
