"""Candles of trades, any length, many instruments at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.instrument_state import nothing
from workstation.indicators.batch.trade_batch import (
    TradeColumns,
    TradeReader,
    history,
    require_prices,
    tell_late,
)
from workstation.indicators.candles.aggregation import NO_GROUPS, NO_STATE_ROWS, CandleBatch, fold_lengths
from workstation.indicators.candles.closed_bars import CandleOutput
from workstation.indicators.candles.corrections import KeptRows, KeptTrades
from workstation.indicators.candles.open_bars import BarStore
from workstation.indicators.candles.parameters import CandlesParameters
from workstation.indicators.candles.timeframe import Batch, CandleLength
from workstation.market.durations import nanoseconds
from workstation.market.engine import Beats, Engine, conformed
from workstation.market.instruments import REGISTRY
from workstation.market.tables import CANDLES, NO_TIME, TRADES
from workstation.market.tables.frames import STACKED_ROWS
from workstation.numerics.typed_kernel import TypedKernel

_FOLD_LENGTHS = TypedKernel(fold_lengths)


class Candles(Engine):
    """Live candles of one or several lengths: a row when a candle is final, another when a cancel amends it.

    A candle is final when the watermark, the running maximum of ``event_ns`` over all trades of all instruments and
    heartbeats, reaches its end plus ``lateness``. Rows come out in the order in which they become final; those
    that become final at once by length as they were named, then by begin, then by the order in which their instruments
    first traded.

    A cancel (``TradeFlag.CANCEL`` with the ``trade_id`` of the trade it takes back) amends: an open candle in
    place, a final one by a row with the next ``revision``; all NaN and 0 when nothing is left of it.

    Parameters
    ----------
    parameters, **changes
        ``CandlesParameters``, or its fields.
    reader
        One that other engines of the same trades have too: what they ask of a batch is then found once.

    Attributes
    ----------
    ahead
        Trades set aside because they are dated after they were received, see ``TradeReader.live``.

    Examples
    --------
    >>> engine = Candles(every="10s")
    >>> trades = TRADES.conform(pd.DataFrame({
    ...     "event_ns": [10**9, 2 * 10**9, 11 * 10**9], "instrument": "BTC/USD", "price": [5.0, 7.0, 6.0], "size": 1.0}))
    >>> engine.update(trades)[["event_ns", "open", "close", "volume", "closed"]].values.tolist()
    [[0, 5.0, 7.0, 2.0, True]]
    >>> engine.in_progress()[["event_ns", "open", "close", "volume", "closed"]].values.tolist()
    [[10000000000, 6.0, 6.0, 1.0, False]]
    >>> (Candles(every=("1s", "10s")).update(trades)["every_ns"] // 10**9).tolist()
    [1, 1, 10]
    """

    inputs: ClassVar[tuple[str, ...]] = ("trades", "heartbeat")
    output: ClassVar[str] = "candles"

    def __init__(
        self, parameters: CandlesParameters | None = None, reader: TradeReader | None = None, **changes: Any
    ) -> None:
        self._reader = reader or TradeReader()
        self.parameters = replace(parameters or CandlesParameters(), **changes)
        self._lateness_ns = nanoseconds(self.parameters.lateness)
        self._within_ns = nanoseconds(self.parameters.cancels_within)
        self.ahead = 0
        self._reset()

    def _reset(self) -> None:
        self._watermark_ns = int(NO_TIME)
        self._order = self._reader.first_order
        self._store = BarStore(self.parameters.lengths_ns, self._lateness_ns)
        lengths = range(len(self.parameters.lengths_ns))
        self._kept = KeptTrades(len(lengths))
        self._lengths = [CandleLength(self._store, length, self.parameters, self._kept) for length in lengths]
        self._output = CandleOutput(0)

    @property
    def late(self) -> int:
        """Trades that came after their candle was final and are in no row of its length; of the length that lost most."""
        return int(self._store.late.max())

    @property
    def unmatched_cancels(self) -> int:
        """Cancels whose trade is not known, too old, or was late itself; of the length that has most."""
        return max(length.unmatched_cancels for length in self._lengths)

    # -- rows in, rows out --------------------------------------------------------------------------------

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take trades or heartbeats and give the candles they make final or amend."""
        if not len(batch):
            return nothing(CANDLES)
        if table == "heartbeat":
            done = CandleOutput(self._open_room())
            for at, event_ns in enumerate(batch["event_ns"].tolist()):
                self._watermark_ns = max(self._watermark_ns, event_ns)
                for length in self._lengths:
                    length.advance(self._watermark_ns, at, done)
        else:
            columns = self._reader.live(batch)
            self.ahead += columns.ahead
            done = self._fold(columns)
        self._forget()
        return self._given(done, done.rows)

    def beats(self, rows: Mapping[str, pd.DataFrame]) -> Beats:
        """Heartbeats that the next trade reaches, if it counts, unless candles of two moments would become final at once."""
        trades = rows.get("trades")
        reaching = {} if trades is None else {"trades": self._reader.counts(trades)}
        event_ns = np.empty(0, dtype=np.int64) if trades is None else trades["event_ns"].to_numpy()
        dues = []
        for length, every in enumerate(self.parameters.lengths_ns):
            open_numbers = self._store.open_numbers(length)
            numbers = np.unique(np.concatenate((open_numbers, event_ns // every)))
            dues.append((numbers + 1) * every + self._lateness_ns)
        return Beats(reaching, np.unique(np.concatenate(dues)))

    def in_progress(self) -> pd.DataFrame:
        """Candles that are not final yet, ``closed`` False, by length, begin and first trade of their instrument."""
        done = CandleOutput(self._open_room())
        self._put_open(done)
        return self._given(done, 0)

    def whole(self, trades: pd.DataFrame) -> pd.DataFrame:
        """Take a history of trades and give the candles it makes final or amends, then those in progress.

        The rows are taken as they are, those that are dated after they were received too.
        """
        if not len(trades):
            return self.in_progress()
        done = self._fold(self._reader.columns(conformed(TRADES, trades)))
        final = done.rows
        self._put_open(done)
        self._forget()
        return self._given(done, final)

    def _given(self, done: CandleOutput, final: int) -> pd.DataFrame:
        return done.frame(self._order.codes, len(self._lengths) > 1, final)

    def _open_room(self) -> int:
        return self._order.size * int(self._store.slots.sum())

    def _put_open(self, done: CandleOutput) -> None:
        for length in self._lengths:
            length.put_open(done)

    def _fold(self, columns: TradeColumns) -> CandleOutput:
        store = self._store
        if not columns.event_ns.size:  # all of them void
            return self._done(0)
        codes = columns.codes[:1] if columns.alone else columns.codes
        order, of = self._order.rows(codes, columns.found)
        if order is not self._order:
            self._order = order
            store.make_room(order.size)
        most, many, by_group = store.plan(columns)
        kept = KeptRows(of, columns.trades, columns.trade_id)
        batch = Batch(columns, kept, self._arrays(columns, of, many))
        done = self._done(most)
        self._keep(batch)
        start = 0
        for cancel in columns.cancels.tolist():
            self._fold_rows(batch, by_group, start, cancel, done)
            self._watermark_ns = max(self._watermark_ns, int(columns.event_ns[cancel]))
            whose, trade_id = int(of[cancel] if of.size > 1 else of[0]), str(columns.trade_id[cancel])
            for length in self._lengths:
                length.advance(self._watermark_ns, cancel, done)
                length.cancel(whose, trade_id, self._watermark_ns, cancel, done)
            start = cancel + 1
        self._fold_rows(batch, by_group, start, columns.event_ns.size, done)
        return done

    def _keep(self, batch: Batch) -> None:
        """Hold a batch for as long as a cancel can reach it."""
        if not self._within_ns:
            return
        newest_ns = batch.columns.newest_ns
        due = self._kept.is_mark_due(newest_ns, self._within_ns)
        before = tuple([length.open_bars() for length in self._lengths]) if due else None
        self._kept.add(batch.kept, newest_ns, before)
        if batch.columns.cancels.size:
            self._kept.uncount()

    def _fold_rows(self, batch: Batch, by_group: Any, start: int, stop: int, done: CandleOutput) -> None:
        """Fold the rows of a batch that lie between two cancels."""
        if start == stop:
            return
        columns, store, before_ns = batch.columns, self._store, self._watermark_ns
        late = np.empty_like(store.late)
        newest_ns, done.rows = _FOLD_LENGTHS(
            batch.arrays, by_group, start, stop, store.bank(), self.parameters.rules, before_ns, store.next_close, late,
            done.columns, done.rows,
        )  # fmt: skip
        self._watermark_ns = int(newest_ns)
        if columns.cancels.size or late.any():
            for length, many in zip(self._lengths, late.tolist(), strict=True):
                length.count(batch, start, stop, before_ns, many)

    def _arrays(self, columns: TradeColumns, of: npt.NDArray[np.int32], by_group: int) -> CandleBatch:
        """The batch as kernels take it, by instrument where at least two lengths have enough trades of each in a bar."""
        groups, state_rows = NO_GROUPS, NO_STATE_ROWS
        if not columns.alone and columns.ordered and not columns.cancels.size and by_group >= 2:
            groups = self._reader.groups(columns)
            state_rows = self._order.row_of[groups.codes]
        return CandleBatch(of, columns.trades, groups, state_rows, columns.ordered, columns.plain)

    def _done(self, rows: int) -> CandleOutput:
        """Room for what a batch makes final; of batches that are not a whole history the same one again."""
        if rows > STACKED_ROWS:
            return CandleOutput(rows)
        if rows > self._output.room:
            self._output = CandleOutput(min(2 * rows, STACKED_ROWS))
        self._output.clear()
        return self._output

    def _forget(self) -> None:
        """Let go of what no cancel can reach."""
        if self._within_ns and self._watermark_ns != NO_TIME:
            reach_ns = self._watermark_ns - self._within_ns
            self._kept.forget(reach_ns)
            for length in self._lengths:
                length.forget(reach_ns)

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state; instruments by name."""
        return {
            "instruments": REGISTRY.names(self._order.codes).tolist(),
            "watermark_ns": self._watermark_ns,
            "kept": self._kept.snapshot(),
            "lengths": [length.snapshot() for length in self._lengths],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()`` of an engine with the same parameters."""
        self._reset()
        self._order = self._reader.first_order.followed_by(REGISTRY.codes(state["instruments"]).tolist())
        self._watermark_ns = int(state["watermark_ns"])
        self._store.make_room(self._order.size)
        self._kept.restore(state["kept"])
        for length, held in zip(self._lengths, state["lengths"], strict=True):
            length.restore(held)


def candles(trades: pd.DataFrame, every: str | tuple[str, ...] = "10s", **parameters: Any) -> pd.DataFrame:
    """Candles of a whole history of trades.

    Parameters
    ----------
    trades
        Rows of the ``trades`` table; ``event_ns, instrument, price, size`` suffice. Any order: see ``history``.
    every
        Length, such as ``"1s"``, ``"1min"``, ``"1h"``, or several of them.
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
        ``trades`` do not fit their table, or a price is 0 or below where there can be none.

    Examples
    --------
    >>> trades = pd.DataFrame({
    ...     "event_ns": [10**9, 2 * 10**9, 11 * 10**9], "instrument": "BTC/USD", "price": [5.0, 7.0, 6.0], "size": 1.0})
    >>> candles(trades, every="10s")[["open", "high", "low", "close", "closed"]].values.tolist()
    [[5.0, 7.0, 5.0, 7.0, True], [6.0, 6.0, 6.0, 6.0, False]]
    """
    engine, rows = Candles(every=every, **parameters), history(trades)
    made = engine.whole(rows)
    if len(made) and np.nanmin(made["low"].to_numpy(), initial=np.inf) <= 0.0:
        require_prices(rows)
    if rows is trades and made[["volume", "vwap"]].isna().to_numpy().any():
        TRADES.conform(trades)  # raises where a value that has to be there was written over since
    tell_late("candles", engine.late)
    return made
