"""The hub: one Streamz stream per table, one order, one watermark.

Everything that happens passes here once: a batch is conformed, numbered, moves the watermark and is emitted.
What engines make of it waits its turn (first in, first out) and is then published the same way. Each branch
hangs on its own guard, so that one that throws stops alone.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workstation.market.engine import Engine
from workstation.market.errors import TableError
from workstation.market.instants import SECOND_NS
from workstation.market.instruments import REGISTRY, InstrumentRegistry
from workstation.market.tables import HEALTH, HEARTBEAT, NO_TIME, TABLES, Table
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import array_of, rows_of
from workstation.streams.event_time import EventTimeGuard, Part
from workstation.streams.sifting import has_odd_price, sift
from workstation.streams.subscribers import RUNNING, Branch, BranchStatus, Function, TableStream

LATE_REPORT_NS = 10 * SECOND_NS
"""An engine's late rows are told of at most once in so much event time."""
SET_ASIDE_BATCHES = 100


@dataclass(frozen=True)
class SetAside:
    """A batch that was not processed, and why.

    Attributes
    ----------
    branch
        The branch that threw; ``"edge"`` when the batch did not fit its table.
    """

    branch: str
    table: str
    frame: pd.DataFrame
    reason: str


class HubState(NamedTuple):
    """Where a hub stands between two batches."""

    next_seq: int
    watermark_ns: int
    counts: Mapping[str, Counter[str]]
    waiting: tuple[Part, ...]
    late_told: Mapping[str, tuple[int, int]]
    engines: Mapping[str, dict[str, Any]]


_COUNTS = ("rows", "late", "rejected")


class _Accepted(NamedTuple):
    table: str
    frame: pd.DataFrame


