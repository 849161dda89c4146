"""Replay in blocks gives the rows that replay batch by batch through a hub gives, bit for bit and in their order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from tests.property.engine_streams import OPTIONS, ROWS, SECOND, SPOTS, START_NS, among, fixed_stream, in_runs
from workstation.engines import EngineParameters, standard_engines
from workstation.exposure.cascade_engine import CascadeParameters
from workstation.feeds.synthetic.feed import Synthetic
from workstation.feeds.tape.tape import FramesOf, Recording, Tape
from workstation.history import open_history
from workstation.indicators.candles.engine import Candles
from workstation.indicators.ticks.windows import TickWindowParameters
from workstation.market.digest import digest
from workstation.market.tables import TABLES
from workstation.research import replay as ways
from workstation.research.importing import import_files
from workstation.research.unpaced import suits
from workstation.streams.hub import Hub

pytestmark = pytest.mark.filterwarnings("ignore::workstation.indicators.batch.trade_batch.LateTradesWarning")

SHORT = EngineParameters(ticks=TickWindowParameters(ticks=2, length=3, window=5, split=0.6))
FLOW = EngineParameters(exposure=CascadeParameters(sign_model="flow"), ticks=SHORT.ticks)
MARKET = ("trades", "quotes", "marks", "liquidations")
ACCOUNT = ("fills", "positions")
REST = ("heartbeat", "health", "instruments")


def _row(draw: st.DrawFn, table: str) -> dict[str, object]:
    row = ROWS[table](draw)
    if table == "quotes":
        row["instrument"] = draw(among(SPOTS + OPTIONS))
        row["exchange"] = draw(among(("", "", "X")))
    if table == "instruments":
        row["instrument"] = draw(among(SPOTS[:2] + OPTIONS[:2]))
        row["kind"] = draw(among(("spot", "option")))
    return row


@st.composite
def recordings(draw: st.DrawFn) -> dict[str, pd.DataFrame]:
    """Rows of several tables, late ones and long gaps among them; numbered as accepted, or not at all."""
    kinds = MARKET + draw(among(((), ACCOUNT))) + draw(among(((), ("heartbeat",), REST)))
    numbered = draw(st.booleans())
    at, rows = START_NS, []
    for _ in range(draw(st.integers(1, 60))):
        table = draw(among(kinds))
        at += draw(among((0, 1, SECOND // 4, SECOND, 3 * SECOND, 7 * SECOND, 75 * SECOND, 400 * SECOND)))
        back = draw(among((0, 0, 0, 1, 2 * SECOND, 130 * SECOND)))
        rows.append((table, {"event_ns": at - back, **_row(draw, table)}))
    held: dict[str, list[pd.DataFrame]] = {}
    for table, frame in in_runs(rows):
        held.setdefault(table, []).append(frame if numbered else frame.assign(seq=0))
    return {
        table: TABLES[table].concat([TABLES[table].conform(one) for one in parts])
        for table, parts in held.items()
    }


def both(recording: Recording, parameters: EngineParameters, **bounds: Any) -> list[dict[str, str]]:
    """Digests of every derived table, by blocks and batch by batch."""
    found = []
    for way in (ways._in_blocks, ways._through_hub):
        engines = standard_engines(["1s", "10s", "1min"], parameters=parameters)
        assert suits(engines, Tape(recording, **bounds).tables)
        made, _ = way(Tape(recording, speed="max", **bounds), engines)
        found.append({table: digest(TABLES[table].concat(frames)) for table, frames in made.items()})
    return found


@effort(25)
@given(recordings(), st.sampled_from([SHORT, FLOW]))
def test_blocks_give_what_batches_give(
    recording: dict[str, pd.DataFrame], parameters: EngineParameters
) -> None:
    blocks, batches = both(FramesOf(recording), parameters)
    assert blocks == batches


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("tables", "rows"), [(MARKET, 50), (MARKET, 300), (MARKET + REST, 50), (MARKET + ACCOUNT + REST, 300)]
)
def test_long_mixed_streams(tables: tuple[str, ...], rows: int) -> None:
    held: dict[str, list[pd.DataFrame]] = {}
    for table, frame in fixed_stream(tables, rows=rows):
        held.setdefault(table, []).append(frame)
    recording = {table: TABLES[table].concat(frames) for table, frames in held.items()}
    blocks, batches = both(FramesOf(recording), SHORT)
    assert blocks == batches
    assert len(set(blocks.values())) > 3  # most tables have rows


def test_a_heartbeat_between_two_moments_counts() -> None:
    """Candles of two lengths, due at two seconds, with one trade after both: each second's come by themselves."""
    second = START_NS + 7 * SECOND
    trades = pd.DataFrame(
        {
            "event_ns": [second, second + SECOND, second + 2 * SECOND, second + 9 * SECOND],
            "instrument": "X", "price": [1.0, 2.0, 3.0, 4.0], "size": 1.0,
        }
    )  # fmt: skip
    found = []
    for way in (ways._in_blocks, ways._through_hub):
        made, _ = way(Tape({"trades": trades}, speed="max"), [Candles(every=("1s", "2s"), lateness="3s")])
        rows = TABLES["candles"].concat(made["candles"])
        found.append(list(zip(rows["event_ns"], rows["every_ns"] // SECOND, strict=True)))
    assert found[0] == found[1]
    assert [length for _, length in found[0]] != sorted(length for _, length in found[0])


def test_quotes_of_options_count() -> None:
    """A chain that its quotes price, with quotes of its spot in between."""
    names = [
        f"BTC/USD:BTC-261225-{strike}-{right}" for strike in range(80_000, 125_000, 5_000) for right in "CP"
    ]
    first = pd.DataFrame({"event_ns": START_NS, "instrument": names, "open_interest": 5.0, "index": 1e5})
    told = [name for option in names for name in (option, "BTC/USD")]
    quotes = pd.DataFrame(
        {
            "event_ns": START_NS + SECOND * np.arange(len(told)), "instrument": told, "bid": 0.04, "ask": 0.05,
        }
    )  # fmt: skip
    later = START_NS + SECOND * np.arange(len(told), len(told) + 30)
    spot = pd.DataFrame({"event_ns": later, "instrument": "BTC/USD", "bid": 1e5, "ask": 1e5})
    recording = {"marks": first, "quotes": pd.concat([quotes, spot], ignore_index=True)}
    blocks, batches = both(FramesOf(recording), SHORT)
    assert blocks == batches
    without, _ = both(FramesOf({"marks": first, "quotes": spot}), SHORT)
    assert blocks["exposures"] != without["exposures"]


def test_what_blocks_do_not_suit() -> None:
    """Raw frames, and windows that an event of the hub's own empties, take the way through the hub."""
    heeding = EngineParameters(ticks=TickWindowParameters(breaks=("late",)))
    assert suits(standard_engines(), ("trades",))
    assert not suits(standard_engines(), ("frames",))
    assert not suits(standard_engines(parameters=heeding), ("trades",))


def test_seq_of_derived_rows_is_unique_and_rises() -> None:
    held: dict[str, list[pd.DataFrame]] = {}
    for table, frame in fixed_stream(MARKET, rows=400):
        held.setdefault(table, []).append(frame)
    made = ways.replay({table: TABLES[table].concat(frames) for table, frames in held.items()})
    numbers = np.concatenate([rows["seq"].to_numpy() for rows in made.values()])
    assert np.unique(numbers).size == numbers.size > 0
    assert all((np.diff(rows["seq"]) > 0).all() for rows in made.values())


@pytest.mark.thorough
@pytest.mark.parametrize("flavour", ["crypto", "us"])
def test_synthetic_market(flavour: str) -> None:
    """Whole chains, trades and quotes, as a hub numbered them."""
    feed = Synthetic(
        flavour=flavour, rate=200.0, start_ns=START_NS, duration_s=65.0, speed="max", history_minutes=0.0
    )
    hub, held = Hub(), dict[str, list[pd.DataFrame]]()
    hub.attach("keep", ROWS, lambda table, frame: held.setdefault(table, []).append(frame))

    async def record() -> None:
        await feed.connect()
        hub.publish("instruments", await feed.instruments())
        async for batch in feed.batches():
            hub.publish(batch.table, batch.frame)

    asyncio.run(record())
    recording = {table: TABLES[table].concat(frames) for table, frames in held.items()}
    blocks, batches = both(FramesOf(recording), EngineParameters())
    assert blocks == batches
    assert len(set(blocks.values())) > 5


@pytest.mark.thorough
def test_recorded_equity(sample_data: Path, tmp_path: Path) -> None:
    """Five minutes of trades and quotes that alternate."""
    files = sorted(sample_data.glob("equities_prints/lean/**/aig/20131008_*.zip"))
    history = open_history(tmp_path / "history")
    import_files(history, "lean", files)
    blocks, batches = both(history, EngineParameters(), start="2013-10-08T13:30", end="2013-10-08T13:35")
    history.close()
    assert blocks == batches
