"""Rows a second of an unpaced replay through all standard engines and the digests of what they derive.

Run with ``python benchmarks/replay.py``; WORKSTATION_SAMPLE_DATA names the recorded data: LEAN's trades and quotes of AIG,
2013-10-08. Every run imports them into a fresh history in a process of its own, which is not timed, and replays twenty
minutes of the day to load what is compiled. ``--against CHECKOUT`` takes turns with another checkout of the project, round by round, prints how many
times as fast this one is, and whether both derive the same rows.
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
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DAY = "2013-10-08"


def once(data: Path, start: str, end: str) -> dict[str, Any]:
    """One replay of a part of the day: rows, seconds and digests."""
    from workstation.history import open_history
    from workstation.market.digest import digest
    from workstation.research.importing import import_files
    from workstation.research.replay import replay

    files = sorted(data.glob("equities_prints/lean/**/aig/20131008_*.zip"))
    if not files:
        raise SystemExit(f"no trades and quotes of AIG under {data}")
    with tempfile.TemporaryDirectory() as folder:
        history = open_history(Path(folder) / "history")
        import_files(history, "lean", files)
        replay(history, f"{DAY}T13:30", f"{DAY}T13:50")
        bounds = f"{DAY}T{start}", f"{DAY}T{end}"
        rows = sum(len(history.read(table, *bounds)) for table in ("trades", "quotes"))
        began = time.perf_counter()
        digests = {table: digest(made) for table, made in replay(history, *bounds).items()}
        seconds = time.perf_counter() - began
        history.close()
    return {"rows": rows, "seconds": seconds, "digests": digests}


def in_a_process(checkout: Path, start: str, end: str) -> dict[str, Any]:
    """``once`` with the code of a checkout."""
    environment = dict(os.environ, PYTHONPATH=str(checkout))
    command = [sys.executable, str(Path(__file__).resolve()), "--once", "--start", start, "--end", end]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=checkout)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--start", default="13:30", help="time of day, UTC")
    parser.add_argument("--end", default="13:50", help="time of day, UTC")
    parser.add_argument("--against", type=Path, help="another checkout, run in turns with this one")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        data = Path(os.environ["WORKSTATION_SAMPLE_DATA"])
        print(json.dumps(once(data, asked.start, asked.end)))
        return
    checkouts = [ROOT, *([asked.against.resolve()] if asked.against else [])]
    runs: dict[Path, list[dict[str, Any]]] = {checkout: [] for checkout in checkouts}
    for _ in range(asked.rounds):
        for checkout in checkouts:
            runs[checkout].append(in_a_process(checkout, asked.start, asked.end))
    medians = {one: statistics.median(run["seconds"] for run in runs[one]) for one in checkouts}
    print(f"{'checkout':<22}{'rows':>11}{'best s':>9}{'median s':>10}{'rows/s':>12}{'times':>8}")
    for one in checkouts:
        rows, best = runs[one][0]["rows"], min(run["seconds"] for run in runs[one])
        print(
            f"{one.name:<22}{rows:>11,}{best:>9.2f}{medians[one]:>10.2f}{rows / medians[one]:>12,.0f}"
            f"{medians[checkouts[-1]] / medians[one]:>8.1f}"
        )
    ours, theirs = (runs[one][0]["digests"] for one in (checkouts[0], checkouts[-1]))
    differing = sorted(name for name in ours if ours[name] != theirs.get(name))
    print(f"tables that differ: {', '.join(differing) or 'none'}")


if __name__ == "__main__":
    main()
