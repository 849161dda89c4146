"""Engines that share tick windows give what each gives alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.indicators.ticks.engine import TickEngine
from workstation.indicators.ticks.intensity import Intensity
from workstation.indicators.ticks.kernels import CHUNK_TICKS
from workstation.indicators.ticks.reversals import Reversals
from workstation.indicators.ticks.spikes import Spikes
from workstation.indicators.ticks.windows import TickWindowSet
from workstation.market.digest import digest
from workstation.market.tables import HEALTH, INTENSITY, TRADES
from workstation.market.tables import table as table_named

SHORT = {"ticks": 3, "length": 4, "window": 20}
START_NS = pd.Timestamp("2026-11-02T09:00").value


def batches() -> list[tuple[str, pd.DataFrame]]:
    rng = np.random.default_rng(5)
    rows = 900
    pace = np.repeat(rng.choice([0.5, 5.0], rows // 30), 30)
    ticks = TRADES.conform(
        pd.DataFrame(
            {
                "event_ns": START_NS + np.cumsum(rng.exponential(2e8, rows) / pace).astype(np.int64),
                "instrument": np.array(["BTC/USD", "ETH/USD"])[rng.integers(0, 2, rows)],
                "price": np.round(100 * np.exp(np.cumsum(rng.normal(0, 3e-4, rows) * pace)), 2),
                "size": 1.0,
            }
        )
    )
    gap = HEALTH.conform(
        pd.DataFrame({"event_ns": [START_NS], "feed": "x", "event": "gap", "instruments": "BTC/USD"})
    )
    parts = [("trades", TRADES.conform(ticks.iloc[at : at + 90])) for at in range(0, rows, 90)]
    return [*parts[:5], ("health", gap), *parts[5:]]


def together() -> list[TickEngine]:
    windows = TickWindowSet()
    return [
        Intensity(smoothing="sma", windows=windows, **SHORT), Intensity(windows=windows, **SHORT),
        Spikes(windows=windows, start_sd=1.0, **SHORT),
        Reversals(version=2, momentum=4, moves=20, windows=windows, **SHORT),
        Spikes(windows=windows, start_sd=1.0, **{**SHORT, "ticks": 5}),
    ]  # fmt: skip


def alone() -> list[TickEngine]:
    return [
        Intensity(smoothing="sma", **SHORT), Intensity(**SHORT), Spikes(start_sd=1.0, **SHORT),
        Reversals(version=2, momentum=4, moves=20, **SHORT), Spikes(start_sd=1.0, **{**SHORT, "ticks": 5}),
    ]  # fmt: skip


def run(engines: list[TickEngine], stream: list[tuple[str, pd.DataFrame]]) -> list[list[pd.DataFrame]]:
    """What each engine gives, batch after batch handed to one engine after the other."""
    given: list[list[pd.DataFrame]] = [[] for _ in engines]
    for table, frame in stream:
        for engine, rows in zip(engines, given, strict=True):
            rows.append(engine.update(frame, table))
    return given


def digests(engines: list[TickEngine], given: list[list[pd.DataFrame]]) -> list[str]:
    whole = [table_named(one.output).concat(rows) for one, rows in zip(engines, given, strict=True)]
    assert all(len(rows) for rows in whole)
    return [digest(rows) for rows in whole]


def test_engines_of_shared_windows_give_the_rows_of_engines_alone() -> None:
    ours, theirs = together(), alone()
    assert digests(ours, run(ours, batches())) == digests(theirs, run(theirs, batches()))


def test_one_engine_of_several_smoothings_gives_the_rows_of_engines_of_one() -> None:
    names = ("sma", "ema", "zlma")
    for every in ("0s", "5s"):
        together = Intensity(smoothing=names, every=every, **SHORT)
        single = [Intensity(smoothing=name, every=every, **SHORT) for name in names]
        rows, *others = (INTENSITY.concat(given) for given in run([together, *single], batches()))
        assert len(rows) == 3 * len(others[0]) > 0
        for place, (name, its) in enumerate(zip(names, others, strict=True)):
            assert digest(INTENSITY.conform(rows.iloc[place::3])) == digest(its)
            assert set(its["smoothing"]) == {name}


def test_engines_share_the_windows_of_the_smoothing_they_follow() -> None:
    shared = TickWindowSet()
    first = Intensity(smoothing=("sma", "zlma"), windows=shared, **SHORT)
    second, third = Spikes(windows=shared, **SHORT), Spikes(windows=shared, smoothing="ema", **SHORT)
    assert second._windows is first._followed[1].windows
    assert third._windows.paths is first._windows.paths
    again = Reversals(windows=shared, smoothing="ema", **SHORT)
    assert again._windows is third._windows


def test_an_instrument_of_thousands_of_ticks_is_taken_in_chunks_that_nobody_sees() -> None:
    rng = np.random.default_rng(8)
    rows = 2 * CHUNK_TICKS + 300
    pace = np.repeat(rng.choice([0.5, 5.0], rows // 50 + 1), 50)[:rows]
    whole = TRADES.conform(
        pd.DataFrame(
            {
                "event_ns": START_NS + np.cumsum(rng.exponential(2e8, rows) / pace).astype(np.int64),
                "instrument": "BTC/USD",
                "price": np.round(100 * np.exp(np.cumsum(rng.normal(0, 3e-4, rows) * pace)), 2),
                "size": 1.0,
            }
        )
    )
    parts = [("trades", TRADES.conform(whole.iloc[at : at + 700])) for at in range(0, rows, 700)]
    assert digests(alone(), run(alone(), [("trades", whole)])) == digests(alone(), run(alone(), parts))


def test_a_batch_that_comes_twice_counts_twice() -> None:
    twice = [part for part in batches() for _ in range(2)]
    ours, theirs = together(), alone()
    assert digests(ours, run(ours, twice)) == digests(theirs, run(theirs, twice))


def test_engines_restored_together_go_on_together() -> None:
    stream = batches()
    ours, later, theirs = together(), together(), alone()
    before = run(ours, stream[:4])
    for engine, state in zip(later, [engine.snapshot() for engine in ours], strict=True):
        engine.restore(state)
    given = [one + rest for one, rest in zip(before, run(later, stream[4:]), strict=True)]
    assert digests(later, given) == digests(theirs, run(theirs, stream))


def test_a_frame_that_is_conformed_for_each_engine_is_measured_once() -> None:
    ours, theirs = together(), alone()
    foreign = [
        (table, frame.assign(instrument=frame["instrument"].astype("str")) if table == "trades" else frame)
        for table, frame in batches()
    ]
    assert digests(ours, run(ours, foreign)) == digests(theirs, run(theirs, batches()))
