"""Health rows of a supervised feed, stamped with the clock its rows follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from workstation.feeds.feed import Feed, Gap
from workstation.feeds.supervision.staleness import Vitals
from workstation.market.errors import TableError
from workstation.market.tables import HEALTH, NO_TIME


class SinkError(Exception):
    """``publish`` failed: nothing the feed could mend."""


class Reports:
    """Publishes rows, and says in ``health`` rows what happened to them and to the feed.

    With a simulated clock a health row carries the newest event time of the data, and waits for the first
    data to know it, so that it never moves the watermark ahead.
    """

    def __init__(
        self,
        feed: Feed,
        publish: Callable[[str, pd.DataFrame], Any],
        clock: Callable[[], int],
        vitals: Vitals,
    ) -> None:
        self._name, self._simulated = feed.name, feed.capabilities.simulated_clock
        self._sink, self._clock, self._vitals = publish, clock, vitals
        self._held: list[dict[str, Any]] = []
        self.refused_rows = 0
        """Batches the tables would not take."""

    def publish(self, table: str, frame: pd.DataFrame) -> None:
        """Hand rows on; a batch that does not fit its table is set aside and told, anything else is ``SinkError``."""
        try:
            self._sink(table, frame)
        except TableError as error:
            if table == "health":
                raise SinkError from error
            self.refused_rows += 1
            self.tell("rejected", count=len(frame), detail=str(error))
        except Exception as error:
            raise SinkError from error
        else:
            self.flush()

    def tell(self, event: str, **fields: Any) -> None:
        """A health row now."""
        now = self._clock()
        self._held.append(
            {
                "seen_ns": now,
                "feed": self._name,
                "event": event,
                "start_ns": NO_TIME,
                "end_ns": NO_TIME,
                "channel": "",
                "count": 0,
                "recoverable": False,
                "instruments": "",
                "detail": "",
                **fields,
            }
        )
        self.flush()

    def tell_gap(self, gap: Gap, detail: str) -> None:
        """A gap that stays."""
        self.tell(
            "gap", channel=gap.channel, instruments=gap.instrument, start_ns=gap.start_ns, end_ns=gap.end_ns,
            recoverable=False, detail=detail,
        )  # fmt: skip

    def forget(self) -> None:
        """Publish none of the rows that wait for a time."""
        self._held.clear()

    def flush(self, *, final: bool = False) -> None:
        """Publish the rows that wait for a time; ``final``: by this machine's clock if the data told none."""
        known_ns = self._vitals.newest_event_ns if self._simulated else 0
        if not self._held or (self._simulated and not known_ns and not final):
            return
        rows, self._held = self._held, []
        frame = HEALTH.conform(
            pd.DataFrame([{"event_ns": known_ns or row["seen_ns"], **row} for row in rows])
        )
        try:
            self._sink("health", frame)
        except Exception as error:
            raise SinkError from error
