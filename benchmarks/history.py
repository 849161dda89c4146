"""Durable appends and reads of the embedded history beside what one would write by hand.

Run with ``python benchmarks/history.py``; WORKSTATION_SAMPLE_DATA names the recorded data, without it the ticks
are synthetic. Every append is on disk (fsync) before the next begins, for the peers too.
"""

from __future__ import annotations

import gzip
import os
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from influxdb_client_3.write_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client_3.write_client.client.write_api import PointSettings

from workstation.history import History, open_history
from workstation.history.influx import line_protocol
from workstation.history.influx.line_encoder import tag_columns
from workstation.market.tables import QUOTES

BATCH = 5_000
_AIG = "equities_prints/lean/equity/usa/tick/aig/20131008_quote.zip"
_NAMES = ["ms", "bid", "bid_size", "ask", "ask_size", "exchange", "condition", "suspicious"]
_SQL = """
SELECT instrument, exchange, date_bin(INTERVAL '1 minute', time) AS begin,
       first_value(bid ORDER BY event_ns, seq) AS open, max(bid) AS high, min(bid) AS low,
       last_value(bid ORDER BY event_ns, seq) AS close, count(*) AS quotes
FROM quotes WHERE event_ns >= $start AND event_ns < $end GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


def recorded(path: Path) -> pd.DataFrame:
    """One day of AIG's quotes, venue by venue (LEAN's format: prices in 1/10000 USD)."""
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        raw = pd.read_csv(file, header=None, names=_NAMES, dtype={"condition": "str", "exchange": "str"})
    midnight = pd.Timestamp("2013-10-08", tz="America/New_York").value
    return pd.DataFrame(
        {
            "event_ns": midnight + raw["ms"].to_numpy(np.int64) * 1_000_000,
            "instrument": "AIG",
            "bid": raw["bid"].where(raw["bid"] > 0) / 10_000,
            "bid_size": raw["bid_size"].astype("float64"),
            "ask": raw["ask"].where(raw["ask"] > 0) / 10_000,
            "ask_size": raw["ask_size"].astype("float64"),
            "exchange": raw["exchange"],
            "condition": raw["condition"],
            "venue": "sip",
        }
    )


def synthetic(rows: int = 1_118_139) -> pd.DataFrame:
    """As many quotes of a random walk."""
    chance = np.random.default_rng(7)
    mid = 50 + np.round(chance.normal(size=rows).cumsum() * 0.001, 2)
    exchange = chance.choice(["NASDAQ", "NYSE", "ARCA", "BATS"], rows)
    return pd.DataFrame(
        {
            "event_ns": 1_381_239_000_000_000_000 + chance.integers(0, 40_000_000, rows).cumsum(),
            "instrument": "AIG",
            "bid": mid - 0.01,
            "bid_size": chance.integers(1, 50, rows) * 100.0,
            "ask": mid + 0.01,
            "ask_size": chance.integers(1, 50, rows) * 100.0,
            "exchange": exchange,
            "venue": "sip",
        }
    )


def batches_of(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows as the hub hands them on: conformed, numbered, 5 000 at a time."""
    whole = QUOTES.conform(rows.assign(seq=np.arange(1, len(rows) + 1)))
    return [whole.iloc[first : first + BATCH].reset_index(drop=True) for first in range(0, len(whole), BATCH)]


def timed_appends(
    name: str, append: Callable[[pd.DataFrame], object], batches: list[pd.DataFrame]
) -> dict[str, object]:
    """Rows per second and latencies of appending every batch."""
    taken = []
    begin = time.perf_counter()
    for batch in batches:
        before = time.perf_counter()
        append(batch)
        taken.append(time.perf_counter() - before)
    seconds = time.perf_counter() - begin
    p50, p99 = np.percentile(taken, [50, 99]) * 1e3
    return {
        "store": name,
        "rows/s": sum(map(len, batches)) / seconds,
        "p50 ms": p50,
        "p99 ms": p99,
        "max ms": max(taken) * 1e3,
    }


def sqlite_rows(folder: Path) -> tuple[sqlite3.Connection, Callable[[pd.DataFrame], None]]:
    """The peer: one SQLite row per tick, one durable transaction per batch."""
    connection = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"CREATE TABLE quotes ({', '.join(QUOTES.names)})")
    connection.execute("CREATE INDEX by_time ON quotes (event_ns, seq)")
    insert = f"INSERT INTO quotes VALUES ({', '.join('?' * len(QUOTES.names))})"

    def append(batch: pd.DataFrame) -> None:
        columns = [batch[name].astype("object").tolist() for name in QUOTES.names]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, zip(*columns, strict=True))
        connection.execute("COMMIT")

    return connection, append


