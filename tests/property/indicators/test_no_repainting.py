"""What was said of a prefix of the market is said of the whole: nothing is repainted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.indicators.ticks.intensity import Intensity
from workstation.indicators.ticks.reversals import Reversals
from workstation.indicators.ticks.spikes import Spikes
from workstation.market.digest import digest
from workstation.market.tables import TRADES
from workstation.numerics.moving_averages import SMOOTHINGS

START_NS = pd.Timestamp("2026-11-02T09:00").value
SHORT: dict[str, Any] = {"ticks": 5, "length": 4, "window": 30}
ENGINES = (
    (Intensity, SHORT),
    (Intensity, {**SHORT, "smoothing": ("sma", "zlma")}),
    (Spikes, {**SHORT, "start_sd": 1.5}),
    (
        Reversals,
        {**SHORT, "momentum": 4, "moves": 20, "low": "1s", "high": "3s", "fast": 2, "slow": 3, "atr": 3, "volume": 3,
         "choppiness": 3, "choppiness_below": 90.0, "volume_factor": 0.5, "volume_over": 0.8},
    ),
)  # fmt: skip


def market(seed: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    excited = np.repeat(rng.choice([0.5, 4.0], size=rows // 12 + 1), 12)[:rows]
    names = np.array(["BTC/USD", "ETH/USD", "AAPL"])[rng.integers(0, 3, rows)]
    return TRADES.conform(
        pd.DataFrame(
            {
                "event_ns": START_NS + np.cumsum(rng.exponential(2e8, rows) / excited).astype(np.int64),
                "instrument": names,
                "price": np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 2e-4, rows) * excited)), 2),
                "size": np.round(rng.gamma(2.0, 1.0, rows) * excited, 2) + 0.01,
            }
        )
    )


@pytest.mark.parametrize(("kind", "parameters"), ENGINES)
def test_rows_of_a_prefix_begin_the_rows_of_the_whole(kind: Any, parameters: dict[str, Any]) -> None:
    said = 0

    @effort(25)
    @given(st.integers(0, 10_000), st.integers(1, 600))
    def law(seed: int, cut: int) -> None:
        nonlocal said
        ticks = market(seed, 600)
        whole = kind(**parameters).update(ticks)
        prefix = kind(**parameters).update(TRADES.conform(ticks.iloc[:cut]))
        assert digest(prefix) == digest(whole.iloc[: len(prefix)])
        said += len(prefix)

    law()
    assert said > 5


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_averages_of_a_prefix_begin_those_of_the_whole(smoothing: str) -> None:
    @effort(30)
    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=120), st.integers(1, 40), st.integers(0, 120))
    def law(values: list[float], length: int, cut: int) -> None:
        whole = SMOOTHINGS[smoothing](values, length)
        prefix = SMOOTHINGS[smoothing](values[:cut], length)
        scale = max(map(abs, values)) + 1.0
        np.testing.assert_allclose(prefix, whole[: prefix.size], rtol=0.0, atol=1e-13 * scale)

    law()


def test_at_most_one_signal_per_version_and_burst() -> None:
    """Between two signals of v1 or v2 the smoothed intensity was back at its baseline."""
    parameters = ENGINES[-1][1]
    ticks = market(3, 4_000)
    one = TRADES.conform(ticks[(ticks["instrument"] == "BTC/USD").to_numpy()])
    levels = Intensity(**SHORT).update(one)
    signals = Reversals(**parameters).update(one)
    calm = levels["event_ns"].to_numpy()[(levels["smoothed"] <= levels["mean_base"]).to_numpy()]
    for version in (1, 2):
        times = signals.loc[signals["version"] == version, "event_ns"].to_numpy()
        assert times.size > 5
        ended = np.searchsorted(calm, times, side="left")
        assert (np.diff(ended) > 0).all()
