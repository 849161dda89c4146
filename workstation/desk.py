"""The desk: the one place that wires feeds -> hub -> engines -> sinks, once per process.

The desk runs its own asyncio loop on its own thread, where feeds are supervised. Feeds of a simulated clock (tape,
synthetic) publish into the hub right there, and so go no faster than the engines. A live venue does not wait: its
batches pass through a bounded backlog to the hub's thread. The recorder writes on a thread of its own; screens read the
board.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, NamedTuple

import pandas as pd
import streamz
import streamz.dataframe

from workstation.board.board import FEED_COLUMNS, Board, BoardState
from workstation.desk_feeds import follows, opened_feeds
from workstation.desk_health import Part, as_rows, disk_watch, engine_parts, process_parts, queue_parts
from workstation.desk_past import seed_board, store_at
from workstation.desk_summary import summary
from workstation.engines import standard_engines
from workstation.feeds.feed import Feed
from workstation.feeds.supervision.duplicates import SeenTrades
from workstation.feeds.supervision.supervisor import Supervisor
from workstation.flow.evidence import READ, Evidence, evidence
from workstation.history import History
from workstation.history.recorder import Recorder
from workstation.indicators.candles.engine import Candles
from workstation.indicators.own import Indicator, engine_of
from workstation.market.engine import Engine
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.settings import Settings
from workstation.streams.frames import streamz_frame
from workstation.streams.hub import Hub, HubState
from workstation.streams.live_intake import LiveIntake
from workstation.streams.sinks import FunctionSink, Sink

FORMING_SECONDS = 0.1
STATUS_SECONDS = 1.0
AGREEING_LIVE = 64
"""Rows of live venues that must agree before rows dated far ahead of this machine's heartbeats are accepted."""


class DeskState(NamedTuple):
    """What a desk derived by a moment."""

    hub: HubState
    board: BoardState
    seen_trades: tuple[SeenTrades, ...]


