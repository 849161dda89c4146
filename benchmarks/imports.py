"""Rows a second from recorded files into a history: LEAN's equities, and snapshots of whole Deribit chains.

Run with ``python benchmarks/imports.py``; WORKSTATION_SAMPLE_DATA names the recorded data. Each round imports into a
fresh history in a process of its own. ``--against CHECKOUT`` takes turns with another checkout of the project, round
by round, and prints how many times as fast this one is: what else the machine does meanwhile meets both.
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

ROOT = Path(__file__).resolve().parents[1]
SETS = {
    "LEAN equities": ("lean", "equities_prints/lean/**/*.zip", {}),
    "LEAN AIG and SPY, one day": ("lean", "equities_prints/lean/**/[as][ip][gy]/20131008_*.zip", {}),
    "LEAN options of GOOG, one day": ("lean", "us_options/lean/option/usa/minute/goog/*.zip", {}),
    "Deribit snapshots": (
        "table", "crypto_options/deribit_chain_snapshots/*.gz", {"mapping": "deribit_snapshots"},
    ),
}  # fmt: skip


def once(name: str, data: Path) -> dict[str, float]:
    """One import into a fresh history: rows, seconds, and seconds of processor time."""
    from workstation.history import open_history
    from workstation.research.importing import import_files

    format_name, pattern, options = SETS[name]
    files = sorted(data.glob(pattern))
    with tempfile.TemporaryDirectory() as folder:
        history = open_history(Path(folder) / "history")
        began, busy = time.perf_counter(), time.process_time()
        done = import_files(history, format_name, files, **options)
        seconds, processor = time.perf_counter() - began, time.process_time() - busy
        history.close()
    if done.failures or done.files != len(files) or not files:
        raise SystemExit(f"{name}: {done.files} of {len(files)} files read; {done.failures}")
    rows = sum(count for table, count in done.rows.items() if table != "instruments")
    return {"rows": rows, "seconds": seconds, "processor": processor}


def in_a_process(checkout: Path, name: str) -> dict[str, float]:
    """``once`` with the code of a checkout."""
    environment = dict(os.environ, PYTHONPATH=str(checkout))
    command = [sys.executable, str(Path(__file__).resolve()), "--once", name]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=checkout)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout, run in turns with this one")
    parser.add_argument("--only", choices=list(SETS), help="one set of files")
    parser.add_argument("--once", choices=list(SETS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        print(json.dumps(once(asked.once, Path(os.environ["WORKSTATION_SAMPLE_DATA"]))))
        return
    checkouts = [ROOT, *([asked.against.resolve()] if asked.against else [])]
    print(
        f"{'set':<32}{'checkout':<22}{'rows':>11}{'best s':>9}{'median s':>10}{'rows/s':>12}{'cpu s':>8}{'times':>8}"
    )
    for name in [asked.only] if asked.only else SETS:
        runs: dict[Path, list[dict[str, float]]] = {checkout: [] for checkout in checkouts}
        for _ in range(asked.rounds):
            for checkout in checkouts:
                runs[checkout].append(in_a_process(checkout, name))
        best = {checkout: min(run["seconds"] for run in runs[checkout]) for checkout in checkouts}
        for checkout in checkouts:
            rows, median = (
                runs[checkout][0]["rows"],
                statistics.median(run["seconds"] for run in runs[checkout]),
            )
            processor = min(run["processor"] for run in runs[checkout])
            print(
                f"{name:<32}{checkout.name:<22}{rows:>11,.0f}{best[checkout]:>9.2f}{median:>10.2f}"
                f"{rows / best[checkout]:>12,.0f}{processor:>8.2f}{best[checkouts[-1]] / best[checkout]:>8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
