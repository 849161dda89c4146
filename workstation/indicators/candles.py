"""Candles of trades, any length, many instruments at once."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators import candle_kernels as kernels
from workstation.indicators.candle_parameters import CandlesParameters, nanoseconds
from workstation.indicators.candle_rows import CandleRows
from workstation.indicators.kept_trades import KeptTrades, OpenBars, TradeRows
from workstation.indicators.rows import nothing
from workstation.indicators.trade_columns import TradeColumns, trade_columns
from workstation.indicators.traded_order import NOBODY, order_of
from workstation.market.engine import Engine
from workstation.market.instruments import REGISTRY
from workstation.market.tables import CANDLES, NO_TIME, TRADES
from workstation.market.tables.frames import STACKED_ROWS


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
        self._order = NOBODY
        self._slots = self._lateness_ns // self.every_ns + 2
        self._bars = np.full((0, kernels.BAR_FIELDS), kernels.VACANT)
        self._sums = np.zeros((0, kernels.SUM_FIELDS))
        self._kept = KeptTrades()
        self._revisions: dict[tuple[int, int], int] = {}
        self._spare = CandleRows(0)

    # -- rows in, rows out --------------------------------------------------------------------------------

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take trades or heartbeats and give the candles they make final or amend."""
        table = table or self.inputs[0]
        if table not in self.inputs:
            raise ValueError(f"{type(self).__name__} reads {', '.join(self.inputs)}, not {table!r}")
        if not len(batch):
            return nothing(CANDLES)
        if table == "heartbeat":
            done = CandleRows(self._order.size * self._slots)
            self._advance(int(batch["event_ns"].to_numpy().max()), done)
        else:
            done = self._fold(batch)
        self._forget()
        return done.frame(self._order.codes, self.every_ns, done.rows)

    def in_progress(self) -> pd.DataFrame:
        """Candles that are not final yet, ``closed`` False, by begin and first trade of their instrument."""
        done = CandleRows(self._order.size * self._slots)
        self._put_open(done)
        return done.frame(self._order.codes, self.every_ns, 0)

    def whole(self, trades: pd.DataFrame) -> pd.DataFrame:
        """Take a batch of trades and give the candles it makes final or amends, then those in progress."""
        if not len(trades):
            return self.in_progress()
        done = self._fold(trades)
        final = done.rows
        self._put_open(done)
        self._forget()
        return done.frame(self._order.codes, self.every_ns, final)

    def _put_open(self, done: CandleRows) -> None:
        done.rows = kernels.put_open_bars(
            self._bars, self._sums, self._slots, self._order.size, done.numbers, done.values, done.rows
        )

    def _fold(self, batch: pd.DataFrame) -> CandleRows:
        columns = trade_columns(batch)
        order, of = self._order.rows(columns)
        if order is not self._order:
            self._order = order
            self._make_room()
        trades = TradeRows(
            of, columns.event_ns, columns.price, columns.size, columns.side, columns.flags, columns.trade_id
        )
        if self._within_ns:
            due = self._kept.is_mark_due(columns.newest_ns, self._within_ns)
            self._kept.add(trades, columns.newest_ns, self._open_bars() if due else None)
        rows, cancels = columns.event_ns.size, columns.cancels
        bars = order.size * (columns.newest_ns // self.every_ns - columns.oldest_ns // self.every_ns + 1)
        done = self._room(min(rows, bars) + order.size * self._slots + cancels.size)
        counted = None
        if cancels.size and self._within_ns:
            counted = np.zeros(rows, dtype=np.bool_)
            self._kept.uncount(counted)
        start = 0
        for cancel in cancels.tolist():
            self._fold_rows(columns, of, start, cancel, counted, done)
            self._advance(int(columns.event_ns[cancel]), done)
            self._cancel(int(of[cancel] if of.size > 1 else of[0]), str(columns.trade_id[cancel]), done)
            start = cancel + 1
        self._fold_rows(columns, of, start, rows, counted, done)
        return done

    def _room(self, rows: int) -> CandleRows:
        """Room for what a batch makes final; of batches that are not a whole history the same one again."""
        if rows > STACKED_ROWS:
            return CandleRows(rows)
        if rows > self._spare.room:
            self._spare = CandleRows(min(2 * rows, STACKED_ROWS))
        self._spare.clear()
        return self._spare

    def _fold_rows(
        self, columns: TradeColumns, of: npt.NDArray[np.int32], start: int, stop: int,
        counted: npt.NDArray[np.bool_] | None, done: CandleRows,
    ) -> None:  # fmt: skip
        """Fold rows; ``counted`` where it has to be told which of them are in a candle."""
        if start == stop:
            return
        before_ns = self._watermark_ns
        self._watermark_ns, self._next_close, done.rows, late = kernels.fold_trades(
            of, columns.event_ns, columns.price, columns.size, columns.side, columns.flags, start, stop,
            columns.ordered, columns.plain, self.every_ns, self._lateness_ns,
            self.parameters.volume_only, self.parameters.no_aggressor,
            self._bars, self._sums, self._slots, self._order.size, before_ns, self._next_close,
            done.numbers, done.values, done.rows,
        )  # fmt: skip
        self.late += late
        if counted is None and late and self._within_ns:
            counted = np.empty(stop, dtype=np.bool_)
            self._kept.uncount(counted)
        if counted is not None:
            kernels.are_in_time(
                columns.event_ns, start, stop, self.every_ns, self._lateness_ns, before_ns, counted
            )

    def _advance(self, event_ns: int, done: CandleRows) -> None:
        self._watermark_ns = max(self._watermark_ns, event_ns)
        if self._watermark_ns >= self._next_close:
            done.rows, self._next_close = kernels.close_bars(
                self._bars, self._sums, self._slots, self._order.size, self.every_ns, self._lateness_ns,
                self._watermark_ns, done.numbers, done.values, done.rows,
            )  # fmt: skip

    # -- cancels ------------------------------------------------------------------------------------------

    def _cancel(self, of: int, trade_id: str, done: CandleRows) -> None:
        """Take a trade back and make its candle anew."""
        event_ns = self._kept.take_back(of, trade_id, self._watermark_ns - self._within_ns)
        if event_ns is None:
            self.unmatched_cancels += 1
            return
        number = event_ns // self.every_ns
        place = of * self._slots + number % self._slots
        made, left = self._kept.bar(of, place, number, self.every_ns)
        kernels.fold_alone(
            left.event_ns, left.price, left.size, left.side, left.flags, 0, left.event_ns.size, 0,
            self.parameters.volume_only, self.parameters.no_aggressor, made.bars, made.sums,
        )  # fmt: skip
        if (number + 1) * self.every_ns + self._lateness_ns > self._watermark_ns:
            self._bars[place], self._sums[place] = made.bars[0], made.sums[0]
            if not made.bars[0, kernels.TRADES]:
                self._bars[place, kernels.NUMBER] = kernels.VACANT
            return
        revision = self._revisions[of, number] = self._revisions.get((of, number), 0) + 1
        done.add(of, made.bars, made.sums, revision)

    def _open_bars(self) -> OpenBars:
        bars = self._bars[: self._order.size * self._slots]
        places = np.flatnonzero(bars[:, kernels.NUMBER] != kernels.VACANT)
        return OpenBars(places, bars[places], self._sums[places])

    def _forget(self) -> None:
        """Let go of trades that no cancel can reach."""
        if self._watermark_ns == NO_TIME or not self._within_ns:
            return
        reach_ns = self._watermark_ns - self._within_ns
        self._kept.forget(reach_ns)
        if self._revisions:
            oldest = reach_ns // self.every_ns
            self._revisions = {key: n for key, n in self._revisions.items() if key[1] >= oldest}

    def _make_room(self) -> None:
        """State for every instrument that has traded."""
        missing = self._order.size * self._slots - len(self._bars)
        if missing > 0:
            more = max(missing, len(self._bars))
            vacant = np.full((more, kernels.BAR_FIELDS), kernels.VACANT)
            self._bars = np.concatenate((self._bars, vacant))
            self._sums = np.concatenate((self._sums, np.zeros((more, kernels.SUM_FIELDS))))

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state; instruments by name."""
        places = self._order.size * self._slots
        revisions = [[*key, n] for key, n in self._revisions.items()]
        return {
            "parameters": asdict(self.parameters),
            "instruments": REGISTRY.names(self._order.codes).tolist(),
            "bars": self._bars[:places].copy(),
            "sums": self._sums[:places].copy(),
            "watermark_ns": self._watermark_ns,
            "next_close": self._next_close,
            "late": self.late,
            "unmatched_cancels": self.unmatched_cancels,
            "kept": self._kept.snapshot(),
            "revisions": np.array(revisions, dtype=np.int64).reshape(-1, 3),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()`` of an engine with the same parameters."""
        if state["parameters"] != asdict(self.parameters):
            raise ValueError(
                f"the snapshot is of {state['parameters']}, this engine has {asdict(self.parameters)}"
            )
        self._reset()
        self._order = order_of(state["instruments"])
        self._make_room()
        places = self._order.size * self._slots
        self._bars[:places], self._sums[:places] = state["bars"], state["sums"]
        self._watermark_ns, self._next_close = int(state["watermark_ns"]), int(state["next_close"])
        self.late, self.unmatched_cancels = int(state["late"]), int(state["unmatched_cancels"])
        self._kept = KeptTrades.of(state["kept"])
        self._revisions = {(int(of), int(number)): int(n) for of, number, n in state["revisions"]}


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
    known = TRADES.made(trades)
    made = Candles(every=every, **parameters).whole(trades if known else TRADES.conform(trades))
    if known and made[["volume", "vwap"]].isna().to_numpy().any():
        TRADES.conform(trades)  # raises where a value that has to be there was written over since
    return made
