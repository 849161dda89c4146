"""Walls of open interest that change: worked by hand, with their evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from workstation.exposure.wall_alerts import WallAlerts, WallAlertsParameters, _wall_row
from workstation.exposure.wall_changes import WallChange, WallReport
from workstation.market.tables import HEARTBEAT, MARKS

Make = Callable[..., pd.DataFrame]
START = pd.Timestamp("2026-11-01 00:00", tz="UTC").value
SECOND = 10**9


def beat(second: float) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [START + round(second * SECOND)]}))


def one(rows: pd.DataFrame) -> tuple[pd.Series, dict[str, Any]]:
    assert len(rows) == 1, rows[["kind", "explanation"]].to_dict("records")
    return rows.iloc[0], json.loads(rows["evidence"].iloc[0])


def marks_at(make_marks: Make, second: float, **held: float) -> pd.DataFrame:
    frame = make_marks(event_ns=START + round(second * SECOND))
    for name, value in held.items():
        frame.loc[frame["instrument"].str.endswith(name.replace("_", "-")), "open_interest"] = value
    return MARKS.conform(frame)


def test_a_wall_that_changes_is_told_with_before_and_after(make_marks: Make) -> None:
    engine = WallAlerts(walls=2)
    assert not len(engine.update(marks_at(make_marks, 1), "marks"))
    assert not len(engine.update(beat(60), "heartbeat")), "the first look is what it is measured against"
    frame = make_marks()
    calls = frame[frame["instrument"].str.endswith("C")]
    before = (
        calls["open_interest"].groupby(calls["instrument"].str.extract(r"-(\d+)-C$")[0].astype(float)).sum()
    )
    assert not len(engine.update(marks_at(make_marks, 61, **{"_100000_C": 4000.0}), "marks"))
    row, evidence = one(engine.update(beat(120), "heartbeat"))
    assert row["kind"] == "oi_wall_change" and row["event_ns"] == START + 120 * SECOND
    assert row["alert_id"] == f"oi_wall_change:BTC:C:{START + 120 * SECOND}" and pd.isna(row["instrument"])
    assert evidence["since_ns"] == START + 60 * SECOND and evidence["right"] == "C"
    assert [wall["strike"] for wall in evidence["walls_before"]] == before.nlargest(2).index.tolist()
    (change,) = evidence["changes"]
    assert (change["strike"], change["before"], change["now"]) == (1e5, before[1e5], 8000.0)
    assert change["rank_now"] == 1 and evidence["walls_now"][0] == {"strike": 1e5, "open_interest": 8000.0}
    assert (
        "call open interest: 100,000 up from" in row["explanation"]
        and "call walls below spot 100,000" in row["explanation"]
    )
    assert not len(engine.update(beat(180), "heartbeat"))
    assert not len(engine.update(marks_at(make_marks, 181, **{"_100000_C": 4000.0}), "marks"))
    assert not len(engine.update(beat(240), "heartbeat")), "nothing new"


@pytest.mark.parametrize(
    ("right", "spot", "words"),
    [
        ("C", 105.0, "resistance now 110; call walls below spot 100"),
        ("C", 99.0, "resistance now 100, 110"),
        ("C", 120.0, "call walls below spot 100, 110"),
        ("P", 105.0, "support now 100; put walls above spot 110"),
        ("P", 110.0, "support now 100, 110"),
    ],
)
def test_a_wall_behind_spot_is_neither_support_nor_resistance(right: str, spot: float, words: str) -> None:
    walls = [(100.0, 9.0), (110.0, 5.0)]
    change = WallChange(100.0, 4.0, 9.0, 0, 1)
    report = WallReport("X", right, START, START, spot, walls, walls, [change])
    told = _wall_row(report, floor_usd=1.0)["explanation"]
    assert told.endswith(f"(new); {words}"), told


def test_small_changes_add_up_until_they_are_told(make_marks: Make) -> None:
    engine = WallAlerts(walls=5, share=0.1)
    told = []
    for minute, held in enumerate((1000.0, 1040.0, 1080.0, 1115.0, 1120.0)):
        engine.update(marks_at(make_marks, 60 * minute + 1, **{"_90000_P": held}), "marks")
        told.append(len(engine.update(beat(60 * minute + 60), "heartbeat")))
    assert told == [0, 0, 0, 1, 0]


def test_neither_a_chain_in_pieces_nor_an_expiry_is_a_change(make_marks: Make) -> None:
    engine = WallAlerts(walls=5, share=0.01)
    frame = make_marks()
    late = frame["instrument"].str.contains("261225")
    engine.update(MARKS.conform(frame[~late].assign(event_ns=START + SECOND)), "marks")
    assert not len(engine.update(beat(60), "heartbeat"))
    engine.update(MARKS.conform(frame[late].assign(event_ns=START + 61 * SECOND)), "marks")
    assert not len(engine.update(beat(120), "heartbeat"))
    expired = pd.Timestamp("2026-11-27 08:00", tz="UTC").value
    engine.update(MARKS.conform(frame[late].assign(event_ns=expired + 1)), "marks")
    assert not len(
        engine.update(HEARTBEAT.conform(pd.DataFrame({"event_ns": [expired + 61 * SECOND]})), "heartbeat")
    )


@pytest.mark.parametrize("wrong", [{"walls": 0}, {"share": 0.0}, {"usd": -1.0}, {"every": "0s"}])
def test_parameters_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        WallAlertsParameters(**wrong)
