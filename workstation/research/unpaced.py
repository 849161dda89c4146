"""Engines over a recording in blocks: every engine gets its rows in as few batches as its rows allow.

Any split of an engine's input gives the same rows; what remains is the order of rows of several tables. Where an engine says
what of it does not matter (``Engine.reading``), rows that only move the clock are left out between its ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.tape.blocks import Block, runs
from workstation.market.engine import Beats, Engine, Reading
from workstation.market.tables import NO_TIME, TABLES

Places = npt.NDArray[np.int64]
_OWN_EVENTS = ("late", "rejected", "failed")
"""``health`` rows that a hub writes itself, which blocks do not bring."""


class EngineFailed(RuntimeError):
    """An engine threw."""


def suits(engines: Sequence[Engine], tables: Iterable[str]) -> bool:
    """Whether blocks give these engines all that a hub would: raw rows alone, and no ``health`` row of the hub's own."""
    return (
        "frames" not in tables
        and all(TABLES[name].raw for engine in engines for name in engine.inputs)
        and not any(engine.heeds(event) for engine in engines for event in _OWN_EVENTS)
    )


class Unpaced:
    """Runs engines over blocks.

    Parameters
    ----------
    engines
        Fresh ones, in the order in which a hub would run them.

    Attributes
    ----------
    made
        Derived table -> its rows so far, in order.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.made: dict[str, list[pd.DataFrame]] = {engine.output: [] for engine in engines}
        self._names = dict(zip(map(id, engines), _names(engines), strict=True))
        outputs = [engine.output for engine in engines]
        self._alone = [engine for engine in engines if outputs.count(engine.output) == 1]
        shared = [name for name in dict.fromkeys(outputs) if outputs.count(name) > 1]
        self._sharing = [[engine for engine in engines if engine.output == name] for name in shared]
        self._next_seq = 1

    def take(self, block: Block) -> None:
        """Run every engine over a block."""
        together: dict[tuple[Any, ...], list[tuple[Engine, Beats | None]]] = {}
        for engine in self._alone:
            rows = _inputs(engine, block)
            reading, beats = engine.reading(rows), engine.beats(rows)
            if reading is None:
                key = tuple(_ranks(engine, block)), beats is None, engine.inputs
                together.setdefault(key, []).append((engine, beats))
            else:
                self._run([engine], batches(engine, block, reading))
        for group in together.values():
            beats_of = [beats for _, beats in group if beats is not None]
            self._run([engine for engine, _ in group], runs(block, _needed(group[0][0], block, beats_of)))
        for engines in self._sharing:
            self._share(engines, block)

    def _share(self, engines: list[Engine], block: Block) -> None:
        """Engines that write one table: its rows are in the order in which the batches of a tape bring them about."""
        for part in block.parts(_apart(engines, block)):
            for engine in engines:
                reading = engine.reading(_inputs(engine, part))
                if reading is None:
                    beats = engine.beats(_inputs(engine, part))
                    self._run([engine], runs(part, _needed(engine, part, [beats] if beats else [])))
                else:
                    self._run([engine], batches(engine, part, reading))

    def _run(self, engines: Sequence[Engine], given: Iterable[tuple[str, pd.DataFrame]]) -> None:
        """Batch by batch, for engines may share what they find out of a batch."""
        for table, batch in given:
            for engine in engines:
                try:
                    rows = engine.update(batch, table)
                except Exception as error:
                    reason = f"{type(error).__name__}: {error}"
                    raise EngineFailed(f"{self._names[id(engine)]} failed on {table}: {reason}") from error
                if len(rows):
                    output = TABLES[engine.output]
                    self.made[engine.output].append(output.number(rows, self._next_seq))
                    self._next_seq += len(rows)


def _names(engines: Sequence[Engine]) -> Iterator[str]:
    """As a hub names their branches."""
    kinds = [type(engine).__name__ for engine in engines]
    for at, kind in enumerate(kinds):
        before = kinds[:at].count(kind)
        yield f"{kind}#{before + 1}" if before else kind


def _ranks(engine: Engine, block: Block) -> list[int]:
    return [at for at, name in enumerate(block.names) if name in engine.inputs and len(block.frames[name])]


def _inputs(engine: Engine, block: Block) -> dict[str, pd.DataFrame]:
    return {block.names[at]: block.frames[block.names[at]] for at in _ranks(engine, block)}


def _needed(engine: Engine, block: Block, beats: Sequence[Beats]) -> Places:
    """Places of a block's rows for engines with these inputs, without the heartbeats that all of them can do without."""
    read = np.flatnonzero(np.isin(block.rank, _ranks(engine, block)))
    if not beats or not len(block.frames.get("heartbeat", ())) or not read.size:
        return read
    rank, event_ns = block.rank[read], block.event_ns[read]
    beat = rank == block.names.index("heartbeat")
    reaching = np.ones(len(block), dtype=bool)
    for at in _ranks(engine, block):
        for one in beats:
            reaching[block.rank == at] &= one.reaching.get(block.names[at], False)
    others = np.flatnonzero(~beat)
    following = np.searchsorted(others, np.arange(read.size))
    followed = beat & (following < others.size)
    next_row = others[following[followed]]
    spare = followed.copy()
    spare[followed] = reaching[read[next_row]] & (event_ns[next_row] >= event_ns[followed])
    watermark = np.maximum.accumulate(event_ns)
    for dues in (one.dues_ns for one in beats if one.dues_ns is not None):
        spare &= ~_between(dues, watermark, beat)
    needed: Places = read[~spare]
    return needed


