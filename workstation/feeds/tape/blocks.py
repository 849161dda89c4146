"""A recording in large blocks: rows of several tables with their common order, for whoever need not wait between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.tape.merge import Ordered
from workstation.feeds.tape.tape import Tape
from workstation.market.instants import SECOND_NS
from workstation.market.tables import TABLES
from workstation.market.tables.frames import arrays_of

Places = npt.NDArray[np.int64]
BLOCK_ROWS = 200_000


@dataclass(frozen=True)
class Block:
    """Rows of several tables in one order.

    Attributes
    ----------
    frames
        Table -> its rows in order, conformed, ``seq`` their place in the order of all.
    names, rank
        The tables, and of every row in order the place of its table in ``names``.
    event_ns, run
        Of every row in order: its time, and the number of the batch in which a tape would give it.
    """

    frames: dict[str, pd.DataFrame]
    names: tuple[str, ...]
    rank: Places
    event_ns: Places
    run: Places

    def __len__(self) -> int:
        return self.rank.size

    @cached_property
    def place(self) -> Places:
        """Of every row in order its place among the rows of its table."""
        place = np.empty(self.rank.size, dtype=np.int64)
        for rank in range(len(self.names)):
            ours = self.rank == rank
            place[ours] = np.arange(int(ours.sum()))
        return place

    def part(self, start: int, stop: int) -> Block:
        """Rows that follow one another in the order of all."""
        if start == 0 and stop == len(self):
            return self
        before, rank = self.rank[:start], self.rank[start:stop]
        frames = {}
        for at, name in enumerate(self.names):
            first = int(np.count_nonzero(before == at))
            frames[name] = part(name, self.frames[name], first, first + int(np.count_nonzero(rank == at)))
        return Block(frames, self.names, rank, self.event_ns[start:stop], self.run[start:stop])

    def parts(self, bounds: list[int]) -> Iterator[Block]:
        """Parted before each of ``bounds``, which rise."""
        edges = [0, *(bound for bound in dict.fromkeys(bounds) if 0 < bound < len(self)), len(self)]
        for start, stop in pairwise(edges):
            yield self.part(start, stop)


def part(table: str, frame: pd.DataFrame, start: int, stop: int) -> pd.DataFrame:
    """Rows ``start:stop`` of a conformed frame, conformed."""
    if start == 0 and stop == len(frame):
        return frame
    return TABLES[table].assembled([values[start:stop] for values in arrays_of(frame)], stop - start)


def blocks(tape: Tape) -> Iterator[Block]:
    """What a tape that has begun gives, heartbeats of quiet stretches included, to the recording's end.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 2_500_000_000], "instrument": "BTC/USD", "price": 1.0, "size": 1.0})
    >>> tape = Tape({"trades": rows}, speed="max")
    >>> tape.begin()
    >>> [(block.names[rank], int(at)) for block in blocks(tape) for rank, at in zip(block.rank, block.event_ns)]
    [('trades', 1), ('heartbeat', 1000000000), ('heartbeat', 2000000000), ('trades', 2500000000)]
    """
    told_ns: int | None = None
    begun, ended = 0, False
    while not ended:
        before_ns = tape.read_window()
        ended = before_ns is None
        rows = tape.merge.ordered(before_ns)
        end_ns = tape.end_ns if ended else None
        if rows is None and (end_ns is None or told_ns is None):
            continue
        whole = _block(tape, rows, told_ns, end_ns, begun)
        told_ns = told_ns if rows is None else int(rows.clock[-1])
        begun += len(whole)
        if len(whole):
            yield from whole.parts(_bounds(whole))


def _bounds(block: Block) -> list[int]:
    """Terms change what the rows after them mean: they stand alone; and no block is too long."""
    bounds = list(range(BLOCK_ROWS, len(block), BLOCK_ROWS))
    if len(block.frames.get("instruments", ())):
        terms = block.rank == block.names.index("instruments")
        bounds += (np.flatnonzero(np.diff(terms)) + 1).tolist()
    return sorted(bounds)


def _block(tape: Tape, rows: Ordered | None, told_ns: int | None, end_ns: int | None, begun: int) -> Block:
    clock = np.empty(0, dtype=np.int64) if rows is None else rows.clock
    names: list[str] = [] if rows is None else rows.names
    rank = np.empty(0, dtype=np.int64) if rows is None else rows.rank
    where, beats = _heartbeats(tape, clock, told_ns, end_ns)
    event_ns, run = np.empty(rank.size, dtype=np.int64), np.empty(0, dtype=np.int64)
    frames: dict[str, Any] = {}
    if rows is not None:
        run = np.cumsum(rows.cut)
        for at, name in enumerate(names):
            ours = rank == at
            frame = TABLES[name].conform(rows.frames[at])
            frames[name] = [values[rows.row[ours]] for values in arrays_of(frame)]
            event_ns[ours] = frames[name][TABLES[name].places["event_ns"]]
    if beats.size:
        names = [*names, "heartbeat"]
        rank, event_ns = np.insert(rank, where, len(names) - 1), np.insert(event_ns, where, beats)
        beat = np.insert(np.zeros(clock.size, dtype=bool), where, True)
        begins = np.insert(np.zeros(0, dtype=bool) if rows is None else rows.cut, where, True)
        begins[1:] |= beat[:-1]
        run = np.cumsum(begins)
        columns = {"event_ns": beats, "seen_ns": beats, "feed": tape.name}
        frames["heartbeat"] = arrays_of(TABLES["heartbeat"].conform(pd.DataFrame(columns)))
    result = {}
    for at, name in enumerate(names):
        ours, table = np.flatnonzero(rank == at), TABLES[name]
        frames[name][table.places["seq"]] = ours + begun + 1
        result[name] = table.assembled(frames[name], ours.size)
    return Block(result, tuple(names), rank, event_ns, run)


def _heartbeats(tape: Tape, clock: Places, told_ns: int | None, end_ns: int | None) -> tuple[Places, Places]:
    """Heartbeats of the quiet between rows: before which row, and when; see ``TapeParameters.heartbeat_s``."""
    p, none = tape.parameters, np.empty(0, dtype=np.int64)
    if tape.recorded_heartbeats or not (clock.size or told_ns is not None):
        return none, none
    period = int(p.heartbeat_s * SECOND_NS)
    reported = np.concatenate(([clock[0] if told_ns is None else told_ns], clock))
    following = np.append(clock, reported[-1] if end_ns is None else end_ns)
    first = reported - reported % period + period
    until = np.minimum(following, first + p.heartbeats * period)
    count = np.maximum(-(-(until - first) // period), 0)
    where = np.repeat(np.arange(count.size), count)
    nth = np.arange(where.size) - np.repeat(np.cumsum(count) - count, count)
    return where, first[where] + nth * period


def runs(block: Block, wanted: Places) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of a block in order, by place, in maximal runs of one table; what a run leaves out between its rows comes too."""
    if not wanted.size:
        return
    rank, place = block.rank[wanted], block.place[wanted]
    begins = np.flatnonzero(np.append(True, np.diff(rank) != 0))
    ends = np.append(begins[1:], wanted.size)
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        name = block.names[rank[begin]]
        yield name, part(name, block.frames[name], int(place[begin]), int(place[end - 1]) + 1)
