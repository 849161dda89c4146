"""A stored range played on a desk that can be paused, stepped, sped up and taken to any moment of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import pandas as pd

from workstation.desk import Desk, open_desk
from workstation.desk_past import seed_board
from workstation.feeds.tape.tape import ROWS, Tape
from workstation.history.history import History, Time, to_ns
from workstation.market.errors import HistoryError
from workstation.market.instants import HOUR_NS, MINUTE_NS, SECOND_NS
from workstation.market.tables import TABLES
from workstation.replay_checkpoints import Checkpoint, Checkpoints
from workstation.settings import Settings

REACH_S = 60.0
"""A seek goes on from a checkpoint at most so long before the moment: what lies between is played."""
WARM_S = 1.0
"""Raw rows of so long before a sought moment go through the engines again."""
PATIENCE_S = 60.0
WINDOW_S = 30.0
"""Event time read at once: the first rows after a sought moment must not wait for many."""
_TRADES_NS = 10 * MINUTE_NS
"""Prints of so long before a sought moment are on the board."""
_STATE = {"marks": ("instrument", "venue"), "quotes": ("instrument", "venue", "exchange")}
"""Tables of which what was last known of each counts, also from before the warm stretch."""


class ReplaySession:
    """Plays a range of a history on desks of its own, one per sought moment, so that nothing of later is ever known.

    Parameters
    ----------
    history
        The store, which is only read.
    start, end
        Bounds of event time, half-open; default: all raw rows there are.
    speed
        Event seconds per wall second, or ``max``.
    settings
        Of the desks; default: from the environment.
    loop
        Begin again at the end.
    max_wait_s
        Longest real wait for the next row.
    changed
        Called with every new desk before it starts: what shows the desk turns to it.

    Notes
    -----
    As it plays from the start it keeps checkpoints (``workstation.replay_checkpoints``), from which a seek goes on. At a sought moment
    without one the board holds what history had derived by then: candles that had closed, levels, signals. The engines begin
    ``WARM_S`` before it, with the newest mark and quote of each contract within an hour; what looks back further is complete only after
    that time. A candle that began before the engines did is not formed: longer timeframes wait for their bar.
    """

    def __init__(
        self,
        history: History,
        start: Time | None = None,
        end: Time | None = None,
        *,
        speed: float | Literal["max"] = 1.0,
        settings: Settings | None = None,
        loop: bool = False,
        max_wait_s: float = 1.0,
        changed: Callable[[Desk], None] | None = None,
    ) -> None:
        self._history, self._settings = history, settings or Settings()
        self._speed: float | Literal["max"] = speed
        self.loop, self._max_wait_s = loop, max_wait_s
        self._changed = changed
        self.start_ns, self.end_ns = _bounds(history, start, end)
        self._first_seq = history.last_seq() + 1
        self._heartbeats = (
            len(history.read("heartbeat", self.start_ns, self.end_ns, columns=["event_ns"])) > 0
        )
        self._longest_ns = _longest_candle(history)
        self._checkpoints = Checkpoints()
        self.generation = 0
        self._lock = threading.RLock()
        self._playing = True
        self._desk, self._tape = self._made(self.start_ns)

    # -- where it is --------------------------------------------------------------------------------------

    @property
    def desk(self) -> Desk:
        """The desk that plays now; another one after each ``seek``."""
        return self._desk

    @property
    def position_ns(self) -> int:
        """Event time up to which rows were given."""
        position = self._tape.position_ns
        return self._sought_ns if position is None else max(position, self._sought_ns)

    @property
    def playing(self) -> bool:
        """Whether it is not paused."""
        return self._playing and self._tape.playing

    @property
    def ended(self) -> bool:
        """Whether all rows were given."""
        return self._desk.ended

    @property
    def speed(self) -> float | Literal["max"]:
        """Event seconds per wall second."""
        return self._speed

    # -- what can be done ---------------------------------------------------------------------------------

    def start(self) -> ReplaySession:
        """Play from the beginning; returns itself."""
        with self._lock:
            self._begin()
        return self

    def play(self) -> None:
        """Go on; from the beginning where it has ended."""
        with self._lock:
            self._playing = True
            if self.ended:
                self.seek(self.start_ns)
            else:
                self._desk.soon(self._tape.resume)

    def pause(self) -> None:
        """Hold."""
        with self._lock:
            self._playing = False
            self._desk.soon(self._tape.pause)

    def step(self, seconds: float = 1.0) -> None:
        """Play so much event time, and hold."""
        if not seconds > 0:
            raise HistoryError(f"a step of {seconds!r} s goes nowhere; give more than 0")
        with self._lock:
            until = self.position_ns + int(seconds * SECOND_NS)
            self._desk.soon(lambda: self._tape.resume_until(until))

    def set_speed(self, speed: float | Literal["max"]) -> None:
        """Go on at another speed. Raises ``FeedError`` where it is not positive."""
        self._tape.set_speed(speed)
        self._speed = speed

    def seek(self, moment: Time) -> float:
        """Go to a moment of the range, back or forth, and go on from there if it was playing; returns the seconds it took.

        Up to ``REACH_S`` after a checkpoint of what was played from the start without a jump, it knows exactly what playing on without the
        seek would have known; elsewhere, what history says: see the notes of the class.

        Raises
        ------
        HistoryError
            It is outside the range.
        """
        began, to = time.monotonic(), to_ns(moment)
        if to is None or not self.start_ns <= to < self.end_ns:
            raise HistoryError(f"{moment!r} is not in {_words(self.start_ns)} to {_words(self.end_ns)}")
        with self._lock:
            before = self._desk
            self._desk, self._tape = self._made(to)
            self.generation += 1
            self._begin()
            before.stop()
        return time.monotonic() - began

    def follow(self) -> None:
        """Begin again if it has ended and loops; called by whoever looks at it."""
        if self.loop and self._playing and self.ended:
            self.seek(self.start_ns)

    def stop(self) -> None:
        """Stop the desk; the history stays open."""
        with self._lock:
            self._desk.stop()

    def __enter__(self) -> ReplaySession:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- inside -------------------------------------------------------------------------------------------

    def _made(self, moment_ns: int) -> tuple[Desk, Tape]:
        """A desk that comes to a moment, and its tape."""
        self._sought_ns = moment_ns
        near = self._checkpoints.before(moment_ns)
        if near is not None and moment_ns - near.last_ns <= REACH_S * SECOND_NS:
            return self._resumed(near, moment_ns)
        return self._seeded(moment_ns)

    def _tape_from(self, recording: History | _WithState, start_ns: int, moment_ns: int) -> Tape:
        return Tape(
            recording, start=start_ns, end=self.end_ns, speed=self._speed, max_wait_s=self._max_wait_s, paced_from=moment_ns,
            window_s=WINDOW_S, recorded_heartbeats=self._heartbeats,
        )  # fmt: skip

    def _resumed(self, checkpoint: Checkpoint, moment_ns: int) -> tuple[Desk, Tape]:
        """A desk that goes on from a checkpoint."""
        tape = self._tape_from(self._history, self.start_ns, moment_ns)
        tape.go_to(checkpoint.tape)
        desk = open_desk([tape], None, settings=self._settings, first_seq=self._first_seq)
        desk.board.replay = self
        waiting = [checkpoint.desk]

        def passing(_: int) -> None:
            if waiting:  # once it is connected: the health rows of that are not part of the replay
                desk.restore(waiting.pop())
            else:
                self._checkpoints.take(desk, tape)

        tape.passing = passing
        return desk, tape

    def _seeded(self, moment_ns: int) -> tuple[Desk, Tape]:
        """A desk that begins shortly before a moment, with what history had derived by then."""
        warm_ns = max(self.start_ns, moment_ns - int(WARM_S * SECOND_NS))
        tape = self._tape_from(_WithState(self._history, warm_ns), warm_ns, moment_ns)
        desk = open_desk([tape], None, settings=self._settings, first_seq=self._first_seq)
        desk.board.replay = self
        seed_board(desk.board, self._history, moment_ns)
        desk.board.add("trades", self._history.read("trades", warm_ns - _TRADES_NS, warm_ns))
        if moment_ns > self.start_ns:
            desk.board.leave_part_candles(
                warm_ns, _closing_later(self._history, self._longest_ns, warm_ns, moment_ns)
            )
        else:
            tape.passing = lambda _: self._checkpoints.take(desk, tape)
        return desk, tape

    def _begin(self) -> None:
        """Start the desk and wait until it is at the sought moment."""
        if self._changed is not None:
            self._changed(self._desk)
        tape, sought = self._tape, self._sought_ns
        tape.resume_until(max(sought, self.start_ns + 1))
        desk = self._desk.start()
        deadline = time.monotonic() + PATIENCE_S
        while tape.playing and not desk.wait(0.005):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the replay did not come to {_words(sought)} within {PATIENCE_S:g} s")
        if self._playing:
            self._desk.soon(tape.resume)


class _WithState:
    """A history from a moment on; its first rows are what was last known of marks and quotes, told as of that moment.

    So does a venue's snapshot when a feed connects. With times of their own they would have engines on a timer tell of moments at which
    they know but some of them.
    """

    def __init__(self, history: History, begin_ns: int) -> None:
        self._history, self._begin_ns = history, begin_ns

    def read(self, table: str, start: Any = None, end: Any = None) -> pd.DataFrame:
        """Rows with ``start <= event_ns < end``."""
        rows = self._history.read(table, start, end)
        if table not in _STATE or start != self._begin_ns:
            return rows
        before = self._history.read(table, self._begin_ns - HOUR_NS, self._begin_ns)
        if not len(before):
            return rows
        # the last known of each column: a row may tell a mark alone
        newest = before.groupby(list(_STATE[table]), observed=True, sort=False).last().reset_index()
        newest = newest.sort_values("seq", kind="stable").assign(event_ns=self._begin_ns)
        return TABLES[table].concat(
            [TABLES[table].conform(newest[list(TABLES[table].names)].reset_index(drop=True)), rows]
        )


def _longest_candle(history: History) -> int:
    """Of the recorded candles; 0 where there are none."""
    lengths = history.sql("SELECT max(every_ns) AS longest FROM candles")["longest"]
    return int(lengths.fillna(0).max()) if len(lengths) else 0


def _closing_later(history: History, longest: int, warm_ns: int, moment_ns: int) -> pd.DataFrame:
    """Recorded candles that the engines cannot form, as they began before them, and that had not closed by then."""
    rows = history.read("candles", warm_ns - longest, warm_ns)
    return rows[(rows["event_ns"] + rows["every_ns"] > moment_ns).to_numpy()].reset_index(drop=True)


def _bounds(history: History, start: Time | None, end: Time | None) -> tuple[int, int]:
    first, last = to_ns(start), to_ns(end)
    held = history.tables()
    held = held[held["name"].isin([name for name in ROWS if name != "instruments"])]
    if not len(held):
        raise HistoryError(f"{history.url} holds no raw row to replay; see workstation history tables")
    first = int(held["first_event_ns"].min()) if first is None else first
    last = int(held["last_event_ns"].max()) + 1 if last is None else last
    if first >= last:
        raise HistoryError(f"nothing lies between {_words(first)} and {_words(last)}")
    return first, last


def _words(moment_ns: int) -> str:
    return f"{pd.Timestamp(moment_ns)} UTC"
