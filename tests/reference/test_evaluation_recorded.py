"""Reversals of a recorded day, evaluated: every return again by bisection, one signal at a time."""

from __future__ import annotations

from bisect import bisect_right
from math import log
from pathlib import Path

import numpy as np
import pytest

from tests.reference.test_indicators_recorded import ticks_of
from workstation.indicators.ticks.reversals import reversals
from workstation.research.evaluate import evaluate

pytestmark = pytest.mark.recorded
STALE_NS = 300 * 10**9


def test_reversals_of_a_day_by_bisection(sample_data: Path) -> None:
    ticks = ticks_of(sample_data, "AIG").iloc[:120_000]
    signals = reversals(ticks, version=(1, 2))
    made = evaluate(signals, ticks, ["1min", "15min"], close=False, draws=20)
    times, prices = ticks["event_ns"].tolist(), ticks["price"].tolist()
    assert len(signals) > 100
    measured = 0
    for at, signal in enumerate(signals.sort_values("event_ns", kind="stable").itertuples()):
        entry = bisect_right(times, signal.event_ns)
        for horizon, minutes in enumerate((1, 15)):
            until = signal.event_ns + minutes * 60 * 10**9
            last = bisect_right(times, until) - 1
            told = float(made["forward_bps"][at, horizon])
            if (
                until > times[-1]
                or times[entry] - signal.event_ns > STALE_NS
                or until - times[last] > STALE_NS
                or last < entry
            ):
                assert np.isnan(told)
            else:
                measured += 1
                assert told == pytest.approx(signal.side * 1e4 * log(prices[last] / prices[entry]), abs=1e-9)
    assert measured == int(made["measured"].sel(group="all").sum())
    assert (made["entry_ns"] > made["event_ns"]).all()
    assert (made["effective"] <= made["measured"]).all()
    assert (made["hit_low"] <= made["hit_rate"]).all() and (made["hit_rate"] <= made["hit_high"]).all()
    rates = made["baseline_hit_rate"].sel(group="all").values
    assert (np.abs(rates - 0.5) < 0.1).all()
