"""Options flow on one core: placement beside pandas, polars and DuckDB, DBN beside Databento's decoder, prints to alerts, packets
to hits, memory of a day.

    python benchmarks/flow.py [--quick] [--only placement|dbn|chain|memory]

Peers join the same columns (contract number, time, bid, ask) in their own frames, made before the clock starts. Times are CPU time of
the process, the best of interleaved rounds; every tool is told to use one thread. Databento's decoder is iterated record by record,
as its documentation does; its own way to a frame (``to_df``) is told beside it. ``memory`` is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from workstation.feeds.files import Rejections, read
from workstation.feeds.files.dbn_layout import TRADES as TRADES_TYPE
from workstation.feeds.files.dbn_layout import layout
from workstation.flow.alerts import Alerts
from workstation.flow.chain import flow_engines
from workstation.flow.classifiers import Classifiers
from workstation.flow.nbbo import NbboPlacement, place
from workstation.flow.packets import Packets
from workstation.flow.structure_finder import StructureFinder, StructuresParameters
from workstation.flow.structures import Structures
from workstation.market.instruments import REGISTRY
from workstation.market.tables import PACKETS, QUOTES, TRADES

START = pd.Timestamp("2026-11-30 14:30").value
SECOND = 10**9
VENDOR_FIELDS = ("ts_event", "ts_recv", "instrument_id", "publisher_id", "price", "size", "sequence")


def contracts(count: int) -> list[str]:
    """OSI names of ``count`` contracts of one expiry per 200."""
    roots = [f"N{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(max(count // 200, 1))]
    return [
        f"{root:<6}261218{right}{strike * 1000:08d}"
        for root in roots
        for strike in range(100, 200)
        for right in "CP"
    ][:count]


def market(
    trades: int, quotes: int, count: int, seconds: float, seed: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trades and quotes of ``count`` contracts in order of time."""
    rng = np.random.default_rng(seed)
    codes = REGISTRY.codes(contracts(count))
    span = int(seconds * SECOND)
    which = rng.integers(0, count, quotes)
    mid = np.round(rng.uniform(1.0, 5.0, count)[which] + rng.normal(0, 0.02, quotes), 2)
    quote_rows = {
        "event_ns": START + np.sort(rng.integers(0, span, quotes)), "instrument": REGISTRY.categorical(codes[which].astype(np.int32)),
        "bid": mid - 0.02, "ask": mid + 0.02, "bid_size": np.full(quotes, 10.0), "ask_size": np.full(quotes, 10.0),
    }  # fmt: skip
    hot = np.minimum((count * rng.random(trades) ** 3).astype(np.int64), count - 1)
    rows = {
        "event_ns": START + np.sort(rng.integers(0, span, trades)), "instrument": REGISTRY.categorical(codes[hot].astype(np.int32)),
        "price": np.round(rng.uniform(1.0, 5.0, trades), 2), "size": np.maximum(np.rint(rng.lognormal(0.8, 1.1, trades)), 1),
        "trade_id": pd.array(pd.Series(np.arange(trades)).astype(str), dtype="str"), "index": np.full(trades, 150.0),
        "exchange": pd.Categorical.from_codes(rng.integers(0, 6, trades).astype(np.int8), categories=list("CPQZXN")),
    }  # fmt: skip
    return TRADES.batch(rows, trades), QUOTES.batch(quote_rows, quotes)  # fmt: skip


