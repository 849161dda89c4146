"""One row dated far ahead does not move the watermark, and with it the candles of every instrument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.indicators.candles import Candles
from workstation.market.tables import TRADES
from workstation.streams.hub import Hub

START = 1_790_000_000 * 10**9
SECOND = 10**9


def trades(name: str, at_s: Any, **columns: Any) -> pd.DataFrame:
    event_ns = START + (np.atleast_1d(at_s) * 1e9).astype(np.int64)
    return pd.DataFrame(
        {"event_ns": event_ns, "instrument": name, "price": 100.0, "size": 1.0, "side": 1} | columns
    )


AHEAD = START + 3650 * 86_400 * SECOND
POISON = {
    "trades": trades("ETH/USD:ETH", 3600),
    "quotes": pd.DataFrame({"event_ns": [AHEAD], "instrument": "ETH/USD:ETH", "bid": 1.0, "ask": 2.0}),
    "marks": pd.DataFrame({"event_ns": [AHEAD], "instrument": "ETH/USD:ETH", "mark": 1.0}),
    "fills": pd.DataFrame(
        {
            "event_ns": [AHEAD],
            "instrument": "ETH/USD:ETH",
            "side": 1,
            "price": 1.0,
            "size": 1.0,
            "kind": "trade",
        }
    ),
    "health": pd.DataFrame({"event_ns": [AHEAD], "feed": "x", "event": "fresh"}),
    "heartbeat": pd.DataFrame({"event_ns": [AHEAD]}),
    "frames": pd.DataFrame({"event_ns": [AHEAD], "feed": "x", "payload": [b"x"]}),
}


def candles_after(poison: tuple[str, pd.DataFrame] | None) -> tuple[int, Hub]:
    hub = Hub()
    hub.add_engine(Candles(every="1s"))
    hub.publish("trades", trades("BTC/USD:BTC", np.arange(0, 60, 0.5)))
    if poison:
        hub.publish(*poison)
    hub.publish("trades", trades("BTC/USD:BTC", np.arange(60, 120, 0.5)))
    hub.heartbeat(START + 200 * SECOND)
    return hub.rows["candles"], hub


@pytest.mark.parametrize("table", POISON)
def test_a_lone_row_ahead_is_set_aside_and_told_and_stops_nothing(table: str) -> None:
    expected, _ = candles_after(None)
    rows, hub = candles_after((table, POISON[table]))
    assert rows == expected == 120
    assert hub.watermark_ns == START + 200 * SECOND and hub.rejected[table] == 1
    aside = hub.set_aside[-1]
    assert (aside.branch, aside.table, len(aside.frame)) == ("event time", table, 1)
    assert "ahead of all other rows" in aside.reason


def test_each_one_is_told_with_its_instrument() -> None:
    hub, told = Hub(), []
    hub.attach("health", ["health"], lambda _, frame: told.append(frame))
    for second in range(3):
        hub.publish("trades", trades("BTC/USD:BTC", second))
        hub.publish("trades", trades("ETH/USD:ETH", 4000 + 1000 * second))
    hub.publish("trades", trades("BTC/USD:BTC", 3))
    rows = pd.concat(told, ignore_index=True)
    assert rows["event"].tolist() == ["rejected"] * 3 and rows["instruments"].tolist() == ["ETH/USD:ETH"] * 3


def test_a_row_inside_a_batch_costs_its_neighbours_nothing() -> None:
    hub, seen = Hub(), []
    hub.attach("seen", ["trades"], lambda _, frame: seen.append(frame))
    hub.publish("trades", trades("BTC/USD:BTC", 0))
    hub.publish("trades", trades("BTC/USD:BTC", [1, 9000, 2]))
    rows = pd.concat(seen)
    assert ((rows["event_ns"] - START) // SECOND).tolist() == [0, 1, 2] and rows["seq"].is_unique
    assert hub.set_aside[-1].frame["event_ns"].tolist() == [START + 9000 * SECOND]


def test_after_a_gap_rows_that_agree_are_accepted_in_order() -> None:
    hub, seen = Hub(), []
    hub.attach("seen", ["trades"], lambda _, frame: seen.append(frame))
    hub.publish("trades", trades("BTC/USD:BTC", 0))
    hub.publish("trades", trades("BTC/USD:BTC", 50_000))
    assert len(seen) == 1
    hub.publish("trades", trades("BTC/USD:BTC", 50_001))
    rows = pd.concat(seen)
    assert ((rows["event_ns"] - START) // SECOND).tolist() == [0, 50_000, 50_001]
    assert rows["seq"].tolist() == [1, 2, 3] and not hub.set_aside


def test_the_last_row_of_a_stream_is_not_lost() -> None:
    hub = Hub()
    hub.publish("trades", trades("BTC/USD:BTC", 0))
    hub.publish("trades", trades("BTC/USD:BTC", 50_000))
    hub.settle()
    assert hub.rows["trades"] == 2 and hub.watermark_ns == START + 50_000 * SECOND


def test_a_machine_whose_clock_is_behind_hears_its_venues() -> None:
    """Heartbeats are an hour behind: rows of the venue are believed once enough agree, none is lost."""
    hub = Hub(agreeing=64)
    for second in range(10):
        hub.heartbeat(START + second * SECOND)
        hub.publish("trades", trades("BTC/USD:BTC", 3600 + second + np.arange(10) / 10))
    assert hub.rows["trades"] == 100 and not hub.set_aside


def test_rows_numbered_by_another_hub_keep_their_number() -> None:
    hub, seen = Hub(), []
    hub.attach("seen", ["trades"], lambda _, frame: seen.extend(frame["seq"].tolist()))
    hub.publish("trades", TRADES.conform(trades("BTC/USD:BTC", [1, 2], seq=[7, 9])), numbered=True)
    hub.publish("trades", trades("BTC/USD:BTC", 3))
    assert seen == [7, 9, 10]
    hub.publish("trades", TRADES.conform(trades("BTC/USD:BTC", 4, seq=[5])), numbered=True)
    assert seen[:3] == [7, 9, 10] and "do not rise" in hub.set_aside[-1].reason