class Hub:
    """Orders, numbers and distributes batches.

    Parameters
    ----------
    registry
        Instrument registry that batches are conformed to.
    first_seq
        Number of the first row; a restarted process goes on after the last recorded one.
    set_aside
        How many batches that could not be processed are kept for a look; older ones are forgotten, all are counted.
    agreeing
        Rows that must agree before rows dated far ahead of all others are accepted; see ``EventTimeGuard``.
    follows
        True: numbers come from another hub (``publish(numbered=True)``); what this process adds itself keeps ``seq`` 0.

    Notes
    -----
    Every method may be called from any thread; branches run in the thread that publishes, one batch at a time. A
    branch may publish: its batch is accepted at once and emitted after the one in hand.

    Examples
    --------
    >>> hub = Hub()
    >>> seen = []
    >>> hub.attach("show", ["trades"], lambda table, frame: seen.append(frame["seq"].tolist()))
    >>> hub.publish("trades", pd.DataFrame({"event_ns": [5, 7], "instrument": "BTC/USD", "price": 1.0, "size": 1.0}))
    2
    >>> seen, hub.watermark_ns
    ([[1, 2]], 7)
    """

    def __init__(
        self,
        registry: InstrumentRegistry = REGISTRY,
        first_seq: int = 1,
        set_aside: int = SET_ASIDE_BATCHES,
        agreeing: int = 2,
        follows: bool = False,
    ) -> None:
        if first_seq < 1:
            raise ValueError(f"first_seq must be at least 1 (0 means not yet accepted), got {first_seq}")
        self.registry = registry
        self.set_aside: deque[SetAside] = deque(maxlen=set_aside)
        self.rows: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self._next_seq = first_seq
        self._follows = follows
        self._watermark_ns = int(NO_TIME)
        self._queue: deque[_Accepted] = deque()
        self._emitting = False
        self._lock = threading.RLock()
        self._branches: dict[str, Branch] = {}
        self._engines: dict[str, Engine] = {}
        self._guard = EventTimeGuard(self._dated_ahead, agreeing)
        self._late_told: dict[str, tuple[int, int]] = {}
        self._streams = {name: TableStream(name, self._fail) for name in TABLES}

    # -- what is known ------------------------------------------------------------------------------------

    @property
    def next_seq(self) -> int:
        """Number the next row will get."""
        return self._next_seq

    def number_from(self, seq: int) -> None:
        """Number rows to come from ``seq`` on, where the next would have a smaller number; before any row is published."""
        self._next_seq = max(self._next_seq, seq)

    @property
    def watermark_ns(self) -> int:
        """Largest ``event_ns`` over all accepted rows, never back; ``NO_TIME`` before the first."""
        return self._watermark_ns

    @property
    def branches(self) -> Mapping[str, str]:
        """State of each branch by name: ``running`` or ``failed``."""
        return {name: branch.status.state for name, branch in self._branches.items()}

    @property
    def engines(self) -> Mapping[str, Engine]:
        """The engines by branch name."""
        return dict(self._engines)

    def status(self, name: str) -> BranchStatus:
        """State, reason and counts of a branch; ``KeyError`` names the known ones."""
        return self._branch(name).status

    def stream(self, table: str) -> TableStream:
        """The Streamz stream of a table's batches.

        A node hung on it that throws is cut off, told of in ``health``, and disturbs nobody. Streamz holds
        nodes weakly: keep what you attach, or end it in a ``sink``. Nothing here is awaited: put a
        ``newest()`` node (``streams.pace``) before anything that takes time of its own.
        """
        return self._stream(table_named(table).name)

    # -- what can be attached -----------------------------------------------------------------------------

    def attach(self, name: str, tables: Sequence[str], function: Function) -> None:
        """Hang ``function(table, frame)`` on tables, under a guard.

        An exception marks this branch failed, sets the batch aside with the reason and writes a ``health`` row;
        the other branches go on. Batches that pass while it is failed are counted; ``revive`` starts it again.
        """
        with self._lock:
            if name in self._branches:
                raise ValueError(f"a branch named {name!r} is attached already; names are unique")
            known = [table_named(table).name for table in dict.fromkeys(tables)]
            branch = Branch(name, function, self._fail)
            self._branches[name] = branch
            for table in known:
                branch.hang(self._stream(table))

    def detach(self, name: str) -> None:
        """Take a branch away."""
        with self._lock:
            self._branch(name).destroy()
            del self._branches[name]
            self._engines.pop(name, None)

    def add_engine(self, engine: Engine, name: str = "") -> str:
        """Feed an engine its inputs and publish what it gives; returns the name of its branch.

        The name is the class's unless given; a second of the same class gets ``#2``.
        """
        with self._lock:
            name = name or self._free_name(type(engine).__name__)
            output = table_named(engine.output)

            def run(table: str, frame: pd.DataFrame) -> None:
                made = engine.update(frame, table)
                if rows_of(made):
                    self._enqueue(output, output.number(made, self._next_seq, self.registry))
                self._tell_late(name, engine)

            self.attach(name, engine.inputs, run)
            self._engines[name] = engine
            return name

    def revive(self, name: str) -> None:
        """Let a failed branch run again, from the next batch on; what was set aside is not run again by itself."""
        with self._lock:
            self._branch(name).status.state = RUNNING

    # -- what is published --------------------------------------------------------------------------------

    def publish(self, table: str, frame: pd.DataFrame, *, numbered: bool = False) -> int:
        """Accept a batch and emit it; returns the ``seq`` of the last row accepted so far.

        With ``numbered`` the rows keep the ``seq`` that another hub gave them; it must rise, from batch to batch too.
        A row dated far ahead of all others waits until others agree with it or contradict it (``settle``).

        A batch that does not fit its table is set aside, counted in ``rejected`` and told of in a ``health``
        row ``rejected``; nothing is raised, so that one bad batch does not end its feed.

        Raises
        ------
        TableError
            There is no such table: a mistake in the program, not in the data.
        """
        schema = table_named(table)
        with self._lock:
            if numbered:
                self._accept_numbered(schema, frame)
            else:
                self._accept(schema, frame)
            last = self._next_seq - 1
            self._drain()
            return last

    def between_batches(self, change: Callable[[], None]) -> None:
        """Make a change to an engine while no batch is on its way; from any thread."""
        with self._lock:
            change()

    def snapshot(self) -> HubState:
        """Numbers, watermark, counts and every engine's state, between two batches."""
        with self._lock:
            counts = {name: Counter(getattr(self, name)) for name in _COUNTS}
            engines = {name: engine.snapshot() for name, engine in self._engines.items()}
            return HubState(
                self._next_seq, self._watermark_ns, counts, self._guard.waiting, dict(self._late_told), engines
            )  # fmt: skip

    def restore(self, state: HubState) -> None:
        """Go on from the ``snapshot`` of a hub with the same engines; ``SnapshotError`` where they differ."""
        with self._lock:
            for name, held in state.engines.items():
                self._engines[name].restore(held)
            for name in _COUNTS:
                setattr(self, name, Counter(state.counts[name]))
            self._next_seq, self._watermark_ns = state.next_seq, state.watermark_ns
            self._guard.wait_with(state.waiting)
            self._late_told = dict(state.late_told)

    def settle(self) -> None:
        """Accept the rows that wait for others to agree with their time: nothing more comes."""
        with self._lock:
            for part in self._guard.settle():
                self._take(part)
            self._drain()

    def heartbeat(self, now_ns: int, feed: str = "") -> int:
        """Publish a heartbeat row, which moves the watermark when the market is quiet."""
        return self.publish("heartbeat", pd.DataFrame({"event_ns": [int(now_ns)], "feed": feed}))

    def tell(
        self,
        event: str,
        channel: str = "",
        count: int = 0,
        detail: str = "",
        feed: str = "hub",
        instruments: str = "",
    ) -> None:
        """Publish a ``health`` row as of the watermark."""
        with self._lock:
            at = max(self._watermark_ns, 0)
            row = {"event_ns": [at], "feed": feed, "channel": channel, "event": event}
            told = pd.DataFrame({**row, "count": count, "detail": detail, "instruments": instruments})
            self._enqueue(HEALTH, HEALTH.numbered(told, self._next_seq, self.registry))
            self._drain()

    # -- inside -------------------------------------------------------------------------------------------

    def _stream(self, table: str) -> TableStream:
        """The stream of a table; a table declared since the hub was made gets one."""
        found = self._streams.get(table)
        if found is None:
            found = self._streams.setdefault(table, TableStream(table, self._fail))
        return found

    def _branch(self, name: str) -> Branch:
        if name not in self._branches:
            raise KeyError(f"no branch {name!r}; there are {', '.join(self._branches) or 'none'}")
        return self._branches[name]

    def _free_name(self, name: str) -> str:
        if name not in self._branches:
            return name
        number = 2
        while f"{name}#{number}" in self._branches:
            number += 1
        return f"{name}#{number}"

    def _accept(self, schema: Table, frame: pd.DataFrame) -> None:
        try:
            numbered = schema.numbered(frame, self._next_seq, self.registry)
            if schema.raw and has_odd_price(schema, numbered):
                numbered = self._fitting(schema, frame)
        except TableError:
            numbered = self._fitting(schema, frame)
        if not rows_of(numbered):
            return
        if not schema.raw:
            self._enqueue(schema, numbered)
            return
        parts = self._guard.admit(schema, numbered, self._watermark_ns)
        if len(parts) == 1 and parts[0].frame is numbered:
            self._enqueue(schema, numbered)
            return
        for part in parts:
            self._take(part)

    def _fitting(self, schema: Table, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of a batch that fit, numbered; the others are set aside."""
        kept, refused = sift(schema, frame, self.registry)
        for misfit in refused:
            self._reject(schema, misfit.frame, misfit.reason)
        return schema.numbered(kept, self._next_seq, self.registry)

    def _take(self, part: Part) -> None:
        self._enqueue(part.schema, part.schema.numbered(part.frame, self._next_seq, self.registry))

    def _accept_numbered(self, schema: Table, frame: pd.DataFrame) -> None:
        try:
            rows = frame if schema.made(frame, self.registry) else schema.conform(frame, self.registry)
        except TableError as error:
            self._reject(schema, frame, str(error))
            return
        if not rows_of(rows):
            return
        seq = array_of(rows, schema.places["seq"])
        if seq[0] < self._next_seq or (np.diff(seq) <= 0).any():
            self._reject(
                schema, frame, f"rows numbered {seq[0]} to {seq[-1]} do not rise from {self._next_seq} on"
            )
            return
        self._next_seq = int(seq[-1]) + 1
        self._accepted(schema, rows)

    def _reject(self, schema: Table, frame: pd.DataFrame, reason: str) -> None:
        self.rejected[schema.name] += len(frame)
        self.set_aside.append(SetAside("edge", schema.name, frame, reason))
        self.tell("rejected", channel=schema.name, count=len(frame), detail=reason)

    def _dated_ahead(self, part: Part, reason: str) -> None:
        names = part.frame["instrument"].astype("str").unique().tolist() if "instrument" in part.frame else []
        self.rejected[part.schema.name] += len(part.frame)
        self.set_aside.append(SetAside("event time", part.schema.name, part.frame, reason))
        self.tell(
            "rejected",
            channel=part.schema.name,
            count=len(part.frame),
            detail=reason,
            instruments=" ".join(names[:20]),
        )

    def _enqueue(self, schema: Table, numbered: pd.DataFrame) -> None:
        """Accept rows that were given the next numbers."""
        if self._follows:
            numbered = schema.conform(numbered.assign(seq=0), self.registry)
        else:
            self._next_seq += rows_of(numbered)
        self._accepted(schema, numbered)

    def _accepted(self, schema: Table, numbered: pd.DataFrame) -> None:
        event_ns = array_of(numbered, schema.places["event_ns"])
        rows: int = event_ns.size
        self.rows[schema.name] += rows
        counted = schema.raw and schema is not HEALTH and schema is not HEARTBEAT
        if counted and event_ns.min() < self._watermark_ns:
            self.late[schema.name] += int(np.count_nonzero(event_ns < self._watermark_ns))
        self._watermark_ns = max(self._watermark_ns, int(event_ns.max()))
        self._queue.append(_Accepted(schema.name, numbered))

    def _drain(self) -> None:
        if self._emitting:
            return
        self._emitting = True
        try:
            while self._queue:
                accepted = self._queue.popleft()
                self._stream(accepted.table).deliver(accepted.frame)
        finally:
            self._emitting = False

    def _fail(self, branch: str, table: str, frame: pd.DataFrame, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {error}"
        self.set_aside.append(SetAside(branch, table, frame, reason))
        self.tell("failed", channel=branch, count=len(frame), detail=f"on {table}: {reason}")

    def _tell_late(self, name: str, engine: Engine) -> None:
        late = engine.late
        if not late:
            return
        told, at = self._late_told.get(name, (0, int(NO_TIME)))
        if late > told and self._watermark_ns >= at + LATE_REPORT_NS:
            self._late_told[name] = (late, self._watermark_ns)
            detail = f"{late} trades in all came too late for {name}: rows that were final do not count them"
            self.tell("late", channel=name, count=late - told, detail=detail)


__all__ = ["Hub", "SetAside"]