def timed(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Best CPU seconds of each run, rounds interleaved."""
    best = dict.fromkeys(runs, np.inf)
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    return best


def placement(trades: int, quotes: int, rounds: int) -> None:
    """As-of join of trades against quotes over 2 000 contracts."""
    own, theirs = market(trades, quotes, 2_000, 23_400.0)
    left = pd.DataFrame(
        {"code": own["instrument"].cat.codes.astype("int64"), "t": own["event_ns"], "price": own["price"]}
    )
    right = pd.DataFrame(
        {"code": theirs["instrument"].cat.codes.astype("int64"), "t": theirs["event_ns"], "bid": theirs["bid"], "ask": theirs["ask"]}
    )  # fmt: skip
    runs: dict[str, Callable[[], Any]] = {
        "ours": lambda: place(own, theirs),
        "pandas": lambda: pd.merge_asof(left, right, on="t", by="code"),
    }
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl

    one, two = pl.from_pandas(left), pl.from_pandas(right)
    runs["polars"] = lambda: one.join_asof(two, on="t", by="code", check_sortedness=False)
    runs["duckdb"] = _duckdb(left, right)
    place(own.head(1_000), theirs.head(1_000))
    best = timed(runs, rounds)
    for name, seconds in best.items():
        print(f"placement {name:8s} {seconds:8.3f} s  {seconds / best['ours']:6.1f} x ours")


def _duckdb(left_rows: pd.DataFrame, right_rows: pd.DataFrame) -> Callable[[], Any]:
    import duckdb

    link = duckdb.connect(config={"threads": "1"})
    link.execute("create table a as select * from left_rows")
    link.execute("create table b as select * from right_rows")
    query = "select a.*, b.bid, b.ask from a asof left join b on a.code = b.code and a.t >= b.t"
    return lambda: link.sql(query).to_arrow_table()


def dbn(records: int, rounds: int) -> None:
    """A file of OPRA trades to columns, beside the vendor's decoder."""
    import databento
    from databento_dbn import Metadata, SType

    names = contracts(2_000)
    day = pd.Timestamp("2026-11-30").date()
    spans = [
        SimpleNamespace(start_date=day, end_date=day + timedelta(1), symbol=str(number + 1))
        for number in range(len(names))
    ]
    mappings = [
        SimpleNamespace(raw_symbol=name, intervals=[span]) for name, span in zip(names, spans, strict=True)
    ]
    head = Metadata(
        dataset="OPRA.PILLAR", start=START, end=START + 8 * 3_600 * SECOND, symbols=[], mappings=mappings, schema=None,
        stype_in=SType.RAW_SYMBOL, stype_out=SType.INSTRUMENT_ID,
    )  # fmt: skip
    rng = np.random.default_rng(3)
    rows = np.zeros(records, layout(TRADES_TYPE, 48))
    rows["publisher_id"], rows["instrument_id"] = 30, rng.integers(1, len(names) + 1, records)
    rows["ts_event"] = rows["ts_recv"] = START + np.sort(rng.integers(0, 23_400 * SECOND, records))
    rows["price"], rows["size"] = rng.integers(100, 500, records) * 10**7, rng.integers(1, 50, records)
    rows["action"], rows["side"] = ord("T"), ord("N")
    bytes_of = rows.view(np.uint8).reshape(records, 48)
    bytes_of[:, 0] = 48 // 4
    with TemporaryDirectory() as folder:
        path = Path(folder) / "opra.trades.dbn"
        path.write_bytes(bytes(head) + bytes_of.tobytes())

        def ours() -> int:
            return sum(len(batch.frame) for batch in read("dbn", path, Rejections()))

        def iterated() -> int:
            return sum(1 for _ in databento.DBNStore.from_file(path))

        def to_columns() -> int:
            columns: list[list[int]] = [[] for _ in VENDOR_FIELDS]
            for record in databento.DBNStore.from_file(path):
                for column, name in zip(columns, VENDOR_FIELDS, strict=True):
                    column.append(getattr(record, name))
            arrays = [np.array(column) for column in columns]
            return len(arrays[0])

        if not ours() == iterated() == records:
            raise SystemExit(f"read {ours()} and {iterated()} of {records} trades")
        best = timed(
            {
                "ours": ours,
                "databento iterated": iterated,
                "iterated to columns": to_columns,
                "databento to_df": lambda: databento.DBNStore.from_file(path).to_df(schema="trades"),
            },
            rounds,
        )
    for name, seconds in best.items():
        print(
            f"DBN trades {name:20s} {records / seconds / 1e6:8.2f} M/s  {seconds / best['ours']:6.1f} x ours"
        )


def chain(prints: int, batch: int) -> pd.DataFrame:
    """Prints to alerts in batches of ``batch`` rows; gives the packets."""
    trades, quotes = market(prints, prints, 2_000, prints / 2_000)
    finder = StructureFinder(StructuresParameters(), shared=True)
    engines = [NbboPlacement(), Packets(), Structures(finder=finder), Classifiers(finder=finder), Alerts()]
    spent = dict.fromkeys([type(engine).__name__ for engine in engines], 0.0)
    parts = [
        (QUOTES.take(quotes, np.arange(at, min(at + batch, prints))), TRADES.take(trades, np.arange(at, min(at + batch, prints))))
        for at in range(0, prints, batch)
    ]  # fmt: skip
    packets: list[pd.DataFrame] = []
    counted = 0
    for number, (some, rows) in enumerate(parts):
        if number == len(parts) // 10:
            spent, counted = dict.fromkeys(spent, 0.0), 0
        engines[0].update(some, "quotes")
        given = rows
        counted += len(rows)
        for engine, table in zip(engines, ("trades", "prints", "packets", "packets", "hits"), strict=True):
            start = time.process_time()
            made = engine.update(given, table)
            spent[type(engine).__name__] += time.process_time() - start
            if type(engine).__name__ == "Packets":
                packets.append(made)
            if type(engine).__name__ != "Structures":
                given = made
    total = sum(spent.values())
    print(f"prints to alerts {counted / total:12,.0f} prints/s in batches of {batch}")
    print(
        "   " + ", ".join(f"{name} {1e6 * seconds / counted:.2f} us/print" for name, seconds in spent.items())
    )
    return PACKETS.concat([rows for rows in packets if len(rows)])


def hits(packets: pd.DataFrame, rounds: int) -> None:
    """Packets to scored hits."""

    def run() -> None:
        Alerts().update(Classifiers().update(packets))

    best = timed({"hits": run}, rounds)["hits"]
    print(f"packets to scored hits {len(packets) / best:12,.0f} packets/s over {len(packets):,}")


def memory(prints: int, count: int) -> None:
    """Resident memory after a day of prints over many contracts."""
    engines = [engine for engine in flow_engines() if type(engine).__name__ != "OpenInterestVerdicts"]
    day, block = 23_400.0, 500_000
    for number in range(max(prints // block, 1)):
        trades, quotes = market(block, block, count, day * block / prints, seed=number)
        shift = int(number * day * block / prints * SECOND)
        trades["event_ns"] += shift
        quotes["event_ns"] += shift
        for at in range(0, block, 50_000):
            rows = np.arange(at, at + 50_000)
            engines[0].update(QUOTES.take(quotes, rows), "quotes")
            placed = engines[0].update(TRADES.take(trades, rows), "trades")
            made = engines[1].update(placed, "prints")
            engines[2].update(made, "packets")
            engines[4].update(engines[3].update(made, "packets"), "hits")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"memory of {prints:,} prints over {count:,} contracts: {peak:.2f} GB at most, this benchmark's own rows among them"
    )


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and no memory run")
    parser.add_argument("--only", default="", help="placement, dbn, chain or memory")
    given = parser.parse_args()
    scale = 10 if given.quick else 1
    if given.only in ("", "placement"):
        placement(1_000_000 // scale, 5_000_000 // scale, 3)
    if given.only in ("", "dbn"):
        dbn(3_000_000 // scale, 3)
    if given.only in ("", "chain"):
        found = chain(1_000_000 // scale, 1_000)
        hits(found, 3)
    if given.only == "memory" or (not given.only and not given.quick):
        memory(10_000_000, 50_000)


if __name__ == "__main__":
    main()
