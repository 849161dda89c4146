"""Candles against an independent grouping in pandas, and what amends them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.indicators.candles.engine import Candles, candles
from workstation.market.errors import TableError
from workstation.market.tables import CANDLES, HEARTBEAT, TRADES, TradeFlag

SECOND = 10**9


def trades(**columns: Any) -> pd.DataFrame:
    return TRADES.conform(pd.DataFrame({"instrument": "BTC/USD", "price": 1.0, "size": 1.0, **columns}))


def oracle(rows: pd.DataFrame, every_ns: int) -> pd.DataFrame:
    """Candles by pandas' own grouping; rows in time order."""
    groups = rows.assign(begin=rows["event_ns"] // every_ns * every_ns, usd=rows["price"] * rows["size"])
    by = groups.groupby([groups["instrument"].astype("str"), "begin"])
    price = by["price"]
    made = pd.DataFrame(
        {
            "open": price.first(),
            "high": price.max(),
            "low": price.min(),
            "close": price.last(),
            "volume": by["size"].sum(),
            "vwap": by["usd"].sum() / by["size"].sum(),
            "trades": by.size(),
        }
    )
    return made.rename_axis(["instrument", "event_ns"])


def agree(made: pd.DataFrame, rows: pd.DataFrame, every_ns: int) -> None:
    wanted = oracle(rows, every_ns)
    got = made.assign(instrument=made["instrument"].astype("str")).set_index(["instrument", "event_ns"])
    pd.testing.assert_frame_equal(
        got[list(wanted.columns)].sort_index(), wanted.sort_index(), check_exact=False, rtol=1e-12
    )


@pytest.mark.parametrize("every", ["1s", "10s", "1min", "1h"])
def test_many_instruments_agree_with_a_grouping(every: str) -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    rows = trades(
        event_ns=np.sort(rng.integers(0, 3 * 3_600 * SECOND, n)),
        instrument=rng.choice(["BTC/USD", "ETH/USD", "AAPL"], n),
        price=np.round(100 + rng.normal(size=n).cumsum() * 0.01, 2),
        size=rng.integers(1, 50, n) / 10,
    )
    agree(candles(rows, every=every), rows, int(pd.Timedelta(every).as_unit("ns").value))


@pytest.mark.recorded
def test_recorded_ticks_agree_with_a_grouping(sample_data: Path) -> None:
    zipped = sorted(sample_data.glob("equities_prints/lean/equity/usa/tick/spy/*_trade.zip"))
    if not zipped:
        pytest.skip("no recorded SPY trades among the sample data")
    with zipfile.ZipFile(zipped[0]) as archive:
        text = archive.read(archive.namelist()[0])
    raw = pd.read_csv(io.BytesIO(text), header=None, usecols=[0, 1, 2], names=["ms", "price", "size"])
    rows = trades(
        event_ns=raw["ms"] * 1_000_000, instrument="SPY", price=raw["price"] / 1e4, size=raw["size"].astype(float)
    )  # fmt: skip
    rows = rows.sort_values("event_ns", kind="stable", ignore_index=True)
    assert len(rows) > 1_000
    for every in ("1s", "1min"):
        agree(candles(rows, every=every), rows, int(pd.Timedelta(every).as_unit("ns").value))


@pytest.mark.parametrize("sided", [False, True])
def test_several_lengths_at_once_are_those_of_each_to_the_last_bit(sided: bool) -> None:
    """In batches of all sizes: by row, by instrument and eight at a time."""
    rng = np.random.default_rng(5)
    n = 30_000
    rows = trades(
        event_ns=np.sort(rng.integers(0, 300 * SECOND, n)),
        instrument=rng.choice(["BTC/USD", "ETH/USD", "AAPL"], n),
        price=np.round(100 + rng.normal(size=n).cumsum() * 0.01, 2),
        size=rng.random(n),
        side=rng.choice([-1, 0, 1], n) if sided else 0,
    )
    every = ("1s", "10s", "7s", "1h")
    engine, at, parts = Candles(every=every), 0, []
    for size in (1, 7, 200, 5_000, 9, 12_000, 3, n):
        parts.append(engine.update(rows.iloc[at : at + size].reset_index(drop=True)))
        at += size
    together = CANDLES.concat([*parts, engine.in_progress()])
    pd.testing.assert_frame_equal(together, candles(rows, every=every), check_exact=True)
    for one in every:
        alone = candles(rows, every=one)
        mine = together[together["every_ns"] == pd.Timedelta(one).as_unit("ns").value]
        pd.testing.assert_frame_equal(mine.reset_index(drop=True), alone, check_exact=True)
        agree(alone, rows, int(pd.Timedelta(one).as_unit("ns").value))


def test_late_trades_amend_within_lateness_and_are_counted_beyond() -> None:
    rows = trades(
        event_ns=[1 * SECOND, 12 * SECOND, 3 * SECOND, 16 * SECOND, 2 * SECOND], price=[5.0, 6, 9, 7, 1]
    )
    engine = Candles(every="10s", lateness="5s")
    first = engine.update(rows)
    assert first[["event_ns", "open", "high", "low", "close", "trades"]].values.tolist() == [
        [0, 5, 9, 5, 9, 2]
    ]
    assert engine.late == 1
    assert engine.in_progress()[["event_ns", "open", "close", "closed"]].values.tolist() == [
        [10 * SECOND, 6, 7, False]
    ]


def test_equal_times_go_by_order_of_arrival() -> None:
    made = candles(trades(event_ns=[5, 5, 3, 3], price=[1.0, 2, 3, 4]))
    assert made[["open", "close"]].values.tolist() == [[3.0, 2.0]]


def test_heartbeats_close_quiet_candles_in_a_stable_order() -> None:
    engine = Candles(every="1s", lateness="1s")
    names = ["ETH/USD", "BTC/USD", "ETH/USD"]
    assert engine.update(trades(event_ns=[1, 2, SECOND], instrument=names)).empty
    out = engine.update(HEARTBEAT.conform(pd.DataFrame({"event_ns": [9 * SECOND]})), "heartbeat")
    assert list(zip(out["event_ns"], out["instrument"], strict=True)) == [
        (0, "ETH/USD"),
        (0, "BTC/USD"),
        (SECOND, "ETH/USD"),
    ]
    assert engine.in_progress().empty


def test_flags_decide_between_price_volume_and_side() -> None:
    late, auction = int(TradeFlag.LATE), int(TradeFlag.AUCTION)
    made = candles(
        trades(event_ns=[1, 2, 3], price=[5.0, 50, 6], size=[1.0, 2, 4], side=1, flags=[0, late, auction])
    )
    columns = ["open", "high", "close", "volume", "buy_volume", "vwap", "trades"]
    assert made[columns].values.tolist() == [[5, 6, 6, 7, 1, (5 + 24) / 5, 3]]
    assert candles(trades(event_ns=[1], flags=late))[["open", "vwap"]].isna().all(axis=None)


def test_cancels_take_back_open_and_final_candles() -> None:
    cancel = int(TradeFlag.CANCEL)
    engine = Candles(every="10s")
    engine.update(trades(event_ns=[1, 2, 3], price=[5.0, 9, 6], trade_id=["a", "b", "c"]))
    assert engine.update(trades(event_ns=[4], flags=cancel, trade_id="b")).empty
    assert engine.in_progress()[["high", "volume"]].values.tolist() == [[6, 2]]
    out = engine.update(
        trades(event_ns=[11 * SECOND] * 3, flags=[0, cancel, cancel], trade_id=["d", "a", "c"])
    )
    assert out[["event_ns", "revision", "trades"]].values.tolist() == [[0, 0, 2], [0, 1, 1], [0, 2, 0]]
    assert out["close"].fillna(-1).tolist() == [6, 6, -1]
    engine.update(trades(event_ns=[100 * SECOND], flags=cancel, trade_id="d"))
    assert engine.unmatched_cancels == 1


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="every"):
        Candles(every="0s")
    with pytest.raises(ValueError, match="twice"):
        Candles(every=("10s", "10s"))
    with pytest.raises(ValueError, match="several"):
        Candles(every=())
    with pytest.raises(ValueError, match="lateness"):
        Candles(lateness="-1s")
    with pytest.raises(ValueError, match="reads trades, heartbeat"):
        Candles().update(trades(event_ns=[1]), "quotes")
    with pytest.raises(ValueError, match="the snapshot is of"):
        Candles(every="1s").restore(Candles(every="10s").snapshot())


