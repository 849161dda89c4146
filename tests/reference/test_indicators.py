"""Tick indicators against their definitions in plain Python, and rolling numbers against two passes."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

from tests.reference import indicator_oracle as oracle
from workstation.indicators.candles.engine import candles
from workstation.indicators.ticks.intensity import intensity
from workstation.indicators.ticks.reversals import reversals
from workstation.indicators.ticks.spikes import spikes
from workstation.numerics.moving_averages import ema, sma, zlma
from workstation.numerics.rolling import rolling_max, rolling_min, rolling_moments, rolling_sum

START_NS = pd.Timestamp("2026-11-02T09:00").value
MEASURES = ["intensity", "velocity", "efficiency", "smoothed", "mean_base", "sd_base", "buffer"]


def bursty(rows: int, seed: int, instrument: str = "BTC/USD", mean_ms: float = 120.0) -> pd.DataFrame:
    """Ticks whose pace and size of step change, with runs in one direction."""
    rng = np.random.default_rng(seed)
    excited = np.repeat(rng.choice([0.0, 1.0], p=[0.9, 0.1], size=rows // 50 + 1), 50)[:rows]
    drift = np.repeat(rng.normal(0.0, 1.0, rows // 50 + 1), 50)[:rows] * excited
    steps = rng.normal(0.0, 0.4, rows) * (1.0 + 2.0 * excited) + drift
    gaps = rng.exponential(mean_ms, rows) / (1.0 + 4.0 * excited)
    return pd.DataFrame(
        {
            "event_ns": START_NS + (np.cumsum(gaps) * 1e6).astype(np.int64),
            "instrument": instrument,
            "price": np.round(100.0 * np.exp(np.cumsum(steps) * 1e-4), 3),
            "size": np.round(rng.gamma(2.0, 1.0, rows) * (1.0 + 3.0 * excited), 2) + 0.01,
        }
    )


def interleaved() -> pd.DataFrame:
    parts = [bursty(4_000, 1), bursty(3_000, 2, "ETH/USD", 170.0)]
    return pd.concat(parts).sort_values("event_ns", kind="stable", ignore_index=True)


@cache
def interleaved_rows(name: str, kind: str) -> list[dict[str, float]]:
    """The measures of one instrument of ``interleaved``, once for all tests."""
    return rows_of(interleaved(), name, kind=kind)


def rows_of(trades: pd.DataFrame, name: str, **parameters: object) -> list[dict[str, float]]:
    own = trades[trades["instrument"] == name]
    return oracle.measured(own["event_ns"].tolist(), own["price"].tolist(), **parameters)  # type: ignore[arg-type]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["sma", "ema", "zlma"])
def test_intensity_is_its_definition(kind: str) -> None:
    trades = interleaved()
    got = intensity(trades, smoothing=kind)
    for name in ("BTC/USD", "ETH/USD"):
        wanted = pd.DataFrame(interleaved_rows(name, kind))
        own = got[got["instrument"] == name]
        assert own["event_ns"].tolist() == wanted["event_ns"].tolist()
        for column in MEASURES:
            np.testing.assert_allclose(own[column], wanted[column], rtol=1e-9, atol=1e-9, err_msg=column)
    assert got["buffer"].notna().sum() > 3_000


def test_intensity_with_other_numbers_is_its_definition() -> None:
    trades = bursty(900, 3)
    got = intensity(trades, ticks=7, smoothing="zlma", length=6, window=50, split=0.5, k=3.0)
    wanted = pd.DataFrame(rows_of(trades, "BTC/USD", ticks=7, length=6, window=50, split=0.5, k=3.0))
    for column in MEASURES:
        np.testing.assert_allclose(got[column], wanted[column], rtol=1e-9, atol=1e-9, err_msg=column)


def test_spikes_are_their_definition() -> None:
    trades = interleaved()
    got = spikes(trades)
    total = 0
    for name in ("BTC/USD", "ETH/USD"):
        wanted = oracle.spikes(interleaved_rows(name, "zlma"))
        own = got[got["instrument"] == name]
        columns = ["start_ns", "peak_ns", "end_ns", "height_sd", "peak", "direction"]
        assert own[columns[:3]].values.tolist() == [list(row[:3]) for row in wanted]
        np.testing.assert_allclose(own[columns[3:]].astype(float), [row[3:] for row in wanted], rtol=1e-9)
        total += len(wanted)
    assert total >= 5


def test_reversals_1_and_2_are_their_definition() -> None:
    trades = interleaved()
    got = reversals(trades, version=(1, 2))
    total: set[int] = set()
    for name in ("BTC/USD", "ETH/USD"):
        wanted = oracle.burst_reversals(interleaved_rows(name, "zlma"))
        own = got[got["instrument"] == name]
        assert [tuple(row) for row in own[["event_ns", "version", "side"]].values.tolist()] == wanted
        total |= {version for _, version, _ in wanted}
    assert total == {1, 2}


def test_reversals_3_and_4_are_their_definition() -> None:
    trades = bursty(45_000, 5)
    low, high = (candles(trades, every=every) for every in ("10s", "1min"))
    closed = [frame[frame["closed"]].to_dict("records") for frame in (low, high)]
    got = reversals(trades, version=(1, 3, 4))
    signals = {
        v: [tuple(r) for r in got.loc[got["version"] == v, ["event_ns", "version", "side"]].values.tolist()]
        for v in (1, 3, 4)
    }
    assert signals[4] == oracle.crossings(closed[0], 10 * 10**9)
    plain = list(
        zip(trades["event_ns"].tolist(), trades["price"].tolist(), trades["size"].tolist(), strict=True)
    )
    assert signals[3] == oracle.confirmations(signals[1], plain, *closed)
    assert len(signals[3]) >= 2 and len(signals[4]) >= 2, signals


def two_passes(values: np.ndarray, window: int, places: list[int]) -> list[tuple[float, float, float]]:
    """Sum, mean and population sd of windows, each by two exactly rounded passes."""
    out = []
    for place in places:
        part = values[place - window + 1 : place + 1].tolist()
        total = math.fsum(part)
        mean = total / window
        out.append((total, mean, math.sqrt(math.fsum((x - mean) ** 2 for x in part) / window)))
    return out


def test_rolling_numbers_do_not_drift_in_ten_million_ticks() -> None:
    rng = np.random.default_rng(11)
    values = np.exp(np.cumsum(rng.normal(0.0, 2e-3, 10_000_000)))
    values[5_000_000] = 1e15
    window = 1_000
    places = [*rng.integers(window, values.size, 40).tolist(), 5_001_000, 5_001_001, values.size - 1]
    wanted = np.array(two_passes(values, window, places))
    means, deviations = rolling_moments(values, window)
    np.testing.assert_allclose(rolling_sum(values, window)[places], wanted[:, 0], rtol=1e-12)
    np.testing.assert_allclose(sma(values, window)[places], wanted[:, 1], rtol=1e-12)
    np.testing.assert_allclose(means[places], wanted[:, 1], rtol=1e-12)
    np.testing.assert_allclose(deviations[places], wanted[:, 2], rtol=1e-9)
    windows = [values[place - window + 1 : place + 1] for place in places]
    assert rolling_max(values, window)[places].tolist() == [part.max() for part in windows]
    assert rolling_min(values, window)[places].tolist() == [part.min() for part in windows]


def test_moving_averages_are_those_of_pandas() -> None:
    values = bursty(5_000, 4)["price"].to_numpy()
    series = pd.Series(values)
    for n in (1, 2, 3, 5, 16, 20, 21, 64, 100, 260, 1_025):
        np.testing.assert_allclose(sma(values, n), series.rolling(n).mean(), rtol=1e-11)
        np.testing.assert_allclose(ema(values, n), series.ewm(span=n, adjust=False).mean(), rtol=1e-12)
        lag = (n - 1) // 2
        ahead = (2 * series - series.shift(lag)).fillna(series)
        np.testing.assert_allclose(zlma(values, n), ahead.ewm(span=n, adjust=False).mean(), rtol=1e-12)
