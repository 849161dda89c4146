"""Tick indicators: kernels beside pandas, polars, bottleneck and TA-Lib, and the engines through the hub, in one run.

Run: ``python benchmarks/ticks.py [--rows 10000000] [--skip-kernels] [--skip-hub]``. One core. With
``WORKSTATION_SAMPLE_DATA`` set, the hub also takes a recorded day of AIG quotes. TA-Lib is compared where installed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workstation.feeds.files.lean import read
from workstation.feeds.files.reading import Rejections
from workstation.indicators.batch.trade_batch import TradeReader
from workstation.indicators.candles.engine import Candles, candles
from workstation.indicators.ticks.intensity import Intensity
from workstation.indicators.ticks.quote_ticks import ticks_from_quotes
from workstation.indicators.ticks.reversals import Reversals
from workstation.indicators.ticks.spikes import Spikes
from workstation.indicators.ticks.windows import TickWindowSet
from workstation.market.engine import Engine
from workstation.market.tables import TABLES, TRADES
from workstation.numerics.moving_averages import ema, sma, zlma
from workstation.numerics.rolling import rolling_sd
from workstation.streams.hub import Hub

LENGTHS = ("1s", "10s", "1min", "5min", "15min", "1h")
AIG = "equities_prints/lean/equity/usa/tick/aig/20131008_quote.zip"
AIG_PASSES = 5
"""A day is over in a fifth of a second, which says little of a machine that others use too."""
CHUNK = 1_000_000


class Taken(NamedTuple):
    """Seconds by the wall clock and of the CPU, all threads together: what one core needs, whatever else loads the machine."""

    wall: float
    cpu: float


def seconds(work: Callable[[], object], times: int = 3) -> Taken:
    """Best of a few, after one to warm up."""
    work()
    taken = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        taken.append(Taken(time.perf_counter() - wall, time.process_time() - cpu))
    return Taken(min(one.wall for one in taken), min(one.cpu for one in taken))


def optional(name: str) -> object | None:
    """A peer, or None with a word when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: left out")
        return None


def kernels(rows: int) -> None:
    """Moving averages and rolling deviations of an array.

    A new array of 80 MB costs the system 4 ms to clear, whoever asks for it: ``out=`` is what the averages themselves cost.
    Up to some millions of values the C library keeps such memory, and both are the same.
    """
    values = 100.0 + np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, rows))
    series, kept_array = pd.Series(values), np.zeros(rows)
    bottleneck, polars, talib = optional("bottleneck"), optional("polars"), optional("talib")
    peers: dict[str, dict[str, Callable[[], object]]] = {
        "EMA(20)": {
            "ours": lambda: ema(values),
            "ours, out=": lambda: ema(values, out=kept_array),
            "pandas": lambda: series.ewm(span=20, adjust=False).mean(),
        },
        "SMA(20)": {
            "ours": lambda: sma(values),
            "ours, out=": lambda: sma(values, out=kept_array),
            "pandas": lambda: series.rolling(20).mean(),
        },
        "ZLMA(20)": {
            "ours": lambda: zlma(values),
            "ours, out=": lambda: zlma(values, out=kept_array),
            "pandas": lambda: (2 * series - series.shift(9)).fillna(series).ewm(span=20, adjust=False).mean(),
        },
        "sd(1000)": {
            "ours": lambda: rolling_sd(values, 1000),
            "pandas": lambda: series.rolling(1000).std(ddof=0),
        },
    }
    if bottleneck:
        peers["SMA(20)"]["bottleneck"] = lambda: bottleneck.move_mean(values, 20)  # type: ignore[attr-defined]
        peers["sd(1000)"]["bottleneck"] = lambda: bottleneck.move_std(values, 1000)  # type: ignore[attr-defined]
    if polars:
        column = polars.Series(values)  # type: ignore[attr-defined]
        peers["EMA(20)"]["polars"] = lambda: column.ewm_mean(span=20, adjust=False)
        peers["SMA(20)"]["polars"] = lambda: column.rolling_mean(20)
        peers["sd(1000)"]["polars"] = lambda: column.rolling_std(1000, ddof=0)
    if talib:
        peers["EMA(20)"]["TA-Lib"] = lambda: talib.EMA(values, 20)  # type: ignore[attr-defined]
        peers["SMA(20)"]["TA-Lib"] = lambda: talib.SMA(values, 20)  # type: ignore[attr-defined]
    print(
        f"\n{rows / 1e6:.0f} M values{'':14}{'ms':>9}{'CPU ms':>9}{'M/CPU s':>9}   ours is faster by, in a kept array by"
    )
    for label, works in peers.items():
        ours = seconds(works["ours"], 5)
        kept = seconds(works["ours, out="], 5) if "ours, out=" in works else None
        for name, work in works.items():
            taken = ours if name == "ours" else kept if name == "ours, out=" else seconds(work, 3)
            assert taken is not None
            rate = rows / max(taken.cpu, 1e-9) / 1e6
            ratios = [f"{taken.cpu / ours.cpu:.1f}", f"{taken.cpu / kept.cpu:.1f}" if kept else ""]
            print(
                f"{label:10}{name:14}{taken.wall * 1e3:9.1f}{taken.cpu * 1e3:9.1f}{rate:9.0f}{ratios[0]:>20}{ratios[1]:>20}"
            )


