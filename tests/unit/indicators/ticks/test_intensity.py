"""Intensity: what counts as a tick, thinning, gaps, state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.indicators.ticks.intensity import Intensity, intensity
from workstation.indicators.ticks.windows import TickWindowSet
from workstation.market.tables import HEALTH, HEARTBEAT, INTENSITY, NO_TIME, TRADES, TradeFlag

SECOND = 10**9
SHORT = {"ticks": 2, "length": 3, "window": 4, "split": 0.5}


def trades(rows: int, instrument: str = "BTC/USD", start: int = 0, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(rows)
    made = {
        "event_ns": (start + np.arange(rows)) * SECOND,
        "instrument": instrument,
        "price": 100.0 + rng.integers(0, 9, rows),
        "size": 1.0,
        **columns,
    }
    return TRADES.conform(pd.DataFrame(made))


def health(**columns: Any) -> pd.DataFrame:
    return HEALTH.conform(
        pd.DataFrame({"event_ns": [99 * SECOND], "event": "gap", "detail": "lost", **columns})
    )


def ticks_of(engine: Intensity) -> dict[str, int]:
    return dict(engine.readiness()[["instrument", "ticks"]].itertuples(index=False))


def test_no_row_before_the_window_is_full_and_no_buffer_before_its_own() -> None:
    rows = intensity(trades(12), **SHORT)
    assert rows["event_ns"].tolist() == [n * SECOND for n in range(2, 12)]
    assert rows["buffer"].isna().tolist() == [n < 3 for n in range(10)]


def test_prints_that_set_no_price_and_cancels_are_no_ticks() -> None:
    flags = np.zeros(12, dtype=np.int32)
    flags[[4, 7, 9]] = int(TradeFlag.LATE), int(TradeFlag.CANCEL), int(TradeFlag.BLOCK)
    whole = trades(12, flags=flags)
    pd.testing.assert_frame_equal(intensity(whole, **SHORT), intensity(whole[flags == 0], **SHORT))


def test_options_are_not_followed_unless_asked_for() -> None:
    option = trades(12, "BTC/USD:BTC-261225-100000-C")
    assert intensity(option, **SHORT).empty
    assert len(intensity(option, kinds=("option",), **SHORT)) == 10


def test_prices_without_a_logarithm_are_left_out_and_counted() -> None:
    engine = Intensity(**SHORT)
    batch = trades(6)
    prices = np.array(
        [100.0, 0.0, -1.0, 101.0, np.inf, 102.0]
    )  # a batch of columns is its maker's: not looked at
    engine.update(TRADES.batch({name: batch[name] for name in batch} | {"price": prices}))
    assert engine.unpriced == 3 and ticks_of(engine) == {"BTC/USD": 3}


def test_a_backfill_is_late_and_a_little_disorder_is_not() -> None:
    engine = Intensity(**SHORT, lateness="2s")
    engine.update(trades(5, event_ns=np.array([10, 11, 9, 8, 12]) * SECOND))
    assert engine.late == 1 and ticks_of(engine) == {"BTC/USD": 4}


def test_many_ticks_in_one_instant_last_a_millisecond() -> None:
    rows = intensity(trades(3, event_ns=0, price=[100.0, 101.0, 100.0]), **SHORT)
    assert rows["intensity"].iloc[0] == pytest.approx(2e4 * np.log(1.01) / 0.001)


def test_prices_from_one_end_of_the_numbers_to_the_other_are_finite_in_any_pieces() -> None:
    steps = np.random.default_rng(1).choice([5e-324, 1e-300, 1.0, 1e300, 1.7e308], 40)
    ticks = trades(40, price=steps)
    whole = intensity(ticks, **SHORT)
    assert np.isfinite(whole[["intensity", "smoothed", "mean_base"]].iloc[4:].to_numpy()).all()
    engine = Intensity(**SHORT)
    pieces = [engine.update(TRADES.conform(ticks.iloc[row : row + 3])) for row in range(0, 40, 3)]
    pd.testing.assert_frame_equal(INTENSITY.concat(pieces), whole, check_exact=True)


@pytest.mark.parametrize("least", [0.0, -1.0, 1e-10, float("nan")])
def test_a_window_shorter_than_the_clock_is_refused(least: float) -> None:
    with pytest.raises(ValueError, match="least_seconds must be at least a nanosecond"):
        Intensity(least_seconds=least)


def test_thinned_rows_are_the_last_of_each_interval() -> None:
    ticks = trades(50, event_ns=(np.arange(50) * 0.7 * SECOND).astype(np.int64))
    every = intensity(ticks, **SHORT)
    last = every.groupby(every["event_ns"] // (5 * SECOND)).tail(1).reset_index(drop=True)
    pd.testing.assert_frame_equal(intensity(ticks, every="5s", **SHORT), last, check_exact=True)


def test_engines_that_look_seldom_and_often_share_their_windows() -> None:
    """Levels of ticks nobody looks at are not made; with someone who looks at every tick, all are."""
    ticks = trades(50, event_ns=(np.arange(50) * 0.7 * SECOND).astype(np.int64))
    windows = TickWindowSet()
    seldom = Intensity(every="5s", windows=windows, **SHORT)
    often = Intensity(windows=windows, **SHORT)
    assert often._windows is seldom._windows
    thinned = INTENSITY.concat([seldom.update(ticks), seldom.in_progress()])
    pd.testing.assert_frame_equal(thinned, intensity(ticks, every="5s", **SHORT), check_exact=True)
    pd.testing.assert_frame_equal(often.update(ticks), intensity(ticks, **SHORT), check_exact=True)


def test_a_heartbeat_ends_the_interval() -> None:
    engine = Intensity(every="5s", **SHORT)
    assert engine.update(trades(4)).empty and len(engine.in_progress()) == 1
    beat = HEARTBEAT.conform(pd.DataFrame({"event_ns": [5 * SECOND]}))
    assert engine.update(beat, "heartbeat")["event_ns"].tolist() == [3 * SECOND]
    assert engine.in_progress().empty and engine.update(beat, "heartbeat").empty


def two() -> Intensity:
    engine = Intensity(**SHORT)
    engine.update(trades(8, "BTC/USD", venue="deribit"))
    engine.update(trades(8, "ETH/USD", venue="bybit"))
    return engine


@pytest.mark.parametrize(
    ("row", "emptied"),
    [
        ({"feed": "deribit"}, {"BTC/USD"}),
        ({"feed": "elsewhere"}, {"BTC/USD", "ETH/USD"}),
        ({"feed": "deribit", "instruments": "ETH/USD SOL/USD"}, {"ETH/USD"}),
        ({"feed": "bybit", "channel": "publicTrade.ETHUSD"}, {"ETH/USD"}),
        ({"feed": "bybit", "channel": "quotes"}, set()),
        ({"feed": "bybit", "event": "stale"}, {"ETH/USD"}),
        ({"feed": "bybit", "event": "disconnected"}, {"ETH/USD"}),
        ({"feed": "bybit", "event": "clock_skew"}, set()),
    ],
)
def test_a_break_empties_the_windows_it_concerns(row: dict[str, str], emptied: set[str]) -> None:
    engine = two()
    assert engine.update(health(**row), "health").empty
    assert {name for name, ticks in ticks_of(engine).items() if not ticks} == emptied
    told = engine.readiness().set_index("instrument")
    for name in told.index:
        assert told.loc[name, "ready"] == (name not in emptied)
        assert (told.loc[name, "reset_ns"] == 99 * SECOND) == (name in emptied)
        assert told.loc[name, "reset_reason"].endswith(": lost") == (name in emptied)


def test_after_a_break_rows_are_those_of_a_fresh_engine() -> None:
    engine = two()
    engine.update(health(), "health")
    later = trades(20, "BTC/USD", start=100, venue="deribit")
    pd.testing.assert_frame_equal(engine.update(later), Intensity(**SHORT).update(later))


def test_ready_means_a_buffer_comes_with_the_next_tick() -> None:
    for smoothing in ("sma", "ema", "zlma"):
        engine = Intensity(**SHORT, smoothing=smoothing)
        defined = []
        for n in range(12):
            rows = engine.update(trades(1, start=n, price=[100.0 + n % 3]))
            told = engine.readiness().iloc[0]
            assert told["ready"] == (len(rows) > 0 and not rows["buffer"].isna().any())
            assert told["reset_ns"] == NO_TIME
            defined.append(told["ready"])
        assert defined == sorted(defined) and any(defined)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ticks": 0}, "ticks"), ({"ticks": 2.5}, "ticks"), ({"smoothing": "hull"}, "sma, ema, zlma"), ({"split": 1.0}, "split"),
        ({"k": 0.0}, "positive"), ({"every": "-1s"}, "every"), ({"lateness": "-1s"}, "lateness"), ({"base_weight": 2.0}, "base_weight"),
        ({"smoothing": ("sma", "sma")}, "counts once"), ({"smoothing": ("sma", "hull")}, "hull"), ({"also": ("hull",)}, "hull"),
        ({"smoothing": ("sma", "ema"), "also": ("zlma",)}, "not both"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Intensity(**changes)


def test_other_tables_and_other_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="not 'quotes'"):
        Intensity().update(trades(1), "quotes")
    with pytest.raises(ValueError, match="snapshot is of"):
        Intensity(ticks=5).restore(Intensity(ticks=6).snapshot())
