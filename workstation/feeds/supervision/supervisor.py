"""Keeping a feed alive: connect, subscribe, backfill, watch, reconnect, and tell of all of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from workstation.feeds.feed import Batch, Feed, Gap, Subscription
from workstation.feeds.supervision.duplicates import SeenTrades
from workstation.feeds.supervision.health_rows import Reports, SinkError
from workstation.feeds.supervision.staleness import StalenessParameters, Vitals
from workstation.feeds.supervision.waiting import Stopped, Waiting, end
from workstation.market.errors import FeedError
from workstation.market.instants import SECOND_NS

T = TypeVar("T")


@dataclass(frozen=True)
class SupervisionParameters:
    """How a feed is kept alive.

    Attributes
    ----------
    backoff_first_s, backoff_cap_s
        The n-th wait is uniform in [0, min(cap, first 2^n)]; a venue's Retry-After is its least.
    healthy_s
        A connection that lived this long sets n back to 0.
    watch_every_s
        Time between two looks at the clocks.
    answer_within_s
        Limit for connect, instruments, subscribe, snapshot and backfill, each.
    remembered_trades
        Trade ids remembered to take repeats out.
    overlap_s
        How far before the newest row a backfill after a lost connection begins.
    pending_backfills
        Gaps that may wait to be backfilled; more are reported as lost.
    staleness
        See ``StalenessParameters``.
    """

    backoff_first_s: float = 0.5
    backoff_cap_s: float = 60.0
    healthy_s: float = 60.0
    watch_every_s: float = 0.5
    answer_within_s: float = 120.0
    remembered_trades: int = 200_000
    overlap_s: float = 2.0
    pending_backfills: int = 256
    staleness: StalenessParameters = field(default_factory=StalenessParameters)


class Supervisor:
    """Runs one feed for as long as it is wanted.

    Parameters
    ----------
    feed
        The feed; nobody else may use it meanwhile.
    publish
        ``publish(table, frame)``, the hub's; called on the loop that runs ``run()``.
    channels
        What to subscribe; none: the feed's default set.
    clock, monotonic, sleep, rng
        This machine's wall time in ns, for rows; its monotonic time in ns, for silence, rates and backoff; the waiting, and the
        randomness of the backoff: replaceable for tests.

    Notes
    -----
    States: connecting, live, stale, backing_off, failed, ended, stopped. Every transition, gap, refusal,
    duplicate and skew is a row of ``health``. With a simulated clock these rows carry the newest event time,
    so that they never move the watermark ahead of the data.
    """

    def __init__(
        self,
        feed: Feed,
        publish: Callable[[str, pd.DataFrame], Any],
        channels: Sequence[str] = (),
        parameters: SupervisionParameters | None = None,
        *,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.feed, self.parameters = feed, parameters or SupervisionParameters()
        self.channels = tuple(channels)
        self.vitals = Vitals(self.parameters.staleness)
        self.seen_trades = SeenTrades(self.parameters.remembered_trades)
        self.reports = Reports(feed, publish, clock, self.vitals)
        self._clock, self._monotonic, self._waiting = clock, monotonic, Waiting(sleep)
        self._rng = rng or random.Random()
        self._simulated = feed.capabilities.simulated_clock
        self._state, self._detail = "connecting", "not started"
        self._counts = dict.fromkeys(("gaps", "drops", "reconnects", "duplicates", "refused", "rejected"), 0)
        self._live_since_ns: int | None = None
        self._lost_ns: int | None = None
        self._accepted: tuple[str, ...] = ()
        self._backfills: set[asyncio.Task[None]] = set()
        self._unfilled: list[Gap] = []
        """Gaps whose backfill was cut off by the end of its connection."""
        self._broken: BaseException | None = None
        self._done = asyncio.Event()
        self._running = self._was_live = False

    # -- life ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Supervise until the feed ends, fails for good or is stopped. Raises only what ``publish`` raised."""
        self._running = True
        try:
            await self._keep_alive()
        except Stopped:
            self._turn("stopped", "stopped", "as asked")
        except asyncio.CancelledError:
            self._turn("stopped", "stopped", "cancelled")
            raise
        except SinkError as error:
            self._state, self._detail = "failed", f"publish failed: {error.__cause__!r}"
            raise (error.__cause__ or error) from None
        finally:
            await self._close()
            for gap in self._unfilled:
                self.reports.tell_gap(gap, "the feed ended before its backfill")
            self._unfilled.clear()
            self.reports.flush(final=True)
            self._running = False
            self._done.set()

    async def stop(self) -> None:
        """End ``run()`` and close the feed; returns when both are done."""
        self._waiting.stop()
        if self._running:
            await self._done.wait()

    def status(self) -> dict[str, Any]:
        """State, newest times (ns), age (s), rows/s, counts and words, for the status strip."""
        now, v = self._monotonic(), self.vitals
        return {
            "feed": self.feed.name,
            "state": self._state,
            "newest_ns": v.newest_event_ns,
            "newest_seen_ns": v.newest_seen_ns,
            "age_s": (now - v.data_ns) / SECOND_NS if v.data_ns else float("nan"),
            "stale_after_s": self.parameters.staleness.transport_s,
            "rows_per_s": v.rows_per_s(now),
            **self._counts,
            "rejected": self._counts["rejected"] + self.reports.refused_rows,
            "skew_s": v.skew_ns / SECOND_NS if v.skew_ns is not None else float("nan"),
            "channels": dict(v.channels),
            "detail": self._detail,
        }

    async def _keep_alive(self) -> None:
        attempt = 0
        while True:
            retry_after = 0.0
            try:
                await self._session()
                self._turn("ended", "ended", "the feed has nothing more to come")
                return
            except FeedError as error:
                if error.fatal:
                    self._turn("failed", "failed", f"{error}; not tried again")
                    return
                reason, retry_after = str(error), error.retry_after or 0.0
            except (Stopped, SinkError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a feed throws is reported and tried again
                reason = f"{type(error).__name__}: {error}"
                self.reports.tell("failed", detail=f"unexpected in the feed: {reason}")
            attempt = 0 if self._was_healthy() else attempt
            await self._back_off(attempt, reason, retry_after)
            attempt += 1

    def _was_healthy(self) -> bool:
        since, self._live_since_ns = self._live_since_ns, None
        return since is not None and self._monotonic() - since >= self.parameters.healthy_s * SECOND_NS

    async def _back_off(self, attempt: int, reason: str, retry_after: float) -> None:
        p = self.parameters
        wait = max(
            self._rng.uniform(0.0, min(p.backoff_cap_s, p.backoff_first_s * 2.0 ** min(attempt, 60))),
            retry_after,
        )
        self._turn("backing_off", "disconnected", f"{reason}; again in {wait:.2f} s")
        await self._close()
        await self._waiting.first_of(wait)
        self._counts["reconnects"] += 1

    async def _session(self) -> None:
        feed = self.feed
        self._turn("connecting", "connecting", "")
        await self._within(feed.connect(), "connect")
        self.vitals.connected(self._monotonic())
        instruments = await self._within(feed.instruments(), "instruments")
        if len(instruments):
            self.reports.publish("instruments", instruments)
        self._note(await self._within(feed.subscribe(self.channels), "subscribe"))
        await self._mend()
        for batch in await self._within(feed.snapshot(), "snapshot"):
            self._take(batch, live=False)
            await asyncio.sleep(0)
        self._live_since_ns = self._monotonic()
        self._turn(
            "live", "resubscribed" if self._was_live else "connected", f"{len(self._accepted)} channels"
        )
        self._was_live = True
        await self._watch()

    async def _watch(self) -> None:
        """Consume batches and look at the clocks in between, until the feed ends or fails."""
        consumer = asyncio.create_task(self._consume())
        try:
            while not consumer.done():
                await self._waiting.first_of(self.parameters.watch_every_s, consumer)
                if self._broken is not None:
                    raise self._broken
                if not self._simulated and not consumer.done():
                    self._look()
            await consumer
        finally:
            if not self._simulated:
                self._lost_ns = self.vitals.newest_event_ns or None
            await end([consumer, *self._backfills])

    async def _consume(self) -> None:
        async with aclosing(self.feed.batches()) as batches:  # type: ignore[type-var]
            async for batch in batches:
                self._take(batch)
                await asyncio.sleep(0)

    def _look(self) -> None:
        now, wall_ns = self._monotonic(), self._clock()
        for finding in self.vitals.check(now, self.feed.heard_ns()):
            self.reports.tell(
                finding.event,
                channel=finding.channel,
                start_ns=wall_ns - finding.silent_ns,
                end_ns=wall_ns,
                detail=finding.detail,
            )
        stale = self.vitals.transport_stale or "stale" in self.vitals.channels.values()
        if stale and self._state == "live":
            self._state, self._detail = "stale", f"silent for {self.vitals.silent_for_s(now):.1f} s"
        elif not stale and self._state == "stale":
            self._state, self._detail = "live", "data again"
        dead = self.vitals.dead(now)
        if dead:
            raise FeedError(dead)

    # -- rows ---------------------------------------------------------------------------------------------

    def _take(self, batch: Batch, *, live: bool = True) -> int:
        """Publish a batch less the trades seen before; the number of rows published.

        Rows that another hub numbered are of several venues, whose trade ids may be the same, and have been looked at there.
        """
        frame = batch.frame
        numbered = self.feed.capabilities.numbered
        if batch.table == "trades" and not numbered:
            frame = self.seen_trades.fresh(frame)
            repeated = len(batch.frame) - len(frame)
            if repeated and live:
                self._counts["duplicates"] += repeated
                self.reports.tell(
                    "duplicate", channel="trades", count=repeated, detail=f"{repeated} trades seen before"
                )
        self.vitals.take(Batch(batch.table, frame), self._monotonic(), live=live)
        if len(frame):
            self.reports.publish(batch.table, frame)
        if batch.table == "health":
            self._heed(frame[(frame["feed"] == self.feed.name).to_numpy()] if numbered else frame)
        return len(frame)

    def _heed(self, health: pd.DataFrame) -> None:
        """The feed's own health rows: count them, and have recoverable gaps backfilled."""
        event = health["event"].astype("str")
        self._counts["drops"] += int(health.loc[event == "dropped", "count"].sum())
        self._counts["rejected"] += int((event == "rejected").sum())
        gaps = health[event == "gap"]
        self._counts["gaps"] += len(gaps)
        open_gaps = self.feed.open_gaps()
        if not open_gaps:
            rows = gaps[gaps["recoverable"]].to_dict("records")
            open_gaps = [
                Gap(str(row["channel"]), row["instruments"], 0, 0, int(row["start_ns"]), int(row["end_ns"]))
                for row in rows
            ]
        for gap in open_gaps:
            self._schedule(gap)

    def _schedule(self, gap: Gap) -> None:
        if len(self._backfills) >= self.parameters.pending_backfills:
            self.reports.tell_gap(gap, "too many gaps wait for a backfill already")
            return
        task = asyncio.ensure_future(self._backfill(gap))
        self._backfills.add(task)
        task.add_done_callback(partial(self._backfilled, gap))

    def _backfilled(self, gap: Gap, task: asyncio.Task[None]) -> None:
        self._backfills.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or isinstance(error, Stopped):
            self._unfilled.append(gap)
        elif error is not None:
            self._broken = error

    def _note(self, subscription: Subscription) -> None:
        self._accepted = subscription.accepted
        for channel, reason in subscription.rejected.items():
            self._counts["refused"] += 1
            self.reports.tell("refused", channel=channel, detail=reason)

    async def _mend(self) -> None:
        """After a lost connection: bring what it cut off, tell the hole, and backfill it channel by channel."""
        unfilled, self._unfilled = self._unfilled, []
        for number, gap in enumerate(unfilled):
            try:
                await self._backfill(gap)
            except BaseException:
                self._unfilled += unfilled[number:]
                raise
        lost_ns = self._lost_ns  # kept until rows come again: this session may fail before they do
        if lost_ns is None:
            return
        recoverable = self.feed.capabilities.backfill
        self._counts["gaps"] += 1
        now = self._clock()
        self.reports.tell(
            "gap", start_ns=lost_ns, end_ns=now, recoverable=recoverable,
            detail=f"no connection for {(now - lost_ns) / SECOND_NS:.1f} s since the newest row",
        )  # fmt: skip
        start = lost_ns - int(self.parameters.overlap_s * SECOND_NS)
        if recoverable:
            for channel in self._accepted or ("",):
                await self._backfill(Gap(channel, "", 0, 0, start, now))

    async def _backfill(self, gap: Gap) -> None:
        try:
            await self._within(self._brought(gap), "backfill")
        except (Stopped, SinkError):
            raise
        except Exception as error:  # noqa: BLE001 - a backfill that fails is a gap that stays, told as such
            self.reports.tell_gap(gap, f"backfill failed: {type(error).__name__}: {error}")

    async def _brought(self, gap: Gap) -> None:
        """Publish and tell what a backfill brings; nothing is awaited between the feed's answer and its rows, so nothing cuts them off."""
        batches = await self.feed.backfill(gap)
        rows = sum(self._take(batch, live=False) for batch in batches)
        if batches:
            self.reports.tell(
                "backfilled", channel=gap.channel, instruments=gap.instrument, start_ns=gap.start_ns,
                end_ns=gap.end_ns, count=rows, recoverable=True, detail=f"{rows} rows brought after the fact",
            )  # fmt: skip

    def _turn(self, state: str, event: str, detail: str) -> None:
        self._state, self._detail = state, detail
        self.reports.tell(event, detail=detail)

    async def _within(self, answer: Coroutine[Any, Any, T], what: str) -> T:
        return await self._waiting.within(self.parameters.answer_within_s, answer, what)

    async def _close(self) -> None:
        try:
            await self.feed.close()
        except Exception as error:  # noqa: BLE001 - closing what is broken may fail; it must not hide why
            self.reports.tell("failed", detail=f"close: {type(error).__name__}: {error}")
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
