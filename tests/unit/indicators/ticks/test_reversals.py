"""Reversals and spikes: one per burst, evidence, gaps, refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from workstation.indicators.ticks.reversals import EVIDENCE, Reversals, reversals
from workstation.indicators.ticks.spikes import Spikes, spikes
from workstation.market.tables import HEALTH, TRADES

SECOND = 10**9
CALM, RUN, BACK = [1, -1] * 40, [9] * 12, [-9, *[-1] * 12]


def path(*parts: list[int]) -> pd.DataFrame:
    """Ticks a second apart whose returns are these, in bps."""
    prices = np.exp(np.cumsum([0, *np.concatenate(parts)]) * 1e-4)
    return TRADES.conform(
        pd.DataFrame(
            {"event_ns": np.arange(prices.size) * SECOND, "instrument": "X", "price": prices, "size": 1.0}
        )
    )


SHORT = {"ticks": 4, "window": 40}


def test_a_burst_turns_once() -> None:
    rows = reversals(path(CALM, RUN, BACK, [-9] * 3, BACK), **SHORT)
    assert rows[["version", "side"]].values.tolist() == [[1, -1]]


def test_a_burst_down_turns_up() -> None:
    down = [-step for step in RUN]
    rows = reversals(path(CALM, down, [-step for step in BACK]), **SHORT)
    assert rows["side"].tolist() == [1]


def test_evidence_holds_the_numbers_that_fired() -> None:
    rows = reversals(path(CALM, RUN, BACK), version=(1, 2), momentum=3, moves=40, **SHORT)
    assert sorted(rows["version"]) == [1, 2]
    for row in rows.to_dict("records"):
        told = json.loads(row["evidence"])
        assert tuple(told) == EVIDENCE[row["version"]]
        assert row["strength"] > 1.0
        if row["version"] == 1:
            assert told["peak"] - told["smoothed"] > told["buffer"] and told["velocity"] <= 0.0
        else:
            assert told["pull_back_bps"] > told["sd_bps"] and told["momentum_bps"] < 0.0
            assert told["extreme"] > row["price"]


@pytest.mark.parametrize("cut", [len(CALM), len(CALM) + 6, len(CALM) + 12])
def test_no_signal_across_a_gap(cut: int) -> None:
    ticks = path(CALM, RUN, BACK)
    gap = HEALTH.conform(pd.DataFrame({"event_ns": [cut * SECOND], "event": "gap"}))
    for engine in (Reversals(versions=(1, 2), momentum=3, moves=40, **SHORT), Spikes(**SHORT, start_sd=1.0)):
        assert len(type(engine)(engine.parameters).update(ticks))
        engine.update(TRADES.conform(ticks.iloc[:cut]))
        engine.update(gap, "health")
        assert engine.update(TRADES.conform(ticks.iloc[cut:])).empty
        assert not engine.readiness()["ready"].any()
        assert engine.readiness()["reset_ns"].tolist() == [cut * SECOND]


def test_what_is_brought_after_a_break_fills_the_windows_and_says_nothing_of_the_time_before_it_ended() -> (
    None
):
    ticks = path(CALM, RUN, BACK)
    parameters = {"versions": (1, 2), "momentum": 3, "moves": 40, **SHORT}
    fired = Reversals(**parameters).update(ticks)["event_ns"].tolist()
    for end_ns in (min(fired) - 1, min(fired), max(fired)):
        engine = Reversals(**parameters)
        gap = HEALTH.conform(
            pd.DataFrame({"event_ns": [end_ns + 7], "event": "gap", "start_ns": [0], "end_ns": [end_ns]})
        )
        engine.update(TRADES.conform(ticks.iloc[:3]))
        engine.update(gap, "health")
        again = engine.update(ticks)["event_ns"].tolist()
        assert again == [at for at in fired if at > end_ns + 7]
        assert engine.readiness()["ready"].all()
        restored = Reversals(**parameters)
        restored.restore(engine.snapshot())
        assert restored.readiness().equals(engine.readiness())


def test_a_market_that_stands_still_says_nothing() -> None:
    ticks = path([0] * 200)
    assert reversals(ticks, version=(1, 2, 3, 4), **SHORT).empty
    assert spikes(ticks, **SHORT).empty


def test_version_and_versions() -> None:
    assert Reversals(version=3).parameters.versions == (3,)
    assert Reversals().parameters.versions == (1, 2, 3, 4)
    with pytest.raises(ValueError, match="not both"):
        Reversals(version=1, versions=(2,))
    with pytest.raises(ValueError, match="versions must be"):
        Reversals(version=5)
    with pytest.raises(ValueError, match="hold"):
        Reversals(hold="0s")
    with pytest.raises(ValueError, match="at least end_sd"):
        Spikes(start_sd=0.5)
