"""A writer is killed at any moment: what it acknowledged is there, once and whole, and readers never see less."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workstation.history import open_history

HERE = Path(__file__).parent
DEATHS = (
    "append-not-committed",
    "segment-file-not-in-manifest",
    "segment-not-renamed",
    "swap-not-committed",
    "retired-not-deleted",
    "deleted-not-erased",
    "roll-read-not-written",
)


def start(script: str, *arguments: object) -> subprocess.Popen:
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def acknowledged(writer: subprocess.Popen, until: int | None) -> int:
    """Read acknowledgements until that many came or the writer is dead; returns the last one, -1 for none."""
    last = -1
    for count, line in enumerate(writer.stdout, start=1):
        if line.endswith(b"\n"):
            last = int(line)
        if count == until:
            break
    return last


def check_whole(folder: Path, last: int) -> int:
    """All batches up to ``last`` are there once and whole, nothing is damaged; returns the last batch found."""
    with open_history(folder, upkeep=False) as history:
        got = history.read("trades")
        sizes = history.tables().set_index("name")
        assert history.problems().empty
        assert history.verify().empty
    by_batch = got.groupby("venue_seq")["size"].agg(["size", "first"])
    assert (by_batch["size"] == by_batch["first"]).all(), "a batch is there by half or twice"
    assert by_batch.index.tolist() == list(range(len(by_batch))), "a batch is missing"
    assert len(by_batch) > last, f"batch {last} was acknowledged and is lost"
    assert got["seq"].tolist() == got["seq"].drop_duplicates().tolist()
    assert sorted(got["seq"]) == list(range(1, len(got) + 1))
    assert got["event_ns"].is_monotonic_increasing
    assert sizes.loc["trades", "rows"] == len(got)
    return len(by_batch) - 1


@pytest.mark.parametrize("death", DEATHS)
def test_death_at_every_step_of_a_change(tmp_path, death):
    writer = start("crash_writer.py", tmp_path, 0, death)
    last = acknowledged(writer, None)
    error = writer.communicate()[1].decode()
    assert writer.returncode == -9, f"it did not reach {death}: {error}"
    check_whole(tmp_path, last)
    with open_history(tmp_path, upkeep=False) as history:
        rows = len(history.read("trades"))
        history.roll()
        history.compact()
        history._upkeep.tidy()
        assert len(history.read("trades")) == rows
        assert len(list(tmp_path.glob("segments/*/*"))) == history.tables()["segments"].iloc[0]


@pytest.mark.thorough
def test_random_kills_under_the_eyes_of_a_reader(tmp_path):
    chance = random.Random(20_26)
    reader = start("crash_reader.py", tmp_path)
    last = -1
    for _ in range(4):
        # A writer that is not sure begins a little before where it was: repeated rows must not double.
        writer = start("crash_writer.py", tmp_path, max(0, last - 2), "")
        newest = acknowledged(writer, chance.randrange(5, 150))
        time.sleep(chance.random() * 0.02)
        writer.kill()
        newest = max(newest, acknowledged(writer, None))
        writer.communicate()
        assert newest > last
        last = check_whole(tmp_path, newest)
    out, error = reader.communicate(b"stop\n", timeout=60)
    assert reader.returncode == 0, error.decode()
    reads, seen = map(int, out.split())
    assert reads >= 3
    assert seen <= last + 1
