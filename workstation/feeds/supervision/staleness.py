"""Whether a feed is alive: newest times, rates, two staleness clocks per channel, clock skew."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from workstation.feeds.feed import Batch
from workstation.market.instants import SECOND_NS

RATE_SPAN_NS = 10 * SECOND_NS
MARKET_DATA = ("trades", "quotes", "marks", "liquidations")
_NOT_DATA = ("heartbeat", "health")


@dataclass(frozen=True)
class StalenessParameters:
    """When silence means something.

    Attributes
    ----------
    transport_s
        The transport (frames, pongs, rows of any table) silent for longer: the feed is stale.
    dead_factor
        Silent for this many times the limit: the connection is given up and made anew.
    quiet_s
        A channel without market data for longer while the transport lives is quiet: told, no alarm.
    channel_s
        Limits for channels or tables that cannot legitimately be silent that long: beyond it they are stale.
    skew_s
        Size of the running minimum of seen_ns - event_ns from which on the clocks are said to differ.
    skew_rows
        Rows before the minimum is believed.
    """

    transport_s: float = 15.0
    dead_factor: float = 2.0
    quiet_s: float = 30.0
    channel_s: Mapping[str, float] = field(default_factory=dict)
    skew_s: float = 1.0
    skew_rows: int = 100


class Finding(NamedTuple):
    """Something a health row should say."""

    event: str
    channel: str
    silent_ns: int
    """How long ago it began."""
    detail: str


class Vitals:
    """What the rows of one feed say about its life. ``now_ns`` is a monotonic clock's: a step of the wall clock is no silence.

    Attributes
    ----------
    newest_event_ns, newest_seen_ns
        Of rows that are data; 0 before the first.
    channels
        Channel or table -> ``fresh``, ``quiet`` or ``stale``.
    skew_ns
        Running minimum of seen_ns - event_ns since the connection was made; None before ``skew_rows`` rows.
    """

    def __init__(self, parameters: StalenessParameters) -> None:
        self.parameters = parameters
        self.newest_event_ns = 0
        self.newest_seen_ns = 0
        self.data_ns = 0
        self.channels: dict[str, str] = {}
        self.transport_stale = False
        self._transport_ns = 0
        self._channel_ns: dict[str, int] = {}
        self._rates: deque[tuple[int, int]] = deque()
        self._least_lag_ns: int | None = None
        self._lag_rows = 0
        self._skew_told_ns = 0

    def connected(self, now_ns: int) -> None:
        """A new connection: clocks start anew, what was reported of channels stays."""
        self._transport_ns = now_ns
        self._channel_ns = dict.fromkeys(self._channel_ns, now_ns)
        self._least_lag_ns, self._lag_rows = None, 0
        self.transport_stale = False

    def take(self, batch: Batch, now_ns: int, *, live: bool = True) -> None:
        """Rows arrived; ``live`` False for snapshots and backfills, which say nothing about lag."""
        self._transport_ns = now_ns
        frame, rows = batch.frame, len(batch.frame)
        if not rows:
            return
        self.newest_event_ns = max(self.newest_event_ns, int(frame["event_ns"].to_numpy().max()))
        if batch.table in _NOT_DATA:
            return
        self.data_ns = now_ns
        if live:
            self._count(now_ns, rows)
        seen = frame["seen_ns"].to_numpy()
        self.newest_seen_ns = max(self.newest_seen_ns, int(seen.max()))
        names = _channels_of(batch)
        self._channel_ns.update(dict.fromkeys(names, now_ns))
        for name in names:
            self.channels.setdefault(name, "fresh")
        if live and batch.table in MARKET_DATA:
            lag = seen - frame["event_ns"].to_numpy()
            least = int(lag.min(where=seen > 0, initial=np.iinfo(np.int64).max))
            self._least_lag_ns = least if self._least_lag_ns is None else min(self._least_lag_ns, least)
            self._lag_rows += rows

    def _count(self, now_ns: int, rows: int) -> None:
        second = now_ns // SECOND_NS
        if self._rates and self._rates[-1][0] == second:
            self._rates[-1] = (second, self._rates[-1][1] + rows)
        else:
            self._rates.append((second, rows))
        while self._rates and (second - self._rates[0][0]) * SECOND_NS > RATE_SPAN_NS:
            self._rates.popleft()

    def rows_per_s(self, now_ns: int) -> float:
        """Mean over the last whole seconds, ten at most."""
        second = now_ns // SECOND_NS
        recent = [(at, rows) for at, rows in self._rates if 0 < (second - at) * SECOND_NS <= RATE_SPAN_NS]
        return sum(rows for _, rows in recent) / max(second - recent[0][0], 1) if recent else 0.0

    @property
    def skew_ns(self) -> int | None:
        """See the class."""
        return self._least_lag_ns if self._lag_rows >= self.parameters.skew_rows else None

    def check(self, now_ns: int, heard_ns: int = 0) -> Iterator[Finding]:
        """What changed since the last check; ``heard_ns`` is the transport's own sign of life."""
        self._transport_ns = max(self._transport_ns, heard_ns)
        yield from self._check_transport(now_ns)
        if not self.transport_stale:
            for name, at in self._channel_ns.items():
                yield from self._check_channel(name, at, now_ns)
        yield from self._check_skew(now_ns)

    def silent_for_s(self, now_ns: int) -> float:
        """Seconds since the transport's last sign of life."""
        return (now_ns - self._transport_ns) / SECOND_NS

    def dead(self, now_ns: int) -> str:
        """Why the connection should be given up; empty when it should not."""
        p = self.parameters
        if self.silent_for_s(now_ns) > p.transport_s * p.dead_factor:
            return f"nothing heard for {self.silent_for_s(now_ns):.1f} s, not even a pong"
        for name, limit in p.channel_s.items():
            silent = (now_ns - self._channel_ns.get(name, now_ns)) / SECOND_NS
            if silent > limit * p.dead_factor:
                return f"{name} silent for {silent:.1f} s while the transport lives"
        return ""

    def _check_transport(self, now_ns: int) -> Iterator[Finding]:
        silent = self.silent_for_s(now_ns)
        stale = silent > self.parameters.transport_s
        if stale != self.transport_stale:
            self.transport_stale = stale
            event = "stale" if stale else "fresh"
            yield Finding(event, "", now_ns - self._transport_ns, f"transport silent for {silent:.1f} s")

    def _check_channel(self, name: str, at_ns: int, now_ns: int) -> Iterator[Finding]:
        silent = (now_ns - at_ns) / SECOND_NS
        limit = self.parameters.channel_s.get(name)
        if limit is not None and silent > limit:
            state = "stale"
        else:
            state = "quiet" if silent > self.parameters.quiet_s else "fresh"
        if state != self.channels[name]:
            self.channels[name] = state
            detail = (
                f"no market data for {silent:.1f} s, transport alive" if state != "fresh" else "data again"
            )
            yield Finding(state, name, now_ns - at_ns, detail)

    def _check_skew(self, now_ns: int) -> Iterator[Finding]:
        skew, limit = self.skew_ns, self.parameters.skew_s * SECOND_NS
        if skew is None:
            return
        wrong, reported = abs(skew) > limit, self._skew_told_ns
        if (wrong and abs(skew - reported) > limit) or (reported and not wrong):
            self._skew_told_ns = skew if wrong else 0
            meaning = (
                "the venue's clock is ahead of this machine's" if skew < 0 else "rows are at least this late"
            )
            words = meaning if wrong else "back within the limit"
            yield Finding("clock_skew", "", 0, f"least seen - event {skew / SECOND_NS:.3f} s: {words}")


def _channels_of(batch: Batch) -> list[str]:
    if batch.table != "frames":
        return [batch.table]
    column = batch.frame["channel"].array
    return [str(name) for name in column.categories[np.unique(column.codes)]]