class Desk:
    """Feeds, hub, engines and sinks of one process: the board, the recorder where there is a history, and any further ones.

    Made by :func:`open_desk`. ``start`` returns once the loop runs; feeds connect in the background and say how
    they are in ``board.feeds()``. ``stop`` closes the feeds, then the sinks (the recorder writes all it accepted), and joins.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        history: History | None,
        settings: Settings,
        sinks: Sequence[Sink] = (),
        first_seq: int | None = None,
    ) -> None:
        self.settings = settings
        self.history = history
        self.board = Board()
        self._live_clock = not any(feed.capabilities.simulated_clock for feed in feeds)
        following = self._follows = follows(feeds)
        if following:
            feeds[0].follow(self.board)
        self.hub = Hub(
            first_seq=first_seq or (1 if following or history is None else history.last_seq() + 1),
            agreeing=AGREEING_LIVE if self._live_clock else 1,
            follows=following,
        )
        self.recorder = self._new_recorder(history) if history and not following else None
        engines = [] if following else standard_engines(parameters=settings.engine_parameters())
        self._candles = [engine for engine in engines if isinstance(engine, Candles)]
        if engines:
            self.board.follow_chains(engines)
        for engine in engines:
            self.hub.add_engine(engine)
        self._intake = LiveIntake(
            self.hub, self._publish, self._spill, self._publish_forming, settings.backlog, FORMING_SECONDS
        )
        self._supervisors = [
            Supervisor(feed, self._intake.accept if self._live_clock else self._publish) for feed in feeds
        ]
        self.sinks: tuple[Sink, ...] = (
            FunctionSink("board", self.board.tables, self.board.add),
            *([self.recorder] if self.recorder else []),
            *sinks,
        )
        for sink in self.sinks:
            self.hub.attach(sink.name, sink.tables, sink.put)
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._attached: set[str] = set()
        self.told_by: list[Callable[[], list[Part]]] = []
        """Give further lines of the health page: what serves the desk, what is sent on."""
        self._disk = disk_watch(history.url) if history is not None else None

    # -- life ---------------------------------------------------------------------------------------------

    def start(self) -> Desk:
        """Start everything; does nothing when it runs already. Returns itself."""
        if self._thread is not None:
            return self
        if self.history is not None and not self._follows:
            seed_board(self.board, self.history)
        if self.recorder and self.history is not None:
            invented = any(one.feed.capabilities.invented for one in self._supervisors)
            self.history.note_recording(self.hub.next_seq, self.feed_names, invented=invented)
        with ExitStack() as started:
            for sink in self.sinks:
                sink.start()
                started.callback(sink.close)
            started.pop_all()
        if self._live_clock:
            self._intake.start()
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)
        self._thread.start()
        return self

    def stop(self, timeout: float = 120.0) -> None:
        """Close the feeds, let the engines take what waits, stop the loop, close the sinks (the recorder writes what it holds).

        Raises ``TimeoutError`` that says what is still busy after so many seconds; the sinks are closed even then, each
        whatever another raises.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with ExitStack() as closing:
            for sink in self.sinks:
                closing.callback(sink.close)
            self._end(thread, time.monotonic() + timeout)

    def _end(self, thread: threading.Thread, deadline: float) -> None:
        closing = self._call(self._shut_down())
        try:
            closing.result(deadline - time.monotonic())
        except TimeoutError:
            raise TimeoutError("the feeds were not closed in time: the desk's thread is busy") from None
        self._intake.close(deadline)
        self.hub.settle()
        self._publish_forming()
        self._publish_status()
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(max(deadline - time.monotonic(), 0.0))
        if thread.is_alive():
            raise TimeoutError("the desk's thread did not end in time")
        self._loop.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every feed has ended by itself (a tape at its end); False when the time was up before."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.ended:
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    @property
    def ended(self) -> bool:
        """Whether every feed has ended by itself."""
        feeding = self._tasks[: len(self._supervisors)]
        return bool(feeding) and all(task.done() for task in feeding)

    def __enter__(self) -> Desk:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def feed_names(self) -> tuple[str, ...]:
        """Names of the feeds, in the order they were given."""
        return tuple(supervisor.feed.name for supervisor in self._supervisors)

    def snapshot(self) -> DeskState:
        """Everything it derived, between two batches; on the thread that publishes."""
        seen = tuple(supervisor.seen_trades.copy() for supervisor in self._supervisors)
        return DeskState(self.hub.snapshot(), self.board.snapshot(), seen)

    def restore(self, state: DeskState) -> None:
        """Go on from the ``snapshot`` of a desk with the same feeds and settings; on the thread that publishes, between two batches."""
        self.hub.restore(state.hub)
        self.board.restore(state.board)
        for supervisor, seen in zip(self._supervisors, state.seen_trades, strict=True):
            supervisor.seen_trades = seen.copy()
            supervisor.reports.forget()
        self._publish_forming()

    # -- what a notebook asks for -------------------------------------------------------------------------

    def attach(self, part: Engine | type[Engine] | Indicator) -> str:
        """Run an engine of one's own from the next batch on: its rows are on the board, in history, and in ``frame(table)``.

        Parameters
        ----------
        part
            An ``@indicator`` function, a class of ``Engine`` with its ``table`` beside it, or an engine.

        Returns
        -------
        str
            Name of its branch: that of the class. Attached again, as when a cell runs again, it takes the place of the one before.

        Raises
        ------
        TypeError
            It is none of these.
        ValueError
            One of the desk's own engines has its name.

        Examples
        --------
        >>> from workstation.indicators.own import indicator
        >>> @indicator(every="1s", window="10s", columns={"range": "bps"})
        ... def travelled(rows):
        ...     return 1e4 * (rows.price.max() / rows.price.min() - 1)
        >>> open_desk(feeds=["synthetic"], seed=7).attach(travelled)
        'travelled'
        """
        engine = engine_of(part)
        name = type(engine).__name__
        if name in self._attached:
            self.detach(name)
        elif name in self.hub.branches:
            raise ValueError(f"the desk has an engine {name!r} already; give yours another name")
        table = engine.output
        if self.board.keep(table) and f"board: {table}" not in self.hub.branches:
            self.hub.attach(f"board: {table}", (table,), self.board.add)
            if self.recorder:
                self.hub.attach(f"recorder: {table}", (table,), self.recorder.put)
        self.hub.add_engine(engine, name)
        self._attached.add(name)
        return name

    def detach(self, name: str) -> None:
        """Stop an engine of one's own; its rows stay. ``KeyError`` names those there are."""
        if name not in self._attached:
            raise KeyError(
                f"nothing attached is named {name!r}; there are {', '.join(sorted(self._attached)) or 'none'}"
            )
        self.hub.detach(name)
        self._attached.discard(name)

    def rows(self, table: str, timeout: float = 120.0) -> pd.DataFrame:
        """The kept rows of a table, as soon as there are any.

        Raises
        ------
        TimeoutError
            None has come after so many seconds.
        """
        deadline = time.monotonic() + timeout
        while not len(found := self.board.latest(table)):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"no row of {table} after {timeout:g} s; `desk` in a cell says how its feeds are"
                )
            time.sleep(0.02)
        return found

    def _repr_html_(self) -> str:
        state = (
            "running" if self._thread is not None else "stopped" if self._loop.is_closed() else "not started"
        )
        return summary(state, self.board, self.hub, self.feed_names, self.history.url if self.history else "")

    def frame(self, table: str) -> streamz.dataframe.DataFrame:
        """A streaming dataframe of a table: ``desk.frame("trades").price.rolling(100).mean()``."""
        return streamz_frame(self.hub, table)

    def stream(self, table: str) -> streamz.Stream:
        """The Streamz stream of a table's batches; keep a reference to what you attach."""
        return self.hub.stream(table)

    def evidence(self, alert_id: str) -> Evidence:
        """Everything a flow alert stands on, from history, else from what the board still holds; ``save`` it, replay it elsewhere.

        Raises
        ------
        EvidenceError
            No such alert is kept, or it is not of the flow engines.
        """
        own = self.settings.flow
        if self.history is not None and alert_id in set(self.history.read("alerts")["alert_id"]):
            return evidence(self.history, alert_id, own)
        kept = {name: self.board.latest(name) for name in READ}
        return evidence(kept, alert_id, own)

    # -- inside -------------------------------------------------------------------------------------------

    def _new_recorder(self, history: History) -> Recorder:
        return Recorder(history, history.spill_folder, self.report, backlog=self.settings.recorder_backlog)

    def soon(self, function: Callable[[], object]) -> None:
        """Have the desk's own thread call this: what a feed is told belongs there."""
        self._loop.call_soon_threadsafe(function)

    def report(self, rows: pd.DataFrame) -> None:
        """Publish rows of the `health` table from any thread: what a screen or the recorder has to tell."""
        if self._thread is None:
            self.hub.publish("health", rows)
        else:
            self._loop.call_soon_threadsafe(self.hub.publish, "health", rows)

    def _spill(self, table: str, frame: pd.DataFrame) -> None:
        """What found no room goes to history unseen by the engines, as rows that no hub numbered."""
        if self.recorder:
            self.recorder.put(table, frame)

    def _publish(self, table: str, frame: pd.DataFrame) -> None:
        if table == "instruments":
            INSTRUMENT_TERMS.register(frame)
        numbered = self._follows and len(frame) > 0 and int(frame["seq"].iloc[0]) > 0
        self.hub.publish(table, frame, numbered=numbered)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        if self._live_clock:
            self._beat()
        self._tasks = [self._loop.create_task(supervisor.run()) for supervisor in self._supervisors]
        for task in self._tasks:
            task.add_done_callback(self._supervision_ended)
        live, simulated = (self._beat, STATUS_SECONDS), (self._publish_forming, FORMING_SECONDS)
        timers = [live if self._live_clock else simulated, (self._publish_status, STATUS_SECONDS)]
        self._tasks += [self._loop.create_task(self._every(seconds, tick)) for tick, seconds in timers]
        self._loop.run_forever()

    async def _shut_down(self) -> None:
        for supervisor in self._supervisors:
            await supervisor.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _every(self, seconds: float, tick: Callable[[], None]) -> None:
        """Call ``tick`` on a timer; what it throws is told once per kind and does not end the timer."""
        told: set[str] = set()
        while True:
            try:
                tick()
            except Exception as error:  # noqa: BLE001 - told in `health`; the desk goes on
                reason = f"{tick.__name__.lstrip('_')}: {type(error).__name__}: {error}"
                if reason not in told:
                    told.add(reason)
                    self.hub.tell("failed", channel="desk", count=1, detail=reason)
            await asyncio.sleep(seconds)

    def _supervision_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.hub.tell(
                "failed",
                channel="supervision",
                count=1,
                detail=f"{type(error).__name__}: {error}",
                feed="desk",
            )

    def _beat(self) -> None:
        now_ns = time.time_ns()
        self._intake.accept(
            "heartbeat", pd.DataFrame({"event_ns": [now_ns], "seen_ns": [now_ns], "feed": [""]})
        )

    def _publish_forming(self) -> None:
        for engine in self._candles:
            self.board.set_forming(engine.in_progress())

    def _publish_status(self) -> None:
        lag = self.recorder.lag_seconds if self.recorder else float("nan")
        rows = [{**supervisor.status(), "recorder_lag_s": lag} for supervisor in self._supervisors]
        self.board.set_feeds(pd.DataFrame(rows, columns=list(FEED_COLUMNS)))
        self.board.set_parts(as_rows(self._parts()))

    def _parts(self) -> list[Part]:
        return [
            *engine_parts(self.hub),
            *queue_parts(self.hub, self._intake.waiting, self.settings.backlog, self.recorder),
            *([self._disk.part()] if self._disk else []),
            *(part for tell in self.told_by for part in tell()),
            *process_parts(),
        ]


def open_desk(
    feeds: Sequence[str | Feed] | None = None,
    history: str | History | None = None,
    seed: int | None = None,
    settings: Settings | None = None,
    sinks: Sequence[Sink] = (),
    first_seq: int | None = None,
) -> Desk:
    """Wire a desk; ``start()`` it or use it as a context manager.

    Parameters
    ----------
    feeds
        Names of feeds (``"synthetic"``, ``"deribit"``) or feeds made with ``open_feed``; default: the settings'.
    history
        A store or its address to record into; none: nothing is recorded.
    seed
        Seed of the synthetic market; none takes the settings'.
    settings
        Default: read from the environment.
    sinks
        Further takers of rows beside the board and the recorder, such as a message bus or a ``FunctionSink``.
    first_seq
        Number of the first row; default: the one after the last recorded.

    Examples
    --------
    >>> desk = open_desk(feeds=["synthetic"], seed=7)
    >>> "trades" in desk.board.tables
    True
    """
    settings = settings or Settings()
    opened = opened_feeds(feeds, seed, settings)
    store = store_at(history, read_only=follows(opened)) if isinstance(history, str) else history
    return Desk(opened, store, settings, sinks, first_seq)
