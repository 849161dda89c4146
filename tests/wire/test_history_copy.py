"""A history copied to the stand-in of InfluxDB 3 and back: the same rows, whatever the server does meanwhile."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from tests.unit.history.store_rows import trades
from tests.wire.influx_server import InfluxServer
from workstation.history import open_history
from workstation.history.copying import copy_history
from workstation.market.digest import digest
from workstation.market.errors import HistoryError, HistoryUnreachable

NS = 1_700_000_000_000_000_000
CANDLE = {
    "instrument": "AAA",
    "every_ns": 60,
    "open": 1.0,
    "high": 9.0,
    "low": 1.0,
    "volume": 1.0,
    "venue": "here",
}


@pytest.fixture
def source(tmp_path):
    with open_history(tmp_path / "source", upkeep=False) as one:
        one.write("trades", trades(0, 80).assign(event_ns=NS + np.arange(80) // 2))
        row = {
            "event_ns": NS + np.arange(20) // 5,
            "instrument": "BBB",
            "price": 1.0 + np.arange(20) // 10,
            "size": 2.0,
        }
        one.write("trades", pd.DataFrame(row))
        one.write("candles", pd.DataFrame([CANDLE | {"seq": 90, "event_ns": NS, "close": 2.0}]))
        one.write(
            "candles", pd.DataFrame([CANDLE | {"seq": 85, "event_ns": NS, "close": 4.0, "revision": 1}])
        )
        yield one


def digests(history):
    return {name: digest(history.read(name, revisions=True)) for name in ("trades", "candles")}


def test_there_and_back_every_row_is_the_same(source, tmp_path):
    with (
        InfluxServer() as server,
        open_history(server.url, queue_folder=tmp_path / "queue") as target,
        open_history(tmp_path / "back", upkeep=False) as back,
    ):
        there = copy_history(source, target, piece_rows=40)
        assert there.equal, there
        assert {one.table: (one.rows, one.written) for one in there.tables} == {
            "trades": (100, 100),
            "candles": (2, 2),
        }
        again = copy_history(source, target)
        assert again.equal and sum(one.written for one in again.tables) == 0
        assert copy_history(target, back, piece_rows=30).equal
        assert digests(source) == digests(target) == digests(back)
        assert back.read("candles")["close"].tolist() == target.read("candles")["close"].tolist() == [4.0]
        assert server.hits["/api/v3/write_lp"] == sum(server.hits.values())


def test_a_server_that_goes_away_midway_costs_nothing(source, tmp_path):
    with (
        InfluxServer() as server,
        open_history(server.url, queue_folder=tmp_path / "queue", timeout_seconds=2.0) as target,
    ):
        server.answers.extend(["cut", "break", (503, {"Retry-After": "0"}, b"")])
        assert copy_history(source, target, ["trades"], piece_rows=25).equal
        assert len(server.rows["trades"]) == 100


def test_what_the_server_cannot_keep_is_told_and_costs_no_neighbour(source, tmp_path):
    source.note_recording(1, ["synthetic"], invented=True)
    source.write(
        "frames", pd.DataFrame({"event_ns": [NS], "feed": "deribit", "channel": "c", "payload": [b"{}"]})
    )
    source.write("trades", trades(200, 3).assign(event_ns=NS + 100, index=[1.0, np.inf, 2.0]))
    with InfluxServer() as server, open_history(server.url, queue_folder=tmp_path / "queue") as target:
        made = copy_history(source, target)
        assert "bytes" in made.failures["frames"] and "does not keep which rows are invented" in made.notes[0]
        told = {one.table: one for one in made.tables}
        assert told["candles"].equal and not told["trades"].equal
        assert (
            told["trades"].written == 102
            and "1 rows refused, the first: trades.index" in told["trades"].difference
        )


def test_a_copy_into_a_server_that_is_down_says_to_start_again(source, tmp_path):
    with InfluxServer() as server:
        url = server.url
    with (
        open_history(url, queue_folder=tmp_path / "queue", timeout_seconds=1.0) as target,
        pytest.raises(HistoryUnreachable),
    ):
        copy_history(source, target)


@pytest.mark.skipif(
    not os.environ.get("WORKSTATION_INFLUX_URL"), reason="WORKSTATION_INFLUX_URL names no server"
)
def test_a_real_server_gives_back_what_it_took(source, tmp_path):
    with open_history(os.environ["WORKSTATION_INFLUX_URL"], queue_folder=tmp_path / "queue") as target:
        try:
            made = copy_history(source, target)
        except HistoryError as error:
            pytest.fail(str(error))
        assert made.equal
