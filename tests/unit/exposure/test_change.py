"""Change of net gex: which earlier snapshot is meant, which strike moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.exposure.change import MINUTES, GexHistory, change, most_changed_strike

MINUTE = 60_000_000_000


def snapshot(minute: float, gex: dict[float, float], **named: object) -> pd.DataFrame:
    rows = {
        "event_ns": round(minute * MINUTE),
        "underlying": "BTC",
        "strike": list(gex),
        "gex": list(gex.values()),
    }
    return pd.DataFrame({"expiry_ns": 1} | rows | named)


def test_latest_snapshot_at_or_before() -> None:
    rows = pd.concat(
        [
            snapshot(0.0, {1.0: 1.0}),
            snapshot(4.0, {1.0: 2.0}),
            snapshot(8.9, {1.0: 4.0}),
            snapshot(9.5, {1.0: 8.0}),
            snapshot(10.0, {1.0: 16.0}),
        ]
    )
    found = change(rows).iloc[0]
    assert found[["change_1m", "change_5m", "change_10m"]].tolist() == [12.0, 14.0, 15.0]
    assert np.isnan(found["change_15m"]) and np.isnan(found["change_strike_15m"])


def test_exactly_m_minutes_ago_counts() -> None:
    found = change(pd.concat([snapshot(5.0, {1.0: 1.0}), snapshot(6.0, {1.0: 3.0})]))
    assert found["change_1m"].item() == 2.0
    found = change(pd.concat([snapshot(5.0 + 1e-9, {1.0: 1.0}), snapshot(6.0, {1.0: 3.0})]))
    assert np.isnan(found["change_1m"].item())
    assert found["change_reason_1m"].item() == "no snapshot is 1 min old"


@pytest.mark.parametrize("minutes", MINUTES)
def test_an_older_snapshot_than_twice_the_span_does_not_count(minutes: int) -> None:
    last = snapshot(0.0, {1.0: 1.0})
    found = change(pd.concat([last, snapshot(2.0 * minutes, {1.0: 3.0})]))
    assert found[f"change_{minutes}m"].item() == 2.0 and found[f"change_reason_{minutes}m"].item() == ""
    found = change(pd.concat([last, snapshot(2.0 * minutes + 1e-6, {1.0: 3.0})]))
    assert np.isnan(found[f"change_{minutes}m"].item()) and np.isnan(
        found[f"change_strike_{minutes}m"].item()
    )
    assert "min old" in found[f"change_reason_{minutes}m"].item()


def test_unknown_gex_has_no_part_and_all_unknown_has_no_change() -> None:
    rows = [snapshot(0.0, {1.0: 1.0, 2.0: np.nan}), snapshot(1.0, {1.0: 4.0, 2.0: np.nan})]
    found = change(pd.concat(rows)).iloc[0]
    assert found[["net_gex", "change_1m", "change_strike_1m"]].tolist() == [4.0, 3.0, 1.0]
    found = change(pd.concat([snapshot(0.0, {1.0: 1.0}), snapshot(1.0, {1.0: np.nan})])).iloc[0]
    assert np.isnan(found["net_gex"]) and found["change_reason_1m"] == "net gex is not known"


def test_asof_leaves_later_snapshots_out() -> None:
    rows = pd.concat([snapshot(m, {1.0: float(m * m)}) for m in range(10)])
    found = change(rows, asof_ns=7 * MINUTE)
    assert found["event_ns"].item() == 7 * MINUTE
    assert found["change_1m"].item() == 49 - 36 and found["change_5m"].item() == 49 - 4


def test_expiries_are_summed_and_groups_kept_apart() -> None:
    rows = pd.concat(
        [
            snapshot(0, {1.0: 5.0, 2.0: 1.0}, sign_model="calls_long"),
            snapshot(0, {1.0: 5.0}, sign_model="calls_long", expiry_ns=7),
            snapshot(1, {1.0: 4.0, 2.0: 8.0}, sign_model="calls_long"),
            snapshot(1, {1.0: 100.0}, sign_model="short_all"),
        ]
    )
    found = change(rows).set_index("sign_model")
    assert found.loc["calls_long", ["net_gex", "change_1m", "change_strike_1m"]].tolist() == [12.0, 1.0, 2.0]
    assert np.isnan(found.loc["short_all", "change_1m"])


def test_a_strike_that_comes_or_goes_counts_as_zero_there() -> None:
    now, then = (np.array([1.0, 2.0]), np.array([5.0, 1.0])), (np.array([2.0, 3.0]), np.array([1.0, -7.0]))
    assert most_changed_strike(now=now, then=then, spot=0.0) == 3.0


def test_ties_go_to_the_nearer_strike_and_no_change_is_nan() -> None:
    strikes, zero = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    assert most_changed_strike(now=(strikes, zero + 1), then=(strikes, zero), spot=2.4) == 2.0
    assert most_changed_strike(now=(strikes, zero + 1), then=(strikes, zero), spot=2.5) == 2.0
    assert np.isnan(most_changed_strike(now=(strikes, zero), then=(strikes, zero), spot=2.0))


def test_nothing_in_nothing_out() -> None:
    found = change(pd.DataFrame({"event_ns": [], "underlying": [], "strike": [], "gex": []}))
    assert found.empty and "change_30m" in found.columns


def test_history_keeps_what_half_an_hour_needs_and_no_more() -> None:
    history = GexHistory()
    strikes = np.array([1.0])
    for tick in range(0, 2 * 3600, 10):
        history.add(tick * 10**9, float(tick), strikes, np.array([float(tick)]))
    now = 2 * 3600 - 10
    found = history.changes(
        asof_ns=now * 10**9, net_gex=float(now), strikes=strikes, gex=np.array([float(now)])
    )
    assert [moved.net_gex for moved in found] == [60.0 * m for m in MINUTES]
    assert len(history.snapshot()["times"]) == 181


def test_history_goes_on_from_its_snapshot() -> None:
    history = GexHistory()
    history.add(0, 1.0, np.array([5.0]), np.array([1.0]))
    history.add(1, float("nan"), np.array([]), np.array([]))
    again = GexHistory.of(history.snapshot())
    asked = {"asof_ns": MINUTE, "net_gex": 3.0, "strikes": np.array([5.0]), "gex": np.array([3.0])}
    assert again.changes(**asked)[0] == history.changes(**asked)[0] == (2.0, 5.0, 0, "")
