"""Spikes: bursts of intensity, from their begin to their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import ScratchArrays, TickGroups
from workstation.indicators.batch.trade_batch import history, tell_late
from workstation.indicators.ticks import kernels
from workstation.indicators.ticks.engine import Made, TickEngine, stamped
from workstation.indicators.ticks.windows import Measured, TickWindowParameters, TickWindowSet
from workstation.numerics.state_arrays import Field, RowArrays
from workstation.numerics.typed_kernel import TypedKernel

START_NS, PEAK_NS, DIRECTION, OPEN = range(4)
PEAK, HEIGHT, THRESHOLD = range(3)
LEVELS = 3
SPIKE_SD = 3.0
"""Deviations above the baseline's mean at which a spike begins: rare in the baseline."""


@dataclass(frozen=True)
class SpikesParameters(TickWindowParameters):
    """Parameters of ``Spikes``: those of the tick windows, and where a spike begins and ends.

    Attributes
    ----------
    start_sd, end_sd
        Smoothed intensity above baseline mean + ``start_sd`` deviations begins a spike, under mean + ``end_sd`` ends it;
        3 is rare in the baseline, and the lower end keeps one burst from counting twice.
    """

    start_sd: float = SPIKE_SD
    end_sd: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.start_sd >= self.end_sd:
            raise ValueError(f"start_sd must be at least end_sd, got {self.start_sd} and {self.end_sd}")


class Burst(NamedTuple):
    """The spike under way of each instrument."""

    marks: npt.NDArray[np.int64]
    levels: npt.NDArray[np.float64]


class SpikeRules(NamedTuple):
    """Deviations above the baseline's mean at which a spike begins and ends."""

    start_sd: float
    end_sd: float


class Ended(NamedTuple):
    """Scratch for the spikes that end: the row that ends each, and what ``Burst`` held."""

    rows: npt.NDArray[np.int64]
    of: npt.NDArray[np.int64]
    ends_ns: npt.NDArray[np.int64]
    marks: npt.NDArray[np.int64]
    levels: npt.NDArray[np.float64]


@numba.njit(cache=True, nogil=True, inline="always", error_model="numpy")
def above_baseline(mean: float, sd: float, deviations: float) -> float:
    """The level so many deviations above the baseline's mean; NaN where the baseline is not known."""
    return mean + deviations * sd


@numba.njit(cache=True, nogil=True, error_model="numpy")
def find_spikes(
    ticks: TickGroups, event_ns: Any, path: Any, level: Any, rules: SpikeRules, state: Burst, ended: Ended
) -> int:
    """Follow the measured ticks of every group; write the spikes that end. Returns how many."""
    done = 0
    velocity, smoothed = path[kernels.OUT_VELOCITY], level[kernels.OUT_SMOOTHED]
    mean, sd, rows = level[kernels.OUT_MEAN], level[kernels.OUT_SD], ticks.rows
    for group in range(ticks.state_rows.size):
        r = ticks.state_rows[group]
        marks, levels = state.marks[r], state.levels[r]
        begun = marks[OPEN] != 0
        for tick in range(ticks.offsets[group], ticks.offsets[group + 1]):
            threshold = above_baseline(mean[tick], sd[tick], rules.start_sd)
            if not begun and not (sd[tick] > 0.0 and smoothed[tick] > threshold):
                continue
            now = event_ns[rows[tick]]
            if begun:
                now = max(now, marks[PEAK_NS])
                if smoothed[tick] < above_baseline(mean[tick], sd[tick], rules.end_sd):
                    ended.rows[done], ended.of[done], ended.ends_ns[done] = rows[tick], r, now
                    ended.marks[:, done], ended.levels[:, done] = marks, levels
                    begun = False
                    done += 1
                    continue
            else:
                begun = True
                marks[START_NS], levels[PEAK], levels[THRESHOLD] = now, -np.inf, threshold
            if smoothed[tick] > levels[PEAK]:
                marks[PEAK_NS], levels[PEAK] = now, smoothed[tick]
                levels[HEIGHT] = (smoothed[tick] - mean[tick]) / sd[tick] if sd[tick] > 0.0 else np.inf
                marks[DIRECTION] = int(np.sign(velocity[tick]))
        marks[OPEN] = begun
    return done


