"""A process that reads a store over and over while another writes and dies; ends with an error when a read is not whole.

Usage: crash_reader.py FOLDER     (ends when its standard input closes)
"""

from __future__ import annotations

import select
import sys

import numpy as np

from workstation.history import open_history


def check(history, seen: int) -> int:
    """One read is whole: returns the number of batches it saw."""
    got = history.read("trades")
    number, size = got["venue_seq"].to_numpy(), got["size"].to_numpy()
    batches, counts = np.unique(number, return_counts=True)
    assert np.array_equal(batches, np.arange(len(batches))), f"holes: {np.diff(batches).max()}"
    expected = np.array([size[number == b][0] for b in batches[-5:]])
    assert np.array_equal(counts[-5:], expected), f"half a batch: {counts[-5:]} of {expected}"
    assert got["seq"].is_unique, "rows doubled"
    assert len(got) == (got["seq"].max() if len(got) else 0), "rows lost"
    assert got["event_ns"].is_monotonic_increasing, "not sorted"
    assert len(batches) >= seen, f"{seen} batches were there before, now {len(batches)}"
    answer = history.sql(
        "SELECT count(*) AS rows, count(DISTINCT seq) AS seqs, coalesce(max(seq), 0) AS last, "
        "count(DISTINCT venue_seq) AS batches FROM trades"
    ).iloc[0]
    assert answer["rows"] == answer["seqs"] == answer["last"], f"sql saw no whole moment: {answer.to_dict()}"
    assert answer["batches"] >= len(batches)
    return len(batches)


def main() -> None:
    history, seen, reads = open_history(sys.argv[1], upkeep=False), 0, 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        seen = check(history, seen)
        reads += 1
    assert history.problems().empty, history.problems().to_string()
    print(f"{reads} {seen}")


if __name__ == "__main__":
    main()