def parquet_files(folder: Path) -> Callable[[pd.DataFrame], None]:
    """The peer: one durable Parquet file per batch."""
    home = folder / "files"
    home.mkdir()
    numbers = iter(range(10**9))

    def append(batch: pd.DataFrame) -> None:
        with (home / f"{next(numbers):06d}.parquet").open("wb") as file:
            pq.write_table(pa.Table.from_pandas(batch, preserve_index=False), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        descriptor = os.open(home, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    return append


def best(work: Callable[[], object], times: int = 3) -> float:
    """Milliseconds of the best of some runs."""

    def once() -> float:
        before = time.perf_counter()
        work()
        return (time.perf_counter() - before) * 1e3

    return min(once() for _ in range(times))


def reads(
    history: History, connection: sqlite3.Connection, files: Path, start: int, end: int
) -> Iterator[dict[str, object]]:
    """The same questions to all three."""
    inside = "WHERE event_ns >= ? AND event_ns < ? ORDER BY event_ns, seq"
    window = [("event_ns", ">=", start), ("event_ns", "<", end)]

    def candles(rows: pd.DataFrame) -> pd.DataFrame:
        ordered = rows.sort_values(["event_ns", "seq"], kind="stable")
        by = [
            ordered["instrument"].astype("str"),
            ordered["exchange"].astype("str"),
            ordered["event_ns"] // 60_000_000_000,
        ]
        return ordered.groupby(by)["bid"].agg(["first", "max", "min", "last", "size"])

    def by_rows() -> pd.DataFrame:
        return pd.read_sql_query(f"SELECT * FROM quotes {inside}", connection, params=(start, end))

    def by_files() -> pd.DataFrame:
        return pq.read_table(files, filters=window).to_pandas()

    yield {
        "question": "one hour, all columns",
        "history ms": best(lambda: history.read("quotes", start, end)),
        "sqlite rows ms": best(by_rows, 1),
        "parquet files ms": best(by_files),
    }
    yield {
        "question": "the day, all columns",
        "history ms": best(lambda: history.read("quotes")),
        "sqlite rows ms": best(
            lambda: pd.read_sql_query("SELECT * FROM quotes ORDER BY event_ns, seq", connection), 1
        ),
        "parquet files ms": best(lambda: pq.read_table(files).to_pandas().sort_values(["event_ns", "seq"])),
    }
    yield {
        "question": "minute candles of one hour per exchange (SQL)",
        "history ms": best(lambda: history.sql(_SQL, start=start, end=end)),
        "sqlite rows ms": best(lambda: candles(by_rows()), 1),
        "parquet files ms": best(lambda: candles(by_files())),
    }


def encoding(rows: pd.DataFrame, rounds: int = 3) -> pd.DataFrame:
    """Line protocol by columns beside the InfluxDB client's way of a DataFrame; CPU time, interleaved, same lines."""
    frame = QUOTES.conform(rows.assign(seq=np.arange(len(rows)) + 1))
    settings = {
        "data_frame_measurement_name": "quotes",
        "data_frame_tag_columns": list(tag_columns(QUOTES)),
        "data_frame_timestamp_column": "event_ns",
    }
    stamped = frame.assign(event_ns=pd.to_datetime(frame["event_ns"]))

    def client() -> bytes:
        lines = data_frame_to_list_of_points(stamped, PointSettings(), "ns", **settings)
        return ("\n".join(lines) + "\n").encode()

    made = line_protocol("quotes", frame)
    if made != client():
        raise AssertionError("the lines are not those of the client")
    spent: dict[str, list[float]] = {"client": [], "columns": []}
    for _ in range(rounds):
        for name, work in (("client", client), ("columns", lambda: line_protocol("quotes", frame))):
            begun = time.process_time()
            work()
            spent[name].append(time.process_time() - begun)
    rates = {name: len(frame) / min(seconds) for name, seconds in spent.items()}
    compressed = {}
    for level in (1, 3, 6):
        begun = time.process_time()
        size = len(gzip.compress(made, level))
        compressed[f"gzip {level}"] = (
            f"{size / len(made):.1%} at {len(made) / 1e6 / (time.process_time() - begun):.0f} MB/s"
        )
    return pd.DataFrame(
        [
            {
                "rows": len(frame),
                "client rows/s": rates["client"],
                "columns rows/s": rates["columns"],
                "faster by": rates["columns"] / rates["client"],
                **compressed,
            }
        ]
    )


def main() -> None:
    """Print the tables."""
    samples = os.environ.get("WORKSTATION_SAMPLE_DATA")
    path = Path(samples) / _AIG if samples else None
    found = path is not None and path.exists()
    batches = batches_of(recorded(path) if found else synthetic())
    first, last = int(batches[0]["event_ns"].iloc[0]), int(batches[-1]["event_ns"].iloc[-1])
    start = (first + last) // 2
    print(
        f"{sum(map(len, batches)):,} {'recorded AIG' if found else 'synthetic'} quotes, {BATCH:,} per durable append\n"
    )
    print(encoding(pd.concat(batches[:10], ignore_index=True)).round(1).to_string(index=False), "\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        connection, append_rows = sqlite_rows(folder)
        with open_history(folder / "history") as history, closing(connection):
            appends = pd.DataFrame(
                [
                    timed_appends("history", lambda batch: history.write("quotes", batch), batches),
                    timed_appends("sqlite rows", append_rows, batches),
                    timed_appends("parquet files", parquet_files(folder), batches),
                ]
            )
            appends["history is faster by"] = appends["rows/s"][0] / appends["rows/s"]
            print(appends.round(2).to_string(index=False), "\n")
            answers = pd.DataFrame(
                reads(history, connection, folder / "files", start, start + 3_600_000_000_000)
            )
            for peer in ("sqlite rows", "parquet files"):
                answers[f"{peer} / history"] = answers[f"{peer} ms"] / answers["history ms"]
            print(answers.round(2).to_string(index=False), "\n")
            print(history.tables().to_string(index=False))


if __name__ == "__main__":
    main()
