"""Functions over a history: no order of the rows loses volume, and what is dated after its receipt moves nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.indicators.batch.trade_batch import LateTradesWarning
from workstation.indicators.candles.engine import Candles, candles
from workstation.indicators.ticks.intensity import Intensity, intensity
from workstation.indicators.ticks.reversals import Reversals, reversals
from workstation.indicators.ticks.spikes import Spikes, spikes
from workstation.market.digest import digest
from workstation.market.engine import Engine
from workstation.market.errors import TableError
from workstation.market.instants import AHEAD_NS
from workstation.market.tables import TRADES, TradeFlag
from workstation.market.tables import table as table_named

START_NS = pd.Timestamp("2026-03-20").value
SECOND = 10**9
SHORT = {"ticks": 3, "length": 4, "window": 20}
FUNCTIONS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "candles": lambda rows: candles(rows, every=("1s", "10s")),
    "intensity": lambda rows: intensity(rows, **SHORT),
    "spikes": lambda rows: spikes(rows, start_sd=1.0, **SHORT),
    "reversals": lambda rows: reversals(
        rows,
        version=(1, 2, 4),
        momentum=4,
        moves=20,
        k=0.5,
        fast=2,
        slow=3,
        volume=2,
        volume_over=0.1,
        **SHORT,
    ),
}


def trades(rows: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    pace = np.repeat(rng.choice([0.5, 5.0], rows // 30), 30)
    return pd.DataFrame(
        {
            "event_ns": START_NS + np.cumsum(rng.exponential(2e8, rows) / pace).astype(np.int64),
            "instrument": np.array(["BTC/USD", "ETH/USD"])[rng.integers(0, 2, rows)],
            "price": np.round(100 * np.exp(np.cumsum(rng.normal(0, 3e-4, rows) * pace)), 2),
            "size": 1.0,
        }
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_in_any_order_give_what_rows_in_order_give(name: str) -> None:
    rows = trades()
    wanted = FUNCTIONS[name](rows)
    assert len(wanted)
    for other in (rows[::-1], rows.sample(frac=1, random_state=1)):
        assert digest(FUNCTIONS[name](other)) == digest(wanted)


def test_ties_of_time_are_sorted_by_seq() -> None:
    rows = trades(30).assign(
        event_ns=START_NS, seq=np.arange(1, 31), price=np.arange(1.0, 31.0), instrument="BTC/USD"
    )
    made = candles(rows[::-1], every="1s")
    assert made[["open", "close"]].values.tolist() == [[1.0, 30.0]]


def test_rows_the_hub_numbered_keep_their_order_and_what_is_late_is_told() -> None:
    rows = trades(30).assign(instrument="BTC/USD", event_ns=START_NS + np.arange(30) * SECOND)
    numbered = TRADES.numbered(rows.iloc[[*range(1, 30), 0]], 1)
    with pytest.warns(LateTradesWarning, match="1 of the trades came too late for candles"):
        made = candles(numbered, every="1s")
    engine = Candles(every="1s")
    live = TRADES.numbered(rows.iloc[[*range(1, 30), 0]], 1)
    assert digest(made) == digest(table_named("candles").concat([engine.update(live), engine.in_progress()]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert candles(numbered.assign(seq=0), every="1s")["volume"].sum() == 30


@pytest.mark.parametrize(
    "make",
    [
        lambda: Candles(every="1s"), lambda: Intensity(**SHORT), lambda: Spikes(start_sd=1.0, **SHORT),
        lambda: Reversals(version=2, momentum=4, moves=20, **SHORT),
    ],
    ids=["candles", "intensity", "spikes", "reversals"],
)  # fmt: skip
@pytest.mark.parametrize("ahead_ns", [3600 * SECOND, 230 * 365 * 86_400 * SECOND // 100])
def test_a_print_dated_ahead_of_its_receipt_moves_nothing(make: Callable[[], Engine], ahead_ns: int) -> None:
    rows = trades()
    rows["seen_ns"] = rows["event_ns"] + 1000
    poison = rows.iloc[400:401].assign(event_ns=rows["event_ns"].iloc[400] + ahead_ns, instrument="ETH/USD")
    engine, fresh = make(), make()
    wanted = [fresh.update(rows.iloc[at : at + 100]) for at in range(0, 900, 100)]
    dirty = pd.concat([rows.iloc[:400], poison, rows.iloc[400:]], ignore_index=True)
    given = [engine.update(dirty.iloc[at : at + 53]) for at in range(0, 901, 53)]
    schema = table_named(engine.output)
    assert len(schema.concat(wanted))
    assert digest(schema.concat(given)) == digest(schema.concat(wanted))
    any_engine: Any = engine
    assert any_engine.ahead == 1


def test_two_clocks_a_little_apart_are_believed() -> None:
    rows = trades(30)
    rows["seen_ns"] = rows["event_ns"] - AHEAD_NS
    engine = Candles(every="1s")
    engine.update(rows)
    assert engine.ahead == 0


def test_prints_that_are_void_count_for_nothing() -> None:
    rows = trades()
    flags = np.zeros(len(rows), dtype=np.int32)
    flags[::7] = int(TradeFlag.VOID | TradeFlag.AUCTION)
    marked = rows.assign(flags=flags)
    marked.loc[flags > 0, "price"] = 1.0
    for function in FUNCTIONS.values():
        assert digest(function(marked)) == digest(function(rows[flags == 0]))
    assert candles(marked[flags > 0]).empty
    assert Intensity(**SHORT).update(marked[flags > 0]).empty


@pytest.mark.parametrize(
    "flag", [TradeFlag.NO_PRICE, TradeFlag.OUT_OF_SEQUENCE, TradeFlag.AVERAGE_PRICE, TradeFlag.STOCK_TIED]
)
def test_prints_that_set_no_price_count_as_volume(flag: TradeFlag) -> None:
    rows = pd.DataFrame(
        {
            "event_ns": START_NS + np.arange(6),
            "instrument": "XYZ",
            "price": [9.0, 50.0, 50.1, 61.0, 50.05, 70.0],
            "size": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
            "flags": [int(flag), 0, 0, int(flag), 0, int(flag)],
        }
    )
    made = candles(rows, every="1min")
    columns = ["open", "high", "low", "close", "volume", "trades"]
    assert made[columns].values.tolist() == [[50.0, 50.1, 50.0, 50.05, 63.0, 6.0]]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_frame_is_refused_in_words(name: str) -> None:
    with pytest.raises(TypeError, match=r"trades must be a pandas\.DataFrame, got dict"):
        FUNCTIONS[name]({"event_ns": [1]})  # type: ignore[arg-type]


def test_one_candle_is_of_the_prints_of_all_venues() -> None:
    rows = pd.DataFrame(
        {
            "event_ns": START_NS + np.arange(4),
            "instrument": "BTC/USD",
            "price": [100.0, 99.0, 103.0, 101.0],
            "size": [1.0, 2.0, 4.0, 8.0],
            "venue": ["deribit", "bybit", "okx", "deribit"],
            "exchange": ["", "N", "P", ""],
        }
    )
    made = candles(rows, every="1min")
    assert made[["open", "high", "low", "close", "volume"]].values.tolist() == [
        [100.0, 103.0, 99.0, 101.0, 15.0]
    ]


@pytest.mark.parametrize(("name", "price"), [("BTC/USD:BTC", 0.0), ("AAPL", -1.0)])
def test_a_price_that_is_none_is_refused_by_name_and_row(name: str, price: float) -> None:
    trades = pd.DataFrame({"event_ns": [1, 2], "instrument": name, "price": [5.0, price], "size": 1.0})
    with pytest.raises(TableError, match=f"trades.price, row 1: {price} is no price of {name}"):
        candles(trades)
    assert candles(trades.assign(instrument="CLK20"))["low"].tolist() == [price]