def engines() -> list[Engine]:
    """Three smoothings of intensity with its buffer, spikes, four reversals, six candle lengths."""
    reader = TradeReader()
    windows = TickWindowSet(reader)
    return [
        Intensity(smoothing=("sma", "ema", "zlma"), every="1s", windows=windows),
        Spikes(windows=windows),
        Reversals(windows=windows),
        Candles(every=LENGTHS, reader=reader),
    ]


def synthetic(rows: int, instruments: int = 10) -> Iterator[pd.DataFrame]:
    """Ticks of several instruments interleaved, 500 a second, in chunks."""
    rng = np.random.default_rng(1)
    at, price = pd.Timestamp("2026-11-02").value, np.full(instruments, 100.0)
    for begin in range(0, rows, CHUNK):
        size = min(CHUNK, rows - begin)
        of = rng.integers(0, instruments, size)
        steps = rng.normal(0.0, 1e-5, size)
        prices = np.empty(size)
        for one in range(instruments):
            mine = of == one
            path = price[one] * np.exp(np.cumsum(steps[mine]))
            prices[mine], price[one] = path, path[-1]
        times = at + np.cumsum(rng.exponential(2e6, size)).astype(np.int64)
        at = int(times[-1])
        names = pd.Categorical.from_codes(of, [f"S{n}" for n in range(instruments)])
        yield TRADES.conform(
            pd.DataFrame(
                {
                    "event_ns": times,
                    "instrument": names,
                    "price": prices,
                    "size": rng.integers(1, 100, size).astype(float),
                }
            )
        )


def recorded() -> pd.DataFrame | None:
    """A day of AIG quotes as ticks of their mids, every exchange an instrument of its own."""
    folder = os.environ.get("WORKSTATION_SAMPLE_DATA", "")
    if not folder or not (Path(folder) / AIG).exists():
        print("recorded AIG quotes are absent (WORKSTATION_SAMPLE_DATA): left out")
        return None
    quotes = TABLES["quotes"].concat([batch.frame for batch in read(Path(folder) / AIG, Rejections())])
    ticks = ticks_from_quotes(quotes)
    ticks["instrument"] = ticks["instrument"].astype("str") + "." + ticks["exchange"].astype("str")
    return TRADES.conform(ticks.sort_values("event_ns", kind="stable"))


