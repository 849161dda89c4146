"""A recording played back: rows or raw frames of history, in the order and at the pace in which they came."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from workstation.feeds.decoding import Decoder, decoder_of
from workstation.feeds.feed import Batch, Capabilities, Feed, Subscription
from workstation.feeds.tape.bookmark import Bookmark, TapeParameters
from workstation.feeds.tape.merge import Merge, Run, Stretch
from workstation.feeds.tape.pace import check_speed, instant
from workstation.feeds.tape.recordings import Fitting, FramesOf, Recording
from workstation.market.errors import FeedError
from workstation.market.instants import DAY_NS, SECOND_NS
from workstation.market.tables import HEALTH, HEARTBEAT, INSTRUMENTS, TABLES

ROWS = (
    "instruments", "quotes", "marks", "trades", "liquidations", "positions", "fills", "balances", "heartbeat", "health",
)  # fmt: skip
FRAMES = ("instruments", "frames", "heartbeat")
LONGEST_NS = 100_000_000
FEW_ROWS, MANY_ROWS = 5_000, 200_000
LONGEST_WINDOW_NS = 7 * DAY_NS


_BOOKMARKED = (
    "_start_ns",
    "end_ns",
    "_read_to_ns",
    "_window_ns",
    "_told_ns",
    "_lap_ns",
    "_reaches",
    "_window_ended",
    "recorded_heartbeats",
)


class Tape(Feed):
    """Plays a recording.

    Parameters
    ----------
    recording
        History, or a mapping of table name to frame.
    decoder
        Turns ``frames`` rows into batches; default: that of the feed each frame came from.

    Notes
    -----
    Rows come in ``seq`` order (without ``seq``: by ``event_ns``), a batch never spans more than 0.1 s of the
    recording's clock, and none is given out before its last row's time. Frames are decoded in the groups in which
    they were received, so replay interleaves tables as live did.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [1, 5], "instrument": "BTC/USD", "price": 1.0, "size": 1.0})
    >>> tape = Tape({"trades": rows}, speed="max")
    >>> async def play():
    ...     await tape.connect()
    ...     return [(batch.table, len(batch.frame)) async for batch in tape.batches()]
    >>> asyncio.run(play())
    [('trades', 2)]
    """

    name = "tape"
    capabilities = Capabilities(
        tables=frozenset(ROWS), simulated_clock=True, notes="Gives what was recorded, gaps included."
    )

    def __init__(
        self,
        recording: Recording | Mapping[str, pd.DataFrame],
        parameters: TapeParameters | None = None,
        *,
        decoder: Decoder | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        **overrides: Any,
    ) -> None:
        p = self.parameters = replace(parameters or TapeParameters(), **overrides)
        check_speed(p.speed)
        self.recording: Recording = (
            FramesOf(recording) if isinstance(recording, Mapping) else Fitting(recording)
        )
        self.tables = tuple(p.tables) or ROWS
        unknown = [name for name in self.tables if name not in TABLES]
        if unknown:
            raise FeedError(f"no table {unknown[0]!r}; known are {', '.join(TABLES)}", fatal=True)
        self._decoder, self._clock, self._sleep = decoder, clock, sleep
        self._wanted = frozenset(self.tables)
        self._playing = asyncio.Event()
        self._playing.set()
        self._open = self._resumed = False
        self._start_ns = self.end_ns = 0
        self._read_to_ns: int | None = None
        self._window_ns = int(p.window_s * SECOND_NS)
        self.merge = self._new_merge()
        self._queue: deque[tuple[int, Batch]] = deque()
        self._stretches: deque[Stretch] = deque()
        self._window_ended: bool | None = None
        """Whether the window that was read last is the recording's last; None once all of it is in the queue."""
        self._told_ns: int | None = None
        self.recorded_heartbeats = False
        self._reaches: dict[str, tuple[int, int]] | None = None
        self._undecoded: set[str] = set()
        self._refused_told = 0
        self._lap_ns = 0
        self._anchor: tuple[int, int] | None = None
        self._paced_from_ns = instant(p.paced_from)
        self._hold_ns: int | None = None
        self.position_ns: int | None = None
        self.passing: Callable[[int], None] | None = None
        """Called before each batch with the moment it is due; all before it were given and taken."""

    # -- life ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Find the bounds; a second call goes on where the tape was."""
        if self._read_to_ns is None:
            await asyncio.to_thread(self.begin)
        self._open = True
        self._anchor = None

    def begin(self) -> None:
        """Find the bounds, and go to the start."""
        first, last = self._bounds()
        known = self.parameters.recorded_heartbeats
        if known is not None:
            self.recorded_heartbeats = known
        elif "heartbeat" in self.tables:
            self.recorded_heartbeats = len(self.recording.read("heartbeat", first, last)) > 0
        if self.parameters.speed == "max" and hasattr(self.recording, "tables"):  # played as it stands now
            rows = self._held()[["name", "first_event_ns", "last_event_ns"]]
            self._reaches = {name: (since, until) for name, since, until in rows.itertuples(index=False)}
        self._start_ns, self.end_ns = first, last
        self._rewind()

    def _bounds(self) -> tuple[int, int]:
        start, end = instant(self.parameters.start), instant(self.parameters.end)
        if start is None or end is None:
            held = self._held()
            held = held[held["name"].isin([name for name in self.tables if name != "instruments"])]
            if not len(held):
                raise FeedError(f"the recording holds none of {', '.join(self.tables)}", fatal=True)
            start = int(held["first_event_ns"].min()) if start is None else start
            end = int(held["last_event_ns"].max()) + 1 if end is None else end
        if start >= end:
            raise FeedError(f"nothing between start {start} and end {end}", fatal=True)
        return start, end

    def _held(self) -> pd.DataFrame:
        tables: Callable[[], pd.DataFrame] | None = getattr(self.recording, "tables", None)
        if tables is None:
            raise FeedError("this recording does not tell its bounds: give start and end", fatal=True)
        return tables()

    async def instruments(self) -> pd.DataFrame:
        """Terms known before the start; later ones come as rows. None where it goes on from a bookmark."""
        return INSTRUMENTS.empty() if self._resumed else await asyncio.to_thread(self.terms)

    def terms(self) -> pd.DataFrame:
        """``instruments``, for callers without a loop."""
        rows = self.recording.read("instruments", None, self._start_ns)
        return INSTRUMENTS.conform(rows.drop_duplicates("instrument", keep="last").reset_index(drop=True))

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Channels are the tape's tables."""
        wanted = tuple(channels) or self.tables
        rejected = {
            c: f"not on this tape; it plays {', '.join(self.tables)}" for c in wanted if c not in self.tables
        }
        accepted = tuple(c for c in wanted if c not in rejected)
        self._wanted = frozenset(accepted)
        return Subscription(accepted, rejected)

    async def snapshot(self) -> list[Batch]:
        """Nothing: a tape begins at its start."""
        return []

    async def close(self) -> None:
        """Stop playing; ``connect`` goes on from here."""
        self._open = False
        self._playing.set()

    def pause(self) -> None:
        """Hold the tape."""
        self._playing.clear()

    def resume(self) -> None:
        """Go on; time that passed meanwhile is not made up for."""
        self._anchor = self._hold_ns = None
        self._playing.set()

    def resume_until(self, moment_ns: int) -> None:
        """Go on, and hold before the first row at or after this moment."""
        self.resume()
        self._hold_ns = moment_ns

    @property
    def playing(self) -> bool:
        """Whether it is not held."""
        return self._playing.is_set()

    def set_speed(self, speed: float | Literal["max"]) -> None:
        """Go on at another speed; ``FeedError`` where it is not positive."""
        check_speed(speed)
        self.parameters = replace(self.parameters, speed=speed)
        self._anchor = None

    def bookmark(self) -> Bookmark:
        """Where it stands; to be asked for by ``passing`` alone."""
        state = {name: getattr(self, name) for name in _BOOKMARKED}
        return Bookmark(
            self.position_ns, self.merge.copy(), tuple(self._stretches), tuple(self._queue), state
        )

    def go_to(self, mark: Bookmark) -> None:
        """Go on from where another tape of the same recording stood; before ``connect``."""
        for name, value in mark.state.items():
            setattr(self, name, value)
        self.position_ns, self.merge = mark.position_ns, mark.merge.copy()
        self._stretches, self._queue = deque(mark.stretches), deque(mark.queue)
        self._resumed = True

    # -- playing ------------------------------------------------------------------------------------------

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches as their time comes; ends at the recording's end unless it loops."""
        while self._open and await self._loaded():
            due_ns, batch = self._queue[0]
            if self.passing is not None:
                self.passing(due_ns)
            await self._pace(due_ns)
            if self._open:
                self._queue.popleft()
                if batch.table in self._wanted or batch.table not in self.tables:
                    yield batch

    def _new_merge(self) -> Merge:
        return Merge(self.tables, longest_rows=self.parameters.longest_rows, longest_ns=LONGEST_NS)

    def _rewind(self) -> None:
        self._read_to_ns, self.merge, self._told_ns = self._start_ns, self._new_merge(), None

    async def _loaded(self) -> bool:
        """Have something in the queue; False when the recording is over."""
        while not self._queue:
            if self._stretches:
                self._unpack(self._stretches.popleft().run())
            elif self._window_ended is not None:
                self._end_window()
            elif self._read_to_ns is None or self._read_to_ns > self.end_ns:
                if not self.parameters.loop:
                    return False
                self._lap_ns += self.end_ns - self._start_ns + SECOND_NS
                self._rewind()
            else:
                await self._load()
        return True

    async def _load(self) -> None:
        """Read one window further; what is certain by now is all before that window."""
        before_ns = await asyncio.to_thread(self.read_window)
        self._stretches.extend(self.merge.stretches(before_ns))
        self._window_ended = before_ns is None

    def _unpack(self, run: Run) -> None:
        """Queue a run, and the heartbeats of the quiet before it."""
        self._queue.extend(self._heartbeats(run.first_ns))
        self._queue.extend((run.last_ns + self._lap_ns, batch) for batch in self._given(run))
        self._told_ns = run.last_ns

    def _end_window(self) -> None:
        """Queue what comes after all runs of a window."""
        last, self._window_ended = self._window_ended, None
        self._queue.extend(self._not_fitting())
        if last:
            self._queue.extend(self._heartbeats(self.end_ns))

    def _not_fitting(self) -> Iterator[tuple[int, Batch]]:
        """Health rows of what was read last and does not fit its table."""
        if not isinstance(self.recording, Fitting):
            return
        while self._refused_told < len(self.recording.refused):
            one = self.recording.refused[self._refused_told]
            self._refused_told += 1
            row = {
                "event_ns": one.window_ns, "feed": self.name, "channel": one.table, "event": "rejected", "count": one.rows,
                "detail": one.reason,
            }  # fmt: skip
            yield one.window_ns + self._lap_ns, Batch("health", HEALTH.conform(pd.DataFrame([row])))

    def read_window(self) -> int | None:
        """Read one window further into ``merge``; returns the time before which nothing more comes, None at the end."""
        begin_ns = self._read_to_ns or 0
        if begin_ns >= self.end_ns:
            self._read_to_ns = self.end_ns + 1
            return None
        self._read_to_ns = min(begin_ns + self._window_ns, self.end_ns)
        window = self._read(begin_ns, self._read_to_ns)
        self.merge.push(window)
        self._widen(sum(map(len, window.values())))
        return begin_ns

    def _widen(self, rows: int) -> None:
        """Read sparse stretches in longer windows."""
        least = int(self.parameters.window_s * SECOND_NS)
        if rows < FEW_ROWS:
            self._window_ns = min(2 * self._window_ns, max(LONGEST_WINDOW_NS, least))
        elif rows > MANY_ROWS:
            self._window_ns = least

    def _read(self, start_ns: int, end_ns: int) -> dict[str, pd.DataFrame]:
        return {
            table: self.recording.read(table, start_ns, end_ns)
            for table in self.tables
            if self._reaches is None or _meet(self._reaches.get(table), start_ns, end_ns)
        }

    def _heartbeats(self, next_ns: int) -> Iterator[tuple[int, Batch]]:
        """Heartbeats of the quiet before ``next_ns``, on the grid of whole periods."""
        p = self.parameters
        if self.recorded_heartbeats or self._told_ns is None:
            return
        period = int(p.heartbeat_s * SECOND_NS)
        first = self._told_ns - self._told_ns % period + period
        at = np.arange(first, min(next_ns, first + p.heartbeats * period), period) + self._lap_ns
        if len(at):
            rows = HEARTBEAT.conform(pd.DataFrame({"event_ns": at, "seen_ns": at, "feed": self.name}))
            for row, due_ns in enumerate(at.tolist()):
                yield due_ns, Batch("heartbeat", rows.iloc[row : row + 1].reset_index(drop=True))

    def _given(self, run: Run) -> Iterator[Batch]:
        """The run's rows, later in time by the laps gone; frames followed by what they decode to."""
        batch = Batch(run.table, self._shifted(run.table, run.frame))
        yield batch
        if run.table == "frames":
            for decoded in self._decoded(run.frame):
                yield Batch(decoded.table, self._shifted(decoded.table, decoded.frame))

    def _decoded(self, frames: pd.DataFrame) -> Iterator[Batch]:
        feeds = frames["feed"].astype("str")
        for _, group in frames.groupby((feeds != feeds.shift()).cumsum(), sort=False):
            feed = str(group["feed"].iloc[0])
            decode = self._decoder or decoder_of(feed)
            if decode is not None:
                yield from decode(group.reset_index(drop=True))
            elif feed not in self._undecoded:
                self._undecoded.add(feed)
                row = {
                    "event_ns": int(group["event_ns"].iloc[0]), "feed": self.name, "event": "rejected", "count": len(group),
                    "detail": f"no decoder for frames of feed {feed!r}: kept raw",
                }  # fmt: skip
                yield Batch("health", HEALTH.conform(pd.DataFrame([row])))

    def _shifted(self, table: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows as new ones: not yet numbered, and of this lap."""
        columns: dict[str, Any] = {"seq": np.zeros(len(frame), dtype=np.int64)}
        if self._lap_ns:
            columns["event_ns"] = frame["event_ns"] + self._lap_ns
            columns["seen_ns"] = frame["seen_ns"].where(
                frame["seen_ns"] == 0, frame["seen_ns"] + self._lap_ns
            )
            if table == "trades":
                lap = f"+{self._lap_ns}"
                columns["trade_id"] = frame["trade_id"].where(
                    frame["trade_id"] == "", frame["trade_id"] + lap
                )
        return frame.assign(**columns)

    async def _pace(self, due_ns: int) -> None:
        """Wait until the tape's clock is at ``due_ns``, at most ``max_wait_s``."""
        if self._hold_ns is not None and due_ns >= self._hold_ns:
            self._hold_ns = None
            self.pause()
        await self._playing.wait()
        self.position_ns = due_ns
        if self._paced_from_ns is not None and due_ns < self._paced_from_ns:
            await asyncio.sleep(0)
            return
        speed = self.parameters.speed
        if speed == "max":
            await asyncio.sleep(0)
            return
        now = self._clock()
        if self._anchor is None:
            self._anchor = (now, due_ns)
        wall_ns, tape_ns = self._anchor
        wait = (wall_ns - now + (due_ns - tape_ns) / float(speed)) / SECOND_NS
        if wait > self.parameters.max_wait_s:
            wait = self.parameters.max_wait_s
            self._anchor = (now + int(wait * SECOND_NS), due_ns)
        if wait > 0.0:
            await self._sleep(wait)


def _meet(reach: tuple[int, int] | None, start_ns: int, end_ns: int) -> bool:
    return reach is not None and reach[0] < end_ns and start_ns <= reach[1]