_FIND_SPIKES = TypedKernel(find_spikes)


class Spikes(TickEngine):
    """Live spikes: a row when a spike ends, ``event_ns`` its end.

    ``height_sd`` and ``direction`` (the sign of the move over the last N ticks) are those at the peak, against the baseline of
    that moment; ``threshold`` is the level that smoothed intensity crossed at its start. A spike that a gap cuts off gives no row.

    Examples
    --------
    >>> engine = Spikes(ticks=1, smoothing="sma", length=1, window=10)
    >>> steps = [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 9, 1]
    >>> from workstation.market.tables import TRADES
    >>> trades = TRADES.conform(pd.DataFrame({
    ...     "event_ns": np.arange(15) * 10**9, "instrument": "X", "price": np.exp(np.cumsum([0, *steps]) * 1e-4), "size": 1.0}))
    >>> engine.update(trades)[["start_ns", "end_ns", "height_sd", "peak", "direction"]].round(6).values.tolist()
    [[13000000000.0, 14000000000.0, 15.0, 9.0, 1.0]]
    """

    output: ClassVar[str] = "spikes"
    parameters: SpikesParameters

    def __init__(
        self, parameters: SpikesParameters | None = None, windows: TickWindowSet | None = None, **changes: Any
    ) -> None:
        super().__init__(parameters or SpikesParameters(), windows, **changes)

    def _reset(self) -> None:
        self._rules = SpikeRules(float(self.parameters.start_sd), float(self.parameters.end_sd))
        self._scratch = ScratchArrays(
            ("int64", 0), ("int64", 0), ("int64", 0), ("int64", 4), ("float64", LEVELS)
        )
        self._bursts = RowArrays(Burst, {"marks": Field(4, "int64"), "levels": Field(LEVELS)})

    def _take(self, trades: pd.DataFrame, measured: Sequence[Measured]) -> Made | None:
        ticks, path, level = measured[0].ticks, measured[0].path, measured[0].level
        ended = Ended(*self._scratch.of(ticks.rows.size))
        done = _FIND_SPIKES(
            ticks, self._reader.live(trades).event_ns, path, level,
            self._rules,
            self._bursts.make_room(len(self._windows.rows)), ended,
        )  # fmt: skip
        if not done:
            return None
        order = np.argsort(ended.rows[:done], kind="stable")
        of, ends = ended.of[:done][order], ended.ends_ns[:done][order]
        marks, levels = ended.marks[:, :done][:, order], ended.levels[:, :done][:, order]
        stacks: dict[str, npt.NDArray[Any]] = {
            "int64": stamped(ends, marks[START_NS], marks[PEAK_NS], ends),
            "float64": levels[[HEIGHT, PEAK, THRESHOLD]],
            "int8": marks[DIRECTION : DIRECTION + 1].astype(np.int8),
        }
        return Made(of, stacks, {})

    def _forget(self, rows: npt.NDArray[np.int64]) -> None:
        self._bursts.make_room(len(self._windows.rows))
        self._bursts.forget(rows)

    def _own_state(self) -> dict[str, Any]:
        rows = len(self._windows.rows)
        self._bursts.make_room(rows)
        return {"bursts": self._bursts.snapshot(rows)}

    def _restore_own(self, state: dict[str, Any]) -> None:
        self._bursts.restore(state["bursts"])


def spikes(trades: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Spikes of a whole history of trades.

    Parameters
    ----------
    trades
        Rows of the ``trades`` table; ``event_ns, instrument, price, size`` suffice. Any order: see ``history``.
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
    engine = Spikes(**parameters)
    rows = engine.update(history(trades))
    tell_late("spikes", engine.late)
    return rows
