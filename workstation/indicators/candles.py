"""Candles of trades, any length, many instruments at once."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators import candle_kernels as kernels
from workstation.indicators.candle_parameters import CandlesParameters, nanoseconds
from workstation.indicators.kept_trades import KeptTrades, TradeRows
from workstation.indicators.rows import nothing
from workstation.indicators.trade_columns import trade_columns
from workstation.market.engine import Engine
from workstation.market.instruments import REGISTRY
from workstation.market.tables import CANDLES, NO_TIME, TRADES


class Candles(Engine):
    """Live candles: a row when a candle is final, another when a cancel amends it.

    A candle is final when the watermark, the running maximum of ``event_ns`` over all trades of all instruments and
    heartbeats, reaches its end plus ``lateness``. Rows come out in the order in which they become final; those
    that become final at once by begin, then by the order in which their instruments first traded.

    A cancel (``TradeFlag.CANCEL`` with the ``trade_id`` of the trade it takes back) amends: an open candle in
    place, a final one by a row with the next ``revision``; all NaN and 0 when nothing is left of it.

    Attributes
    ----------
    late
        Trades that came after their candle was final: in no row.
    unmatched_cancels
        Cancels whose trade is not known, too old, or was late itself.

    Examples
    --------
    >>> engine = Candles(every="10s")
    >>> trades = TRADES.conform(pd.DataFrame({
    ...     "event_ns": [10**9, 2 * 10**9, 11 * 10**9], "instrument": "BTC/USD", "price": [5.0, 7.0, 6.0], "size": 1.0}))
    >>> engine.update(trades)[["event_ns", "open", "close", "volume", "closed"]].values.tolist()
    [[0, 5.0, 7.0, 2.0, True]]
    >>> engine.in_progress()[["event_ns", "open", "close", "volume", "closed"]].values.tolist()
    [[10000000000, 6.0, 6.0, 1.0, False]]
    """

    inputs: ClassVar[tuple[str, ...]] = ("trades", "heartbeat")
    output: ClassVar[str] = "candles"

    def __init__(self, parameters: CandlesParameters | None = None, **changes: Any) -> None:
        self.parameters = replace(parameters or CandlesParameters(), **changes)
        self.every_ns = self.parameters.every_ns
        self._lateness_ns = nanoseconds(self.parameters.lateness)
        self._within_ns = nanoseconds(self.parameters.cancels_within)
        self._reset()

    def _reset(self) -> None:
        self.late = 0
        self.unmatched_cancels = 0
        self._watermark_ns = int(NO_TIME)
        self._next_close = int(kernels.NEVER)
        self._instruments: list[int] = []
        self._row_of = np.empty(0, dtype=np.int32)
        self._slots = self._lateness_ns // self.every_ns + 2
        self._bars = np.full((0, kernels.BAR_FIELDS), kernels.VACANT)
        self._sums = np.zeros((0, kernels.SUM_FIELDS))
        self._kept = KeptTrades()
        self._frozen_bars = np.full((0, kernels.BAR_FIELDS), kernels.VACANT)
        self._frozen_sums = np.zeros((0, kernels.SUM_FIELDS))
        self._revisions: dict[tuple[int, int], int] = {}
        self._spare = _Done(0)

    # -- rows in, rows out --------------------------------------------------------------------------------

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take trades or heartbeats and give the candles they make final or amend."""
        table = table or self.inputs[0]
        if table not in self.inputs:
            raise ValueError(f"{type(self).__name__} reads {', '.join(self.inputs)}, not {table!r}")
        if not len(batch):
            return nothing(CANDLES)
        if table == "heartbeat":
            done = _Done(len(self._instruments) * self._slots)
            self._advance(int(batch["event_ns"].to_numpy().max()), done)
        else:
            done = self._fold(batch)
        self._forget()
        return self._frame(done, closed=True)

    def in_progress(self) -> pd.DataFrame:
        """Candles that are not final yet, ``closed`` False, by begin and first trade of their instrument."""
        places = np.flatnonzero(self._bars[:, kernels.NUMBER] != kernels.VACANT)
        places = places[np.argsort(self._bars[places, kernels.NUMBER], kind="stable")]
        done = _Done(places.size)
        done.of[:] = places // self._slots
        done.bars[:], done.sums[:], done.rows = self._bars[places], self._sums[places], places.size
        return self._frame(done, closed=False)

    def _fold(self, batch: pd.DataFrame) -> _Done:
        columns = trade_columns(batch)
        if columns.alone:
            of = np.full(columns.codes.size, self._rows_of(columns.codes[:1])[0], dtype=np.int32)
        else:
            of = self._rows_of(columns.codes)
        trades = TradeRows(
            of, columns.event_ns, columns.price, columns.size, columns.side, columns.flags, columns.trade_id,
            np.zeros(of.size, dtype=np.bool_),
        )  # fmt: skip
        if self._within_ns:
            self._kept.add(trades, columns.newest_ns)
        cancels = columns.cancels
        done = self._room(of.size + len(self._instruments) * self._slots + cancels.size)
        start = 0
        for cancel in cancels.tolist():
            self._fold_rows(trades, start, cancel, columns.alone, done)
            self._advance(int(columns.event_ns[cancel]), done)
            self._cancel(int(of[cancel]), str(trades.trade_id[cancel]), done)
            start = cancel + 1
        self._fold_rows(trades, start, of.size, columns.alone, done)
        return done

    def _room(self, rows: int) -> _Done:
        """Room for what a batch makes final; of batches that are not a whole history the same one again."""
        if rows > KEPT_ROOM:
            return _Done(rows)
        if rows > self._spare.of.size:
            self._spare = _Done(2 * rows)
        self._spare.clear()
        return self._spare

    def _fold_rows(self, trades: TradeRows, start: int, stop: int, alone: bool, done: _Done) -> None:
        if start == stop:
            return
        trades.counted[start:stop] = True
        self._watermark_ns, self._next_close, done.rows, late = kernels.fold_trades(
            trades.of, trades.event_ns, trades.price, trades.size, trades.side, trades.flags, start, stop, alone,
            self.every_ns, self._lateness_ns, self.parameters.volume_only, self.parameters.no_aggressor,
            self._bars, self._sums, self._slots, len(self._instruments), self._watermark_ns, self._next_close,
            trades.counted, done.of, done.bars, done.sums, done.rows,
        )  # fmt: skip
        self.late += late

    def _advance(self, event_ns: int, done: _Done) -> None:
        self._watermark_ns = max(self._watermark_ns, event_ns)
        if self._watermark_ns >= self._next_close:
            done.rows, self._next_close = kernels.close_bars(
                self._bars, self._sums, self._slots, len(self._instruments), self.every_ns, self._lateness_ns,
                self._watermark_ns, done.of, done.bars, done.sums, done.rows,
            )  # fmt: skip

    # -- cancels ------------------------------------------------------------------------------------------

    def _cancel(self, of: int, trade_id: str, done: _Done) -> None:
        """Take a trade back and make its candle anew."""
        event_ns = self._kept.take_back(of, trade_id, self._watermark_ns - self._within_ns)
        if event_ns is None:
            self.unmatched_cancels += 1
            return
        number = event_ns // self.every_ns
        left = self._kept.of_bar(of, number * self.every_ns, (number + 1) * self.every_ns)
        bar, sums = self._frozen_bars[of : of + 1].copy(), self._frozen_sums[of : of + 1].copy()
        if bar[0, kernels.NUMBER] != number:
            kernels.begin_bar(bar, sums, 0, number)
        kernels.fold_bar(
            left.event_ns, left.price, left.size, left.side, left.flags,
            self.parameters.volume_only, self.parameters.no_aggressor, bar, sums,
        )  # fmt: skip
        if (number + 1) * self.every_ns + self._lateness_ns > self._watermark_ns:
            place = of * self._slots + number % self._slots
            self._bars[place], self._sums[place] = bar[0], sums[0]
            if not bar[0, kernels.TRADES]:
                self._bars[place, kernels.NUMBER] = kernels.VACANT
            return
        revision = self._revisions[of, number] = self._revisions.get((of, number), 0) + 1
        done.add(of, bar[0], sums[0], revision)

    def _forget(self) -> None:
        """Let go of trades that no cancel can reach: what a candle needs of them is folded into its begun part."""
        if self._watermark_ns == NO_TIME or not len(self._kept):
            return
        reach_ns = self._watermark_ns - self._within_ns
        for gone in self._kept.forget(reach_ns):
            kernels.freeze_rows(
                gone.of, gone.event_ns, gone.price, gone.size, gone.side, gone.flags, gone.counted,
                self.every_ns, self.parameters.volume_only, self.parameters.no_aggressor,
                self._frozen_bars, self._frozen_sums,
            )  # fmt: skip
        if self._revisions:
            oldest = reach_ns // self.every_ns
            self._revisions = {key: n for key, n in self._revisions.items() if key[1] >= oldest}

    # -- instruments and frames ---------------------------------------------------------------------------

    def _rows_of(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """State row of each registry code; instruments not seen before get the next rows."""
        if self._row_of.size < len(REGISTRY):
            grown = np.full(len(REGISTRY) - self._row_of.size, -1, dtype=np.int32)
            self._row_of = np.concatenate((self._row_of, grown))
        of: npt.NDArray[np.int32] = self._row_of[codes]
        if of.size and of.min() < 0:
            new = pd.unique(codes[of < 0])
            self._admit(new.astype(np.int64).tolist())
            of = self._row_of[codes]
        return of

    def _admit(self, codes: list[int]) -> None:
        first = len(self._instruments)
        self._row_of[codes] = np.arange(first, first + len(codes), dtype=np.int32)
        self._instruments += codes
        if len(self._instruments) * self._slots > len(self._bars):
            more = max(len(self._instruments) * self._slots - len(self._bars), len(self._bars))
            vacant = np.full((more, kernels.BAR_FIELDS), kernels.VACANT)
            self._bars = np.concatenate((self._bars, vacant))
            self._sums = np.concatenate((self._sums, np.zeros((more, kernels.SUM_FIELDS))))
            self._frozen_bars = np.concatenate((self._frozen_bars, vacant))
            self._frozen_sums = np.concatenate((self._frozen_sums, np.zeros((more, kernels.SUM_FIELDS))))

    def _frame(self, done: _Done, *, closed: bool) -> pd.DataFrame:
        rows = done.rows
        if not rows:
            return nothing(CANDLES)
        bars, sums = done.bars[:rows], done.sums[:rows]
        codes = np.array(self._instruments, dtype=np.int32)[done.of[:rows]]
        size = sums[:, kernels.PRICED_SIZE]
        vwap = np.full(rows, np.nan)
        np.divide(sums[:, kernels.TURNOVER], size, out=vwap, where=size > 0)
        columns: dict[str, Any] = {
            "seq": np.zeros(rows, dtype=np.int64),
            "event_ns": bars[:, kernels.NUMBER] * self.every_ns,
            "seen_ns": np.zeros(rows, dtype=np.int64),
            "instrument": REGISTRY.categorical(codes),
            "every_ns": np.full(rows, self.every_ns),
            **{name: np.ascontiguousarray(sums[:, place]) for name, place in _SUM_COLUMNS.items()},
            "vwap": vwap,
            "trades": np.ascontiguousarray(bars[:, kernels.TRADES]),
            "revision": done.revision[:rows].copy(),
            "closed": np.full(rows, closed),
        }
        return CANDLES.assembled([columns[name] for name in CANDLES.names], rows)

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state; instruments by name."""
        places = len(self._instruments) * self._slots
        revisions = [[*key, n] for key, n in self._revisions.items()]
        return {
            "parameters": asdict(self.parameters),
            "instruments": REGISTRY.names(self._instruments).tolist(),
            "bars": self._bars[:places].copy(),
            "sums": self._sums[:places].copy(),
            "watermark_ns": self._watermark_ns,
            "next_close": self._next_close,
            "late": self.late,
            "unmatched_cancels": self.unmatched_cancels,
            "kept": self._kept.snapshot(),
            "frozen_bars": self._frozen_bars[: len(self._instruments)].copy(),
            "frozen_sums": self._frozen_sums[: len(self._instruments)].copy(),
            "revisions": np.array(revisions, dtype=np.int64).reshape(-1, 3),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()`` of an engine with the same parameters."""
        if state["parameters"] != asdict(self.parameters):
            raise ValueError(
                f"the snapshot is of {state['parameters']}, this engine has {asdict(self.parameters)}"
            )
        self._reset()
        codes = REGISTRY.codes(state["instruments"])
        self._rows_of(codes)
        places = codes.size * self._slots
        self._bars[:places], self._sums[:places] = state["bars"], state["sums"]
        self._watermark_ns, self._next_close = int(state["watermark_ns"]), int(state["next_close"])
        self.late, self.unmatched_cancels = int(state["late"]), int(state["unmatched_cancels"])
        self._kept = KeptTrades.of(state["kept"])
        self._frozen_bars[: codes.size], self._frozen_sums[: codes.size] = (
            state["frozen_bars"],
            state["frozen_sums"],
        )
        self._revisions = {(int(of), int(number)): int(n) for of, number, n in state["revisions"]}


KEPT_ROOM = 100_000
"""Rows up to which the room for what comes out is kept for the next batch."""
_SUM_COLUMNS = {
    "open": kernels.OPEN,
    "high": kernels.HIGH,
    "low": kernels.LOW,
    "close": kernels.CLOSE,
    "volume": kernels.VOLUME,
    "buy_volume": kernels.BUY_VOLUME,
    "sell_volume": kernels.SELL_VOLUME,
}


class _Done:
    """Room for bars that come out."""

    def __init__(self, room: int) -> None:
        self.rows = 0
        self.revised = False
        self.of = np.empty(room, dtype=np.int64)
        self.bars = np.empty((room, kernels.BAR_FIELDS), dtype=np.int64)
        self.sums = np.empty((room, kernels.SUM_FIELDS))
        self.revision = np.zeros(room, dtype=np.int32)

    def add(self, of: int, bar: npt.NDArray[np.int64], sums: npt.NDArray[np.float64], revision: int) -> None:
        self.of[self.rows], self.bars[self.rows], self.sums[self.rows] = of, bar, sums
        self.revision[self.rows] = revision
        self.rows += 1
        self.revised = self.revised or revision > 0

    def clear(self) -> None:
        """As if new."""
        self.rows = 0
        if self.revised:
            self.revision[:] = 0
            self.revised = False


def candles(trades: pd.DataFrame, every: str = "10s", **parameters: Any) -> pd.DataFrame:
    """Candles of a whole history of trades.

    Parameters
    ----------
    trades
        Rows of the ``trades`` table in the order they arrived; ``event_ns, instrument, price, size`` suffice.
    every
        Length, such as ``"1s"``, ``"1min"``, ``"1h"``.
    **parameters
        The others of ``CandlesParameters``.

    Returns
    -------
    pandas.DataFrame
        Rows of the ``candles`` table as ``Candles`` gives them, then those still in progress (``closed`` False).
        NaN in prices: all trades of the candle count as volume only. A candle amended by a cancel after it was
        final has several rows; the highest ``revision`` is the truth.

    Raises
    ------
    TableError
        ``trades`` do not fit their table.

    Examples
    --------
    >>> trades = pd.DataFrame({
    ...     "event_ns": [10**9, 2 * 10**9, 11 * 10**9], "instrument": "BTC/USD", "price": [5.0, 7.0, 6.0], "size": 1.0})
    >>> candles(trades, every="10s")[["open", "high", "low", "close", "closed"]].values.tolist()
    [[5.0, 7.0, 5.0, 7.0, True], [6.0, 6.0, 6.0, 6.0, False]]
    """
    engine = Candles(every=every, **parameters)
    final = engine.update(TRADES.conform(trades))
    return CANDLES.concat([final, engine.in_progress()])
