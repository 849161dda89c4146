"""Kernels give what their plain-Python twins give, on any trades."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.indicators.batch.by_instrument import TradeArrays
from workstation.indicators.candles.engine import Candles
from workstation.indicators.candles.parameters import CandlesParameters
from workstation.indicators.candles.twins import fold_trades_twin
from workstation.indicators.ticks import reversal_rules as rules
from workstation.indicators.ticks import twins
from workstation.indicators.ticks.intensity import intensity
from workstation.indicators.ticks.reversals import Reversals, ReversalsParameters, reversals
from workstation.indicators.ticks.spikes import spikes
from workstation.indicators.ticks.windows import TickWindowParameters
from workstation.market.tables import CANDLES, TRADES, TradeFlag

SECOND = 10**9
FLAGS = (0, 0, int(TradeFlag.LATE), int(TradeFlag.AUCTION), int(TradeFlag.NO_PRICE), int(TradeFlag.ISO))
NAMES = ("BTC/USD", "ETH/USD", "AAPL")


@st.composite
def any_trades(draw: st.DrawFn, ordered: bool, flagged: bool) -> pd.DataFrame:
    """Trades whose times jump, repeat and, where not ordered, step back."""
    many = draw(st.integers(1, 60))
    steps = draw(
        st.lists(st.sampled_from([0, 1, SECOND // 3, SECOND, 11 * SECOND]), min_size=many, max_size=many)
    )
    backs = draw(st.lists(st.sampled_from([0, 0, 1, 2 * SECOND, 15 * SECOND]), min_size=many, max_size=many))
    choose = lambda of: draw(st.lists(st.sampled_from(of), min_size=many, max_size=many))  # noqa: E731
    return TRADES.batch(
        {
            "event_ns": 10**18 + np.cumsum(steps) - (0 if ordered else np.array(backs)),
            "instrument": choose(NAMES),
            "price": np.array(choose((99.0, 100.0, 100.25, 101.5))),
            "size": np.array(choose((0.25, 1.0, 3.5))),
            "side": np.array(choose((-1, 0, 1)) if flagged else [0] * many, dtype=np.int8),
            "flags": np.array(choose(FLAGS) if flagged else [0] * many, dtype=np.int32),
        }
    )


@pytest.mark.parametrize(("ordered", "flagged"), [(True, False), (True, True), (False, False), (False, True)])
@pytest.mark.parametrize(("every", "lateness"), [("1s", "0s"), ("10s", "3s"), ("1min", "20s")])
def test_candles_are_those_of_their_twin(ordered: bool, flagged: bool, every: str, lateness: str) -> None:
    @effort(20)
    @given(any_trades(ordered, flagged))
    def law(trades: pd.DataFrame) -> None:
        engine = Candles(every=every, lateness=lateness)
        made = CANDLES.concat([engine.update(trades), engine.in_progress()])
        names = list(dict.fromkeys(trades["instrument"]))
        columns = TradeArrays(*(trades[name].to_numpy() for name in TradeArrays._fields))
        parameters = CandlesParameters(every=every, lateness=lateness)
        (every_ns,) = parameters.lengths_ns
        lateness_ns = pd.Timedelta(lateness).value
        of = [names.index(name) for name in trades["instrument"]]
        closed, still_open, late = fold_trades_twin(of, columns, every_ns, lateness_ns, parameters.rules)
        assert engine.late == late and made["closed"].sum() == len(closed)
        for row, bar in zip(made.to_dict("records"), [*closed, *still_open], strict=True):
            assert (row["instrument"], row["event_ns"]) == (names[bar.of], bar.number * every_ns)
            assert row["trades"] == bar.count
            wanted = (*bar.prices, bar.volume, bar.buy_volume, bar.sell_volume, bar.vwap)
            got = [
                row[name]
                for name in ("open", "high", "low", "close", "volume", "buy_volume", "sell_volume", "vwap")
            ]
            np.testing.assert_allclose(got, wanted, rtol=1e-12)

    law()


def bursty(seed: int, rows: int = 160) -> pd.DataFrame:
    """Ticks of one instrument with bursts that turn."""
    rng = np.random.default_rng(seed)
    pace = np.repeat(rng.choice([0.4, 6.0], rows // 20), 20)
    drift = np.repeat(rng.choice([-2e-4, 0.0, 2e-4], rows // 20), 20)
    return TRADES.batch(
        {
            "event_ns": 10**18 + np.cumsum(rng.exponential(2e8, rows) / pace).astype(np.int64),
            "instrument": "BTC/USD",
            "price": 100 * np.exp(np.cumsum((rng.normal(0, 3e-4, rows) + drift) * pace)),
            "size": 1.0,
        }
    )


WINDOWS = st.fixed_dictionaries(
    {
        "ticks": st.integers(1, 9),
        "smoothing": st.sampled_from(["sma", "ema", "zlma"]),
        "length": st.integers(1, 9),
        "window": st.integers(6, 40),
        "split": st.sampled_from([0.5, 0.8]),
    }
)


def measured(trades: pd.DataFrame, **parameters: Any) -> list[twins.TickTwin]:
    by = TickWindowParameters(**parameters).measures()
    return twins.measure_twin(trades["event_ns"].tolist(), trades["price"].tolist(), by)


@effort(60)
@given(st.integers(0, 10**6), WINDOWS)
def test_intensity_is_that_of_its_twin(seed: int, parameters: dict[str, Any]) -> None:
    trades = bursty(seed)
    rows = measured(trades, **parameters)
    made = intensity(trades, **parameters)
    assert made["event_ns"].tolist() == [int(trades["event_ns"].iloc[row.tick]) for row in rows]
    columns = ["intensity", "velocity", "efficiency", "smoothed", "mean_base", "sd_base", "buffer"]
    np.testing.assert_allclose(
        made[columns].to_numpy(), np.array([row[1:] for row in rows]), rtol=1e-7, atol=1e-7
    )
    np.testing.assert_array_equal(made["burst_above"], made["mean_base"] + made["buffer"])
    np.testing.assert_array_equal(made["spike_above"], made["mean_base"] + 3.0 * made["sd_base"])


@effort(60)
@given(st.integers(0, 10**6), WINDOWS, st.sampled_from([0.5, 1.0, 2.0]))
def test_spikes_are_those_of_their_twin(seed: int, parameters: dict[str, Any], start_sd: float) -> None:
    trades = bursty(seed)
    wanted = twins.find_spikes_twin(measured(trades, **parameters), start_sd, 0.25)
    made = spikes(trades, start_sd=start_sd, end_sd=0.25, **parameters)
    times = trades["event_ns"].to_numpy()
    assert made[["start_ns", "peak_ns", "end_ns"]].to_numpy().tolist() == [
        times[[spike.start, spike.peak, spike.end]].tolist() for spike in wanted
    ]
    assert made["direction"].tolist() == [spike.direction for spike in wanted]
    np.testing.assert_allclose(made["threshold"], [spike.threshold for spike in wanted], rtol=1e-7)
    np.testing.assert_allclose(made["peak"], [spike.level for spike in wanted], rtol=1e-7)
    np.testing.assert_allclose(made["height_sd"], [spike.height_sd for spike in wanted], rtol=1e-5)


@effort(60)
@given(st.integers(0, 10**6), WINDOWS, st.integers(1, 6), st.integers(2, 12))
def test_reversals_of_bursts_are_those_of_their_twin(
    seed: int, parameters: dict[str, Any], momentum: int, moves: int
) -> None:
    trades = bursty(seed)
    rows = measured(trades, k=0.5, **parameters)
    prices = [float(trades["price"].iloc[row.tick]) for row in rows]
    wanted = twins.bursts_twin(rows, prices, twins.moves_twin(prices, momentum, moves))
    made = reversals(trades, version=(1, 2), k=0.5, momentum=momentum, moves=moves, **parameters)
    times = trades["event_ns"].tolist()
    got = made[["event_ns", "version", "side"]].to_numpy().tolist()
    assert got == [[times[signal.tick], signal.version, signal.side] for signal in wanted]
    np.testing.assert_allclose(made["threshold"], [signal.threshold for signal in wanted], rtol=1e-6)
    np.testing.assert_allclose(made["strength"], [signal.strength for signal in wanted], rtol=1e-5)


CANDLE_RULES = st.fixed_dictionaries(
    {
        "fast": st.integers(1, 3),
        "slow": st.integers(2, 4),
        "atr": st.integers(1, 4),
        "stretch": st.sampled_from([0.0, 0.5, 2.0]),
        "volume": st.integers(1, 4),
        "volume_factor": st.sampled_from([0.2, 0.8]),
        "choppiness": st.integers(2, 5),
        "choppiness_below": st.sampled_from([61.8, 95.0]),
        "volume_over": st.sampled_from([0.3, 1.0]),
        "hold": st.sampled_from(["2s", "8s"]),
    }
)


@pytest.mark.parametrize("late", [False, True])
def test_reversals_on_candles_are_those_of_their_twin(late: bool) -> None:
    fired: set[int] = set()

    @effort(25)
    @given(st.integers(0, 10**6), WINDOWS, CANDLE_RULES)
    def law(seed: int, windows: dict[str, Any], candle_rules: dict[str, Any]) -> None:
        trades = bursty(seed)
        rng = np.random.default_rng(seed)
        trades["size"] = rng.integers(1, 5, len(trades)).astype(float)
        if late:
            trades["event_ns"] -= np.where(
                rng.random(len(trades)) < 0.1, rng.integers(1, SECOND, len(trades)), 0
            )
        by = ReversalsParameters(
            versions=(3, 4), low="1s", high="3s", k=0.5, lateness="0s", **candle_rules, **windows
        )
        rows = [] if late else measured(trades, k=0.5, **windows)
        prices = [float(trades["price"].iloc[row.tick]) for row in rows]
        fades = twins.bursts_twin(rows, prices, [(math.nan, math.nan)] * len(rows))
        columns = list(trades[["event_ns", "price", "size"]].itertuples(index=False, name=None))
        wanted = twins.candle_reversals_twin(columns, fades, by, (SECOND, 3 * SECOND), by.rules().hold_ns)
        made = Reversals(by).update(trades)
        if late:
            made = made[made["version"] == 4]
        assert made[["event_ns", "version", "side"]].to_numpy().tolist() == [
            [one.event_ns, one.version, one.side] for one in wanted
        ]
        for name in ("price", "threshold", "strength"):
            np.testing.assert_allclose(made[name], [getattr(one, name) for one in wanted], rtol=1e-9)
        fired.update(made["version"])

    law()
    assert fired == ({4} if late else {3, 4}), "the examples must fire what they test"


numbers = st.floats(-10.0, 10.0).map(lambda value: round(value, 2))
signs = st.sampled_from([-1, 1])


@given(numbers, numbers, st.floats(0.01, 5.0), numbers, signs)
def test_intensity_fade(smoothed: float, peak: float, buffer: float, velocity: float, direction: int) -> None:
    assume(abs(peak - buffer - smoothed) > 1e-9)
    fires = rules.intensity_fade(smoothed, peak - buffer, velocity, direction)
    assert fires == twins.intensity_fade_twin(smoothed, peak, buffer, velocity, direction)


@given(
    st.floats(90, 110), st.floats(90, 110), st.one_of(st.just(math.nan), st.floats(0, 500)), numbers, signs
)
def test_pullback(extreme: float, price: float, deviation: float, move: float, direction: int) -> None:
    back = direction * 1e4 * math.log(extreme / price)
    fires = rules.pullback(back, deviation, move, direction)
    assert fires == twins.pullback_twin(extreme, price, deviation, move, direction)


@given(
    st.booleans(),
    numbers,
    numbers,
    numbers,
    st.floats(0, 5),
    st.floats(0, 10),
    signs,
    numbers,
    st.floats(0, 30),
)
def test_confirmed_fade(
    known: bool, low: float, high: float, ema: float, reach: float, usual: float, side: int, price: float, volume: float
) -> None:  # fmt: skip
    trend = rules.CandleTrend(known, low, high, ema, reach, 1.0, usual)
    assert rules.confirmed_fade(trend, side, price, volume, 1.5 * usual) == twins.confirmed_fade_twin(
        trend, side, price, volume, 1.5
    )


@given(numbers, numbers, numbers, numbers, st.floats(0, 30), st.floats(0, 10), st.floats(20, 90))
def test_ema_cross(
    fast: float, slow: float, fast_after: float, slow_after: float, volume: float, usual: float, choppiness: float
) -> None:  # fmt: skip
    assume(fast != slow)
    before, after = np.sign(fast - slow), np.sign(fast_after - slow_after)
    crossed = int(after) if after not in (0, before) else 0
    asked = ReversalsParameters().rules()
    fires = rules.ema_cross(crossed, volume, asked.volume_over * usual, choppiness, asked.choppiness_below)
    wanted = twins.ema_cross_twin((fast, slow), (fast_after, slow_after), volume, usual, choppiness, asked)
    assert (crossed if fires else 0) == wanted
