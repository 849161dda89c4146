"""Candles of several venues: kept apart in the store, put together where one series is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from workstation.history import open_history
from workstation.history.embedded.queries import Source, run
from workstation.history.warm_start import candles as recent_candles
from workstation.market.tables import CANDLES
from workstation.views.spacetime.history_loader import HistoryLoader

MINUTE = 60 * 10**9
T = pd.Timestamp("2026-03-20T14:30Z").value
CALL = "SPY   260320C00600000"


def bars(venues: list[str], **others: object) -> pd.DataFrame:
    words = {
        "event_ns": T, "every_ns": MINUTE, "instrument": CALL, "open": 1.0, "high": [1.1, 1.2], "low": [0.9, 0.8], "close": 1.0,
        "volume": [120.0, 80.0], "venue": venues, "closed": True,
    } | others  # fmt: skip
    return CANDLES.conform(pd.DataFrame(words))


@pytest.mark.parametrize("rolled", [False, True])
def test_one_series_of_two_venues(tmp_path: Path, rolled: bool) -> None:
    history = open_history(tmp_path)
    history.write("candles", bars(["xcbo", "xisx"]))
    if rolled:
        history.roll("candles")
    assert len(history.read("candles")) == len(history.latest("candles")) == 2
    for one in (
        HistoryLoader(history.sql).candles(CALL, MINUTE, T, T + 1),
        recent_candles(history, MINUTE, 10, {"option"}),
    ):
        assert one[["high", "low", "volume", "venue"]].values.tolist() == [[1.2, 0.8, 200.0, ""]]
        assert np.isnan(one["close"].tolist()[0])
    history.write("candles", bars(["xcbo", "xisx"], revision=1, volume=[1.0, 2.0]))
    assert history.read("candles")["volume"].tolist() == [1.0, 2.0], "each venue's later row counts"
    assert history.sql("SELECT sum(volume) AS v FROM candles")["v"].tolist() == [3.0]
    history.close()


def test_a_segment_older_than_the_venue_is_of_all_venues(tmp_path: Path) -> None:
    history = open_history(tmp_path / "h")
    history.write("candles", bars(["", ""], event_ns=[T, T + MINUTE]))
    history.roll("candles")
    history.close()
    (segment,) = (tmp_path / "h" / "segments").rglob("*.parquet")
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    rows = pq.read_table(segment)
    pq.write_table(rows.drop_columns(["venue"]), old)
    place = rows.column_names.index("_order")
    pq.write_table(rows.slice(1).set_column(place, "_order", [[9]]), new)
    answer = run("SELECT event_ns, venue FROM candles", {}, [Source(CANDLES, [old, new])])
    assert sorted(answer["event_ns"].tolist()) == [T, T + MINUTE], (
        "the later row replaces the older segment's"
    )
    assert answer["venue"].tolist() == ["", ""]