def test_a_cancel_amends_a_long_candle_whose_early_trades_are_no_longer_held() -> None:
    """Trades are held for a minute only; what an hour's candle needs of the older ones is not lost with them."""
    minute = 60 * 10**9
    rows = [(0, 10.0, "a", 0), (1, 7.0, "b", 0), (2, 12.0, "c", 0), (50 * minute, 99.0, "d", 0)]
    rows += [(50 * minute + 1, 11.0, "e", 0), (50 * minute + 2, 99.0, "d", int(TradeFlag.CANCEL))]
    columns = dict(zip(("event_ns", "price", "trade_id", "flags"), zip(*rows, strict=True), strict=True))
    trades = TRADES.conform(
        pd.DataFrame({**columns, "instrument": "LONG", "size": 1.0}).astype({"flags": "int32"})
    )
    engine = Candles(every="1h")
    for row in range(len(trades)):
        engine.update(trades.iloc[row : row + 1].reset_index(drop=True))
    candle = engine.in_progress().iloc[0]
    assert candle[["open", "high", "low", "close", "volume", "trades"]].tolist() == [
        10.0,
        12.0,
        7.0,
        11.0,
        4.0,
        4,
    ]
    assert engine.unmatched_cancels == 0
    whole = Candles(every="1h")
    whole.update(trades)
    pd.testing.assert_frame_equal(whole.in_progress(), engine.in_progress())


