"""Ticks through the hub and the candles, and candles against polars and pandas on the same rows.

Run ``python benchmarks/hub.py``; recorded quote ticks when WORKSTATION_SAMPLE_DATA is set, else synthetic ones.
"""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from workstation.indicators.candles.engine import Candles, candles
from workstation.market.tables import TRADES
from workstation.streams.hub import Hub

ROWS, EVERY = 1_118_000, "10s"


def ticks() -> tuple[str, pd.DataFrame]:
    """Source, and rows of ``trades``: mids of a recorded day of AIG quote ticks."""
    folder = os.environ.get("WORKSTATION_SAMPLE_DATA", "")
    files = sorted(Path(folder).glob("**/tick/aig/20131008_quote.zip")) if folder else []
    if files:
        with zipfile.ZipFile(files[0]) as archive:
            text = archive.read(archive.namelist()[0])
        raw = pd.read_csv(io.BytesIO(text), header=None, usecols=[0, 1, 3], names=["ms", "bid", "ask"])
        price = raw[["bid", "ask"]].replace(0, np.nan).mean(axis=1).ffill().bfill() / 1e4
        event_ns = np.sort(raw["ms"].to_numpy()) * 1_000_000
        return files[0].name, frame(event_ns, price.to_numpy())
    rng = np.random.default_rng(1)
    event_ns = np.sort(rng.integers(0, 23_400 * 10**9, ROWS))
    return "synthetic", frame(event_ns, 100 + rng.normal(size=ROWS).cumsum() * 0.001)


def frame(event_ns: np.ndarray, price: np.ndarray) -> pd.DataFrame:
    """Conformed trades of one instrument."""
    rows = pd.DataFrame({"event_ns": event_ns, "instrument": "AIG", "price": price, "size": 1.0})
    return TRADES.conform(rows)


def seconds(run: Callable[[], object], repeats: int = 3) -> float:
    """Best of some runs."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def publish(batches: list[pd.DataFrame], engines: int) -> None:
    """All batches through a fresh hub."""
    hub = Hub()
    for _ in range(engines):
        hub.add_engine(Candles(every=EVERY))
    for batch in batches:
        hub.publish("trades", batch)


def main() -> None:
    """Print the table."""
    source, rows = ticks()
    n = len(rows)
    print(f"{n:,} ticks, {source}; million ticks a second, best of 3")
    for size in (1_000, 10_000):
        batches = [TRADES.conform(rows.iloc[at : at + size]) for at in range(0, n, size)]
        publish(batches[:3], 1)
        for name, engines in (("hub", 0), ("hub + candles", 1)):
            took = seconds(lambda b=batches, e=engines: publish(b, e))  # type: ignore[misc]
            print(f"{name:<16} batches of {size:>6,}  {n / took / 1e6:7.2f}")
    ours = seconds(lambda: candles(rows, every=EVERY))
    columns = {name: rows[name].to_numpy() for name in ("price", "size")}
    at = pd.DatetimeIndex(rows["event_ns"], name="time")
    polars, indexed = pl.DataFrame({"time": at.to_numpy(), **columns}), pd.DataFrame(columns, index=at)
    peers = {
        "candles()": ours,
        "polars": seconds(lambda: by_polars(polars)),
        "pandas": seconds(lambda: by_pandas(indexed)),
    }
    for name, took in peers.items():
        print(f"{name:<16} whole history      {n / took / 1e6:7.2f}  {took / ours:5.2f} x our time")


def by_polars(rows: pl.DataFrame) -> pl.DataFrame:
    """The peer's candles."""
    price, size = pl.col("price"), pl.col("size")
    return rows.group_by_dynamic("time", every=EVERY).agg(
        price.first().alias("open"), price.max().alias("high"), price.min().alias("low"),
        price.last().alias("close"), size.sum().alias("volume"), ((price * size).sum() / size.sum()).alias("vwap"), pl.len(),
    )  # fmt: skip


def by_pandas(rows: pd.DataFrame) -> pd.DataFrame:
    """The peer's candles."""
    bins = rows.assign(usd=rows["price"] * rows["size"]).resample(EVERY)
    made = bins["price"].ohlc().assign(volume=bins["size"].sum(), trades=bins["size"].count())
    return made.assign(vwap=bins["usd"].sum() / made["volume"])


if __name__ == "__main__":
    main()