def _between(dues: Places, watermark: Places, beat: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Of which heartbeats rows fall due both since the row of another table before them and up to the row after them."""
    passed = np.searchsorted(dues, watermark, side="right")
    last = np.maximum.accumulate(np.where(beat, -1, np.arange(beat.size)))
    before = np.where(last >= 0, passed[last], -1)
    after = np.append(passed[1:], passed[-1])
    return beat & (passed > before) & (after > passed)


def _apart(engines: list[Engine], block: Block) -> list[int]:
    """Where a block is parted for engines that write one table, so that in no part two of them can give rows.

    One engine may give rows at any time; if the others give theirs at ticks only, a tape's batches that cross one stand alone.
    """
    crossed = np.zeros(len(block), dtype=bool)
    at_any_time = 0
    for engine in engines:
        reading = engine.reading(_inputs(engine, block))
        if reading is None:
            at_any_time += 1
        elif not (reading.idle and not _material(engine, block, reading).any()):
            crossed |= _crossings(engine, block, reading)
    begins = np.append(True, np.diff(block.run) != 0)
    if at_any_time > 1:
        return [int(at) for at in np.flatnonzero(begins)]
    numbers = np.cumsum(begins) - 1
    starts = np.append(np.flatnonzero(begins), len(block))
    alone = np.unique(numbers[crossed])
    return [int(at) for at in np.unique(np.concatenate((starts[alone], starts[alone + 1])))]


def _material(engine: Engine, block: Block, reading: Reading) -> npt.NDArray[np.bool_]:
    """Which rows of a block do more for an engine than move its clock; those of ``free`` tables left out."""
    material = np.zeros(len(block), dtype=bool)
    for at in _ranks(engine, block):
        name = block.names[at]
        inert = reading.inert.get(name, False)
        if name in reading.free or inert is True:
            continue
        ours = block.rank == at
        material[ours] = True if inert is False else ~np.asarray(inert)
    return material


def _crossings(engine: Engine, block: Block, reading: Reading) -> npt.NDArray[np.bool_]:
    """Which rows of a block move the engine's watermark to or past a tick."""
    crossed = np.zeros(len(block), dtype=bool)
    read = np.flatnonzero(np.isin(block.rank, _ranks(engine, block)))
    if read.size:
        event_ns = block.event_ns[read]
        then = event_ns[0] if reading.watermark_ns == NO_TIME else reading.watermark_ns
        watermark = np.maximum(np.maximum.accumulate(event_ns), then)
        ticks = np.append(then, watermark) // reading.tick_ns
        crossed[read] = ticks[1:] > ticks[:-1]
    return crossed


class _Batch(NamedTuple):
    rank: int
    rows: Places


def batches(engine: Engine, block: Block, reading: Reading) -> Iterator[tuple[str, pd.DataFrame]]:
    """A block's rows for an engine that says what of their order matters: those that matter, those that cross a tick, the newest."""
    ranks = _ranks(engine, block)
    read = np.flatnonzero(np.isin(block.rank, ranks))
    if not read.size:
        return
    newest = int(read[np.argmax(block.event_ns[read])])
    free = [at for at in ranks if block.names[at] in reading.free]
    material = _material(engine, block, reading)
    if reading.idle and not material.any():
        edges: Places = np.empty(0, dtype=np.int64)
    else:
        edges = np.flatnonzero(_crossings(engine, block, reading))
    kept = material
    kept[edges] = True
    kept[newest] = True
    kept[np.isin(block.rank, free)] = False
    bounds = [0, *(int(edge) for edge in edges if edge), len(block)]
    for start, stop in pairwise(bounds):
        first = int(block.rank[start])
        own = _in_runs(block.rank, start + np.flatnonzero(kept[start:stop]))
        loose = [_Batch(at, start + np.flatnonzero(block.rank[start:stop] == at)) for at in free]
        ordered = [
            *(one for one in loose if one.rank == first),
            *own,
            *(one for one in loose if one.rank != first),
        ]
        for rank, rows in ordered:
            if rows.size:
                name = block.names[rank]
                yield name, TABLES[name].take(block.frames[name], block.place[rows])


def _in_runs(rank: Places, rows: Places) -> list[_Batch]:
    if not rows.size:
        return []
    cuts = np.flatnonzero(np.diff(rank[rows])) + 1
    return [_Batch(int(rank[one[0]]), one) for one in np.split(rows, cuts)]
