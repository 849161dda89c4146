"""Recorded days: batch and live through the hub give the same rows of the whole day, replay those of a part of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from workstation.feeds.files.lean import read
from workstation.feeds.files.reading import Rejections
from workstation.indicators.candles.engine import candles
from workstation.indicators.ticks.intensity import Intensity, intensity
from workstation.indicators.ticks.quote_ticks import ticks_from_quotes
from workstation.indicators.ticks.reversals import Reversals, reversals
from workstation.indicators.ticks.spikes import Spikes, spikes
from workstation.market.conditions import read_conditions
from workstation.market.digest import digest
from workstation.market.engine import Engine
from workstation.market.instants import MINUTE_NS
from workstation.market.tables import TABLES, TRADES
from workstation.research.replay import replay
from workstation.streams.hub import Hub

pytestmark = pytest.mark.recorded
REPLAYED = 6_000
"""Ticks of the day that are replayed too: a tape's heartbeats, one a second, cost more than the ticks."""
DAYS = {
    "gold": ("ticks/lean/cfd/oanda/tick/xauusd/20140502_quote.zip", None),
    "euro": ("ticks/lean/forex/fxcm/tick/eurusd/20140502_quote.zip", None),
    "AIG": ("equities_prints/lean/equity/usa/tick/aig/20131008_quote.zip", "one"),
}


def ticks_of(sample_data: Path, day: str) -> pd.DataFrame:
    path, exchange = DAYS[day]
    if not (sample_data / path).exists():
        pytest.skip(f"{path} is absent from the recorded market data")
    quotes = TABLES["quotes"].concat([batch.frame for batch in read(sample_data / path, Rejections())])
    if exchange:  # the busiest one: mids of several in turn are no price path
        exchange = str(quotes["exchange"].value_counts().index[0])
    ticks = ticks_from_quotes(quotes, exchange)
    return TRADES.conform(ticks.sort_values("event_ns", kind="stable"))


def engines() -> list[Engine]:
    return [Intensity(), Spikes(), Reversals()]


def live(ticks: pd.DataFrame, rows: int) -> dict[str, str]:
    hub = Hub()
    made: dict[str, list[pd.DataFrame]] = {}
    for engine in engines():
        made[engine.output] = []
        hub.add_engine(engine)
    hub.attach("keep", sorted(made), lambda table, frame: made[table].append(frame))
    for begin in range(0, len(ticks), rows):
        hub.publish("trades", ticks.iloc[begin : begin + rows])
    assert set(hub.branches.values()) == {"running"}
    return {table: digest(TABLES[table].concat(frames)) for table, frames in made.items()}


@pytest.mark.thorough
@pytest.mark.parametrize("day", DAYS)
def test_live_is_replay_is_batch(sample_data: Path, day: str) -> None:
    ticks = ticks_of(sample_data, day)
    batch = {
        "intensity": intensity(ticks),
        "spikes": spikes(ticks),
        "reversals": reversals(ticks, version=(1, 2, 3, 4)),
    }
    assert len(ticks) > 50_000
    assert all(len(rows) > 10 for rows in batch.values())
    assert set(batch["reversals"]["version"]) == {1, 2, 3, 4}
    wanted = {table: digest(rows) for table, rows in batch.items()}
    assert live(ticks, 4_321) == wanted
    part = TRADES.conform(ticks.iloc[len(ticks) // 2 :].iloc[:REPLAYED])
    again = replay({"trades": part}, engines=engines())
    assert len(again["intensity"]) > REPLAYED // 2
    for table, rows in {
        "intensity": intensity(part),
        "spikes": spikes(part),
        "reversals": reversals(part, version=(1, 2, 3, 4)),
    }.items():
        assert digest(again[table]) == digest(rows), table


@pytest.mark.parametrize("exchanges", [None, "D"])
def test_minutes_of_a_taq_day_are_those_of_the_prints_that_count(
    sample_data: Path, exchanges: str | None
) -> None:
    """By pandas from the table's own columns ``last`` and ``volume``, without a flag."""
    path = sample_data / "equities_prints/nyse_taq_R/sampleTDataRaw_2018-01-02.csv.gz"
    day = pd.read_csv(path, dtype={"COND": "str", "EX": "str"})
    day = day if exchanges is None else day[day["EX"] == exchanges].reset_index(drop=True)
    read = read_conditions(day["COND"], "cta", day["EX"])
    times = pd.to_datetime(day["DT"]).astype("datetime64[ns]").astype("int64")
    trades = pd.DataFrame(
        {"event_ns": times, "instrument": "XXX", "price": day["PRICE"], "size": day["SIZE"].astype(float)}
    )
    made = candles(trades.assign(flags=read["flags"]), every="1min").set_index("event_ns")
    minute = trades["event_ns"] // MINUTE_NS * MINUTE_NS
    priced, counted = trades[read["last"]], trades[read["volume"]]
    by_minute = priced.groupby(minute[read["last"]])["price"]
    wanted = pd.DataFrame(
        {
            "open": by_minute.first(),
            "high": by_minute.max(),
            "low": by_minute.min(),
            "close": by_minute.last(),
        }
    )
    volume = counted.groupby(minute[read["volume"]])["size"].sum()
    assert made.index.tolist() == volume.index.tolist() and len(made) > 390
    assert made["volume"].tolist() == volume.tolist()
    pd.testing.assert_frame_equal(made[list(wanted)], wanted.reindex(made.index), check_names=False)
    unread = candles(trades, every="1min").set_index("event_ns")
    assert (unread[list(wanted)] != made[list(wanted)]).any(axis=1).sum() > 200 or exchanges
