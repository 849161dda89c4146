"""A whole day of ticks through hub, candles and the recorder, until every row is durable.

Run ``python benchmarks/end_to_end.py``; recorded quote ticks when WORKSTATION_SAMPLE_DATA is set, else synthetic ones.
The peer is the least a desk could do with the libraries alone: Streamz, a pandas resample per batch, and one
Parquet file, synced, per 5 000 rows.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import streamz
from ticks import ticks

from workstation.history import open_history
from workstation.history.recorder import Recorder
from workstation.indicators.candles.engine import Candles
from workstation.streams.hub import Hub

BATCH_ROWS = 1_000
WRITE_ROWS = 5_000


def ours(batches: list[pd.DataFrame]) -> tuple[float, int]:
    """Seconds until the last row was durable, and rows found in history afterwards."""
    with tempfile.TemporaryDirectory() as folder, open_history(folder) as history:
        hub, recorder = Hub(), Recorder(history).start()
        hub.add_engine(Candles(every="10s"))
        hub.attach("recorder", ["trades", "candles"], recorder.put)
        began = time.perf_counter()
        for batch in batches:
            hub.publish("trades", batch)
        recorder.flush(300)
        took = time.perf_counter() - began
        recorder.close()
        rows = int(history.tables().set_index("name")["rows"]["trades"])
    return took, rows


def peer(batches: list[pd.DataFrame]) -> float:
    """Seconds of the libraries alone."""
    with tempfile.TemporaryDirectory() as folder:
        source = streamz.Stream()
        waiting: list[pd.DataFrame] = []
        written = [0]

        def write(frame: pd.DataFrame) -> None:
            waiting.append(frame)
            if sum(map(len, waiting)) >= WRITE_ROWS:
                path = Path(folder) / f"{written[0]}.parquet"
                pq.write_table(pa.Table.from_pandas(pd.concat(waiting), preserve_index=False), path)
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                written[0] += 1
                waiting.clear()

        def resample(frame: pd.DataFrame) -> pd.DataFrame:
            return frame.set_index(pd.DatetimeIndex(frame["event_ns"]))["price"].resample("10s").ohlc()

        kept = [source.sink(write), source.map(resample).sink(lambda frame: None)]
        began = time.perf_counter()
        for batch in batches:
            source.emit(batch)
        took = time.perf_counter() - began
        del kept
    return took


def main() -> None:
    """Print the table."""
    source, rows = ticks()
    batches = [
        rows.iloc[start : start + BATCH_ROWS].reset_index(drop=True)
        for start in range(0, len(rows), BATCH_ROWS)
    ]
    ours(batches[:100])
    took, kept = ours(batches)
    least = peer(batches)
    print(f"{source}: {len(rows):,} ticks in batches of {BATCH_ROWS:,}")
    print(
        f"hub + candles + durable history  {len(rows) / took / 1e6:6.2f} M ticks/s  {took:6.2f} s  rows kept {kept:,}"
    )
    print(f"Streamz + pandas + Parquet files {len(rows) / least / 1e6:6.2f} M ticks/s  {least:6.2f} s")
    print(f"ratio {least / took:.1f} x")
    if kept != len(rows):
        raise SystemExit(f"lost {len(rows) - kept} rows")


if __name__ == "__main__":
    main()
