"""Durable appends of 5 000 rows to the embedded store with two readers attached, rolls included: this checkout beside another.

Run with ``python benchmarks/history_append.py --against CHECKOUT``. Each round writes the same quotes into a fresh store in a process
of its own, first with one checkout, then with the other, while two further processes of that checkout read the newest minute over and
over. The measure is the writer's processor time, its background rolls included and one last roll of what is left: what else the
machine does meanwhile meets it little. Rows that are read back must be the rows written.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
BATCH = 5_000
READERS = 2


def quotes(rows: int) -> pd.DataFrame:
    """Quotes of a random walk on four exchanges."""
    chance = np.random.default_rng(7)
    mid = 50 + np.round(chance.normal(size=rows).cumsum() * 0.001, 2)
    return pd.DataFrame(
        {
            "seq": np.arange(1, rows + 1), "event_ns": 1_381_239_000_000_000_000 + chance.integers(0, 40_000_000, rows).cumsum(),
            "instrument": chance.choice(["AIG", "SPY", "GOOG"], rows), "bid": mid - 0.01, "bid_size": chance.integers(1, 50, rows) * 100.0,
            "ask": mid + 0.01, "ask_size": chance.integers(1, 50, rows) * 100.0,
            "exchange": chance.choice(["NASDAQ", "NYSE", "ARCA", "BATS"], rows), "venue": "sip",
        }
    )  # fmt: skip


def once(batches: int) -> dict[str, float]:
    """Write and roll; rows, processor seconds of the appends and of all."""
    from workstation.history import open_history
    from workstation.market.tables import QUOTES

    rows = quotes(batches * BATCH)
    whole = QUOTES.conform(rows)
    parts = [whole.iloc[at : at + BATCH].reset_index(drop=True) for at in range(0, len(whole), BATCH)]
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        with open_history(store) as history:
            history.write("quotes", QUOTES.conform(rows.iloc[:1].assign(seq=10**9, instrument="WARM")))
            command = [sys.executable, str(Path(__file__).resolve()), "--read", store]
            readers = [
                subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
                for _ in range(READERS)
            ]
            try:
                for reader in readers:
                    reader.stdout.readline()  # type: ignore[union-attr]
                began = time.process_time()
                for part in parts:
                    history.write("quotes", part)
                appended = time.process_time() - began
                history.roll()  # type: ignore[attr-defined]
                spent = time.process_time() - began
            finally:
                told = [reader.communicate(b"\n")[0] for reader in readers]
            back = history.read("quotes", columns=["seq"])
    if sorted(back["seq"].tolist()) != [*range(1, len(rows) + 1), 10**9]:
        raise SystemExit("what was read back is not what was written")
    return {"rows": len(rows), "appended": appended, "seconds": spent, "reads": sum(int(one) for one in told)}


def read(store: str) -> None:
    """Read the newest minute until told to end, then say how often."""
    import threading

    from workstation.history import open_history

    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
    count = 0
    with open_history(store, upkeep=False) as history:
        print("ready", flush=True)
        while not over.is_set():
            last = history.tables().set_index("name")["last_event_ns"]["quotes"]
            history.read(
                "quotes", int(last) - 60_000_000_000, columns=["event_ns", "instrument", "bid", "ask"]
            )
            count += 1
            time.sleep(0.05)
    print(count, flush=True)


def in_a_process(checkout: Path, batches: int) -> dict[str, float]:
    """``once`` with the code of a checkout."""
    environment = dict(os.environ, PYTHONPATH=str(checkout))
    command = [sys.executable, str(Path(__file__).resolve()), "--once", str(batches)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=checkout)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--against", type=Path, help="another checkout, run in turns with this one")
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.read:
        read(asked.read)
        return
    if asked.once:
        print(json.dumps(once(asked.once)))
        return
    checkouts = [ROOT, *([asked.against.resolve()] if asked.against else [])]
    runs: dict[Path, list[dict[str, float]]] = {checkout: [] for checkout in checkouts}
    for _ in range(asked.rounds):
        for checkout in checkouts:
            runs[checkout].append(in_a_process(checkout, asked.batches))
    print(
        f"{'checkout':<22}{'rows':>11}{'append us/row':>15}{'all us/row':>12}{'rows/cpu s':>12}{'reads':>7}{'times':>7}"
    )
    best = {one: min(run["seconds"] for run in runs[one]) for one in checkouts}
    for one in checkouts:
        rows = runs[one][0]["rows"]
        append = min(run["appended"] for run in runs[one])
        reads = statistics.median(run["reads"] for run in runs[one])
        print(
            f"{one.name:<22}{rows:>11,.0f}{append / rows * 1e6:>15.3f}{best[one] / rows * 1e6:>12.3f}{rows / best[one]:>12,.0f}"
            f"{reads:>7.0f}{best[checkouts[-1]] / best[one]:>7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