def survivors(rows: pd.DataFrame, within_ns: int) -> pd.DataFrame:
    """Trades that no cancel took back: each takes the newest standing one of its name that is not too old."""
    stands = np.ones(len(rows), dtype=bool)
    cancels = rows["flags"].to_numpy() & int(TradeFlag.CANCEL) != 0
    newest = rows["event_ns"].cummax().to_numpy()
    names, times = rows["trade_id"].to_numpy(), rows["event_ns"].to_numpy()
    instruments = rows["instrument"].cat.codes.to_numpy()
    for row in np.flatnonzero(cancels):
        same = (names == names[row]) & (instruments == instruments[row]) & stands & ~cancels
        reached = np.flatnonzero(same[:row] & (times[:row] >= newest[row] - within_ns))
        stands[reached[-1:]] = False
    return rows[stands & ~cancels]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("every", "batch"), [("1s", 1), ("1min", 1), ("1s", 300), ("10s", 300), ("1min", 300), ("10min", 300)]
)
def test_cancels_leave_what_stands_whatever_is_still_held(every: str, batch: int) -> None:
    """Minutes of trades and cancels, of which only the newest minute is held."""
    rng = np.random.default_rng(11)
    n = 700
    rows = trades(
        event_ns=np.sort(rng.integers(0, 400 * SECOND, n)),
        instrument=rng.choice(["BTC/USD", "ETH/USD", "AAPL"], n),
        price=np.round(100 + rng.normal(size=n).cumsum() * 0.01, 2),
        size=rng.integers(1, 50, n) / 10,
        side=rng.choice([-1, 1], n),
        trade_id=rng.integers(0, 60, n).astype(str),
        flags=np.where(rng.random(n) < 0.15, int(TradeFlag.CANCEL), 0),
    )
    engine = Candles(every=every)
    parts = [engine.update(rows.iloc[at : at + batch].reset_index(drop=True)) for at in range(0, n, batch)]
    made = pd.concat([*parts, engine.in_progress()], ignore_index=True)
    newest = made.groupby(["instrument", "event_ns"], observed=True).tail(1)
    agree(newest[newest["trades"] > 0], survivors(rows, 60 * SECOND), engine.parameters.lengths_ns[0])
    assert engine.unmatched_cancels > 0 and (every == "10min" or made["revision"].max() > 0)


@pytest.mark.parametrize("column", ["price", "size"])
def test_a_value_written_over_since_the_table_made_the_frame_is_refused(column: str) -> None:
    rows = trades(event_ns=np.arange(40) * SECOND)
    assert len(candles(rows)) == 4
    rows.loc[17, column] = np.nan
    with pytest.raises(TableError, match=column):
        candles(rows)
