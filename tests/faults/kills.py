"""SIGKILL at random moments: of a writer with rolls and merges, and of an import."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from tests.faults.rounds import Outcome, fault
from tests.faults.rows import MAPPING, PYTHON, ROOT, csv, expected, stored
from workstation.history import open_history
from workstation.research.importing import import_files

WRITER = ROOT / "tests/property/history/crash_writer.py"
_IMPORTER = """
import sys
import workstation.research.import_writer as import_writer
import workstation.research.importing as importing
from workstation.history import open_history
import_writer.WRITE_ROWS = 2000
history = open_history(sys.argv[1], roll_rows=5000, roll_seconds=0.1, merge_segments=3)
print("ready", flush=True)
importing.import_files(history, "table", sys.argv[3:], mapping=sys.argv[2])
history.close()
print("done", flush=True)
"""


def start(*command: object) -> subprocess.Popen[bytes]:
    """A process with the project on its path."""
    return subprocess.Popen(
        [PYTHON, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@fault("SIGKILL of a writer that rolls and merges")
def kill_writers(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Every acknowledged batch is there once and whole."""
    last = -1
    for _ in range(12):
        outcome.rounds += 1
        writer = start(WRITER, folder, max(0, last - 2), "")
        assert writer.stdout is not None
        for _ in range(chance.randrange(5, 200)):
            line = writer.stdout.readline()
            last = max(last, int(line)) if line.endswith(b"\n") else last
        time.sleep(chance.random() * 0.02)
        writer.kill()
        last = max([last, *(int(line) for line in writer.stdout if line.endswith(b"\n"))])
        writer.wait()
        with open_history(folder, upkeep=False) as history:
            rows = history.read("trades", columns=["seq", "venue_seq", "size"])
            outcome.check(rows["seq"].is_unique, "rows doubled")
            sizes = rows.groupby("venue_seq")["size"].agg(["size", "first"])
            outcome.check(bool((sizes["size"] == sizes["first"]).all()), "half a batch")
            outcome.check(len(sizes) > last, f"batch {last} was acknowledged and is lost")
            outcome.check(history.problems().empty, f"problems: {history.problems()['detail'].tolist()}")
            outcome.check(history.verify().empty, "damage")


@fault("SIGKILL and SIGTERM of an import of overlapping files")
def kill_imports(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Never a row too many; at the end every row as often as the longest file has it."""
    (folder / "map.yaml").write_text(MAPPING)
    files = [folder / f"{name}.csv" for name in ("noon", "evening", "whole")]
    for path, end in zip(files, (20_000, 30_000, 45_000), strict=True):
        path.write_text(csv(range(end)))
    whole = expected(range(45_000))
    for _ in range(10):
        outcome.rounds += 1
        process = start("-c", _IMPORTER, folder / "store", folder / "map.yaml", *files)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.random() * 0.8)
        process.send_signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.wait()
        with open_history(folder / "store", upkeep=False) as history:
            extra = stored(history) - whole
            outcome.check(not extra, f"{sum(extra.values())} rows too many")
            outcome.check(history.problems().empty, "problems after a kill")
    with open_history(folder / "store", upkeep=False) as history:
        import_files(history, "table", files, mapping=str(folder / "map.yaml"))
        outcome.check(stored(history) == whole, "rows lost or doubled at the end")
