"""A process that writes numbered batches and acknowledges each on its standard output; made to be killed.

Usage: crash_writer.py FOLDER FIRST_BATCH DIE_AT
"""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pandas as pd

from workstation.history import open_history
from workstation.history.embedded import leases, manifest, segments
from workstation.history.embedded import maintenance as upkeep

NAMES = np.array(["AAA", "BBB", "CCC"])


def rows_of(number: int) -> int:
    return 20 + (number * 37) % 160


def batch(number: int) -> pd.DataFrame:
    """Batch ``number``: its rows carry its number, its size and their place; the sequence goes on between batches."""
    rows = rows_of(number)
    first = sum(map(rows_of, range(number)))
    place = np.arange(rows)
    return pd.DataFrame(
        {
            "seq": first + place + 1,
            # Late rows: batches overlap in time.
            "event_ns": (first + place) * 1000 - (number % 3) * 50_000,
            "instrument": NAMES[place % 3],
            "price": place / 8,
            "size": float(rows),
            "venue_seq": number,
        }
    )


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_after(owner: object, name: str, calls: int) -> None:
    """Let a function of the store work so many times, then die as soon as it has worked."""
    real, left = getattr(owner, name), [calls]

    def wrapped(*args, **kwargs):
        result = real(*args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            die()
        return result

    setattr(owner, name, wrapped)


DEATHS = {
    "append-not-committed": lambda: dies_after(manifest.Manifest, "append", 40),
    "segment-file-not-in-manifest": lambda: dies_after(upkeep, "write_segment", 2),
    "segment-not-renamed": lambda: dies_after(segments.pq, "write_table", 2),
    "swap-not-committed": lambda: dies_after(manifest.Manifest, "swap", 3),
    "retired-not-deleted": lambda: dies_after(leases.Leases, "oldest", 1),
    "deleted-not-erased": lambda: setattr(manifest.Manifest, "erase", die),
    "roll-read-not-written": lambda: dies_after(upkeep, "_ordered", 3),
}


def main() -> None:
    folder, first, death = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if death in DEATHS:
        DEATHS[death]()
    history = open_history(folder, roll_rows=1500, roll_seconds=0.2, merge_segments=3)
    number = first
    while True:
        history.write("trades", batch(number))
        os.write(1, f"{number}\n".encode())
        number += 1
        if number % 7 == 0:
            history.roll()
        if number % 40 == 0:
            history.compact()


if __name__ == "__main__":
    main()