def bars(rows: int) -> None:
    """Candles of a whole history, of one instrument and of 2 000, beside polars'.

    polars is told that the times are in order and works in all its threads; ours looks whether they are, in one.
    """
    polars = optional("polars")
    rng = np.random.default_rng(2)
    times = pd.Timestamp("2026-11-02").value + np.cumsum(rng.exponential(2e6, rows)).astype(np.int64)
    price, size = 100.0 + np.cumsum(rng.normal(0.0, 0.01, rows)), rng.integers(1, 100, rows).astype(float)
    threads = polars.thread_pool_size() if polars else 0  # type: ignore[attr-defined]
    print(
        f"\n10 s candles, {rows / 1e6:.0f} M ticks{'':4}{'ms':>9}{'CPU ms':>9}   ours is faster by CPU, by the clock ({threads} polars threads)"
    )
    for many in (1, 2_000):
        of = rng.integers(0, many, rows)
        names = pd.Categorical.from_codes(of, [f"C{n}" for n in range(many)])
        plain = pd.DataFrame({"event_ns": times, "instrument": names, "price": price, "size": size})
        frames = cycle([TRADES.conform(plain), TRADES.conform(plain)])  # never the one just seen
        works: dict[str, Callable[[], object]] = {
            "ours": lambda frames=frames: candles(next(frames), every="10s")
        }  # type: ignore[misc]
        if polars:
            table = polars.DataFrame({"of": of, "time": times.view("M8[ns]"), "price": price, "size": size})  # type: ignore[attr-defined]
            works["polars"] = lambda table=table, many=many: by_polars(table, many)  # type: ignore[misc]
        ours = seconds(works["ours"], 5)
        for name, work in works.items():
            taken = ours if name == "ours" else seconds(work, 3)
            ratios = f"{taken.cpu / ours.cpu:14.1f}{taken.wall / ours.wall:9.1f}"
            print(f"{many:6} of {name:14}{taken.wall * 1e3:15.1f}{taken.cpu * 1e3:9.1f}{ratios}")


def by_polars(table: Any, instruments: int) -> object:
    """The peer's candles."""
    polars = importlib.import_module("polars")
    price, size = polars.col("price"), polars.col("size")
    by = {"group_by": "of"} if instruments > 1 else {}
    return table.set_sorted("time").group_by_dynamic("time", every="10s", **by).agg(
        price.first().alias("open"), price.max().alias("high"), price.min().alias("low"), price.last().alias("close"),
        size.sum().alias("volume"), ((price * size).sum() / size.sum()).alias("vwap"), polars.len(),
    )  # fmt: skip


def through_hub(
    label: str, chunks: Callable[[], Iterator[pd.DataFrame]], batch: int, passes: int = 1
) -> None:
    """Publish ticks in batches to a hub with all engines, and again to fresh ones; the making of the ticks is not counted."""
    wall, cpu, rows = 0.0, 0.0, 0
    for _ in range(passes):
        hub = Hub()
        for engine in engines():
            hub.add_engine(engine)
        for chunk in chunks():
            parts = [TRADES.conform(chunk.iloc[row : row + batch]) for row in range(0, len(chunk), batch)]
            began = time.perf_counter(), time.thread_time()
            for part in parts:
                hub.publish("trades", part)
            wall += time.perf_counter() - began[0]
            cpu += time.thread_time() - began[1]
            rows += len(chunk)
    derived = sum(hub.rows[table] for table in ("intensity", "spikes", "reversals", "candles"))
    rates = f"{rows / wall / 1e6:9.2f}{rows / cpu / 1e6:9.2f}{cpu / rows * 1e9:9.0f}"
    print(f"{label:22}{batch:>8}{rows / 1e6:9.2f}{rates}{derived:12}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--skip-kernels", action="store_true")
    parser.add_argument("--skip-hub", action="store_true")
    chosen = parser.parse_args()
    if not chosen.skip_kernels:
        for rows in (chosen.rows // 10, chosen.rows):
            kernels(rows)
        bars(chosen.rows // 2)
    if chosen.skip_hub:
        return
    aig = recorded()
    print(
        f"\n{len(engines())} engines on the hub{'':3}{'batch':>7}{'M rows':>9}{'M/s':>9}{'M/CPU s':>9}{'CPU ns':>9}{'derived':>12}"
    )
    through_hub("(first call compiles)", lambda: synthetic(20_000), 10_000)
    if aig is not None:
        through_hub("(first call compiles)", lambda: iter([aig]), 100_000)
    for batch in (1_000, 10_000):
        if aig is not None:
            through_hub("AIG quotes 2013-10-08", lambda: iter([aig]), batch, AIG_PASSES)
        through_hub("synthetic", lambda: synthetic(chosen.rows), batch)


if __name__ == "__main__":
    main()
