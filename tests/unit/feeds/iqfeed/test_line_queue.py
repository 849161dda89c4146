"""The queue against a plain account of the same rules, line by line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstation.feeds.iqfeed.line_queue import LineQueue
from workstation.feeds.iqfeed.names import Names
from workstation.feeds.iqfeed.scan import scan
from workstation.feeds.venue_kit.frame_queue import RawFrame

NAMES = Names()
NUMBERS = dict(zip(["AAPL", "MSFT", "NVDA"], NAMES.learn(["AAPL", "MSFT", "NVDA"]).tolist(), strict=True))
LINES = st.tuples(st.sampled_from(list(NUMBERS)), st.sampled_from(["C", "ba"]))
READS = st.lists(st.lists(LINES, max_size=6), max_size=20)


def filled(queue: LineQueue, reads: list[list[tuple[str, str]]]) -> list[tuple[str, str, int]]:
    """Put reads of numbered lines; the lines."""
    sent: list[tuple[str, str, int]] = []
    for at, read in enumerate(reads):
        lines = [(*each, len(sent) + place) for place, each in enumerate(read)]
        sent += lines
        payload = "".join(
            f"Q,{symbol},{contents},{number}\r\n" for symbol, contents, number in lines
        ).encode()
        found = scan(np.frombuffer(payload, dtype=np.uint8), 1, 2, NAMES.table)
        queue.put(RawFrame(at, "level1", payload), found)
    return sent


def came(queue: LineQueue) -> tuple[list[tuple[str, str, int]], int, dict[int, int]]:
    drained = queue.drain()
    text = b"".join(read.payload for read in drained.reads).decode()
    lines = [line.split(",") for line in text.splitlines()]
    return (
        [(line[1], line[2], int(line[3])) for line in lines],
        drained.conflated,
        {number: lost.prints for number, lost in drained.lost.items()},
    )


@given(READS, st.integers(1, 8))
def test_nothing_is_lost_in_silence(reads: list[list[tuple[str, str]]], capacity: int) -> None:
    queue = LineQueue(capacity)
    sent = filled(queue, reads)
    lines, conflated, lost = came(queue)
    prints = [line for line in sent if line[1] == "C"]
    states = [line for line in sent if line[1] != "C"]
    assert lines == sorted(lines, key=lambda line: line[2])
    assert [line for line in lines if line[1] == "C"] == prints[:capacity]
    missed = prints[capacity:]
    assert lost == {
        NUMBERS[symbol]: sum(line[0] == symbol for line in missed) for symbol in {line[0] for line in missed}
    }
    kept = [line for line in lines if line[1] != "C"]
    assert len(kept) + conflated == len(states)
    assert set(kept) <= set(states)
    newest = {line[0]: line for line in states}
    assert set(newest.values()) <= set(kept)
    assert len(kept) <= capacity + 2 * len(NUMBERS)


@given(READS)
def test_with_room_everything_comes_as_it_was_sent(reads: list[list[tuple[str, str]]]) -> None:
    queue = LineQueue(1000)
    sent = filled(queue, reads)
    assert came(queue) == (sent, 0, {})
    assert came(queue) == ([], 0, {})


def test_an_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one line"):
        LineQueue(0)
