"""Signals tell the numbers that fired them beside the thresholds they had to pass."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from workstation.indicators.ticks.reversals import EVIDENCE, reversals
from workstation.market.tables import TRADES
from workstation.views.spacetime.signal_reasons import Reason, reasons, table, words
from workstation.views.widgets.formats import THIN


def told(version: int, side: int, **numbers: float | None) -> dict[str, Reason]:
    return {reason.what: reason for reason in reasons(version, side, json.dumps(numbers))}


def test_v1_says_how_far_intensity_fell_and_that_velocity_turned() -> None:
    found = told(1, -1, smoothed=4.0, peak=12.0, mean_base=3.0, buffer=2.5, velocity=-0.2, burst_seconds=4.2)
    assert found["intensity fell to"] == Reason(
        "intensity fell to", f"4{THIN}bps/s", f"< peak − buffer = 9.5{THIN}bps/s"
    )
    assert found["velocity"].value == f"−0.2{THIN}bps/s" and found["velocity"].limit == "≤ 0: no longer up"
    assert found["peak of the burst up"].limit == f"mean 3 + buffer 2.5 = 5.5{THIN}bps/s now"


def test_v2_says_the_pull_back_and_its_deviation() -> None:
    found = told(
        2, 1, extreme=100.0, pull_back_bps=2.0, sd_bps=1.5, momentum_bps=0.7, peak=9.0, mean_base=3.0, buffer=2.0, burst_seconds=1.0
    )  # fmt: skip
    assert found["pull-back from 100.00"].value == f"2{THIN}bps"
    assert found["pull-back from 100.00"].limit == f"> 1 sd of 50-tick moves = 1.5{THIN}bps"
    assert found["move of 50 ticks"].limit == "> 0: up"


@pytest.mark.parametrize(("high_slope", "stretched"), [(0.5, False), (-0.5, True)])
def test_v3_says_whether_the_slow_average_agrees_or_price_is_stretched(
    high_slope: float, stretched: bool
) -> None:
    found = told(
        3, 1, held_seconds=12.0, low_slope=0.4, high_slope=high_slope, high_ema=101.0, beyond=9.0, atr=4.0, volume=30.0,
        volume_mean=10.0,
    )  # fmt: skip
    assert found["v1 held for"].limit == f"≤ 60{THIN}s"
    assert found["volume, 10s candle"].limit == "≥ 1.5 × mean of 20 = 15"
    assert ("price beyond that EMA" in found) is stretched
    if stretched:
        assert found["price beyond that EMA"].limit == "> 2 ATR 14 = 8"


def test_what_is_not_the_rules_evidence_is_told_as_it_is() -> None:
    assert told(1, 1, smoothed=31.25)["smoothed"] == Reason("smoothed", "31.25")
    assert told(1, 1, buffer=None)["buffer"].value == "–"
    assert reasons(1, 1, "") == [] and reasons(1, 1, "[1]") == [Reason("evidence", "[1]")]


def test_text_of_others_is_no_markup() -> None:
    assert "<b>" not in table([Reason("<b>", "<b>", "<b>")]).replace("<b>&lt;b&gt;</b>", "")


def test_every_signal_of_the_engine_passes_the_thresholds_it_is_told_with() -> None:
    rng = np.random.default_rng(3)
    count = 60_000
    burst = np.where(np.sin(np.arange(count) / 700) > 0.8, 6.0, 1.0)
    trades = TRADES.conform(
        pd.DataFrame(
            {
                "seq": np.arange(1, count + 1), "event_ns": np.cumsum(rng.integers(10**6, 3 * 10**7, count)), "instrument": "X",
                "price": 100 * np.exp(np.cumsum(burst * rng.normal(0, 2e-5, count))), "size": burst * rng.exponential(1.0, count),
            }
        )
    )  # fmt: skip
    found = reversals(trades, version=(1, 2, 3, 4))
    assert set(found["version"]) >= {1, 2}
    for row in found.itertuples():
        reason = reasons(row.version, row.side, row.evidence)
        assert set(EVIDENCE[row.version]) and all(each.value not in ("", "–") for each in reason), reason
        assert words(reason).count(" · ") == len(reason) - 1
        held = json.loads(row.evidence)
        if row.version == 1:
            assert held["smoothed"] < held["peak"] - held["buffer"]
            assert held["velocity"] * row.side >= 0
