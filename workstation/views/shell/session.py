"""The one bridge from the desk's published state to a screen.

A session pulls the newest state on its own timer, ten times a second at most: what it cannot show in time is
conflated, and a slow screen slows nobody else. Views are refreshed only when a table they read has a new
version, all within one held batch of document changes.
"""

from __future__ import annotations

import math
import time
import traceback
from collections import deque
from collections.abc import Callable

import pandas as pd
import panel as pn
from panel.io.callbacks import PeriodicCallback

from workstation.board.priced_chain import ChainPending
from workstation.market.tables import HEALTH
from workstation.views.state.source import Source, View
from workstation.views.widgets.theme import Palette

PERIOD_MS = 100
"""Shortest time between two pictures of a session."""
_POLL_MS = 23
"""No part of 100: a session that looks in step with its market could for ever look just before something comes."""
_YIELD = 2.0
"""A session waits so many times as long as the others lately kept it waiting: a full server makes fewer pictures, not late
ones."""
_FORGET = 0.8
"""How much of that wait is remembered from one look to the next."""
_LEAD = "trades"
"""The table that pictures wait for: they are of the newest trade, and as fresh as it."""
_CATCH_UP = 0.4
"""Share of a period two pictures are apart at least, where the one before came late."""
_IDLE_S = 0.25
"""A picture is made after so long even when nothing has come: what is said of time goes on."""
PENDING_S = 0.3
"""A view that waits for what another process was asked is tried again after so long."""
RETRY_S = 5.0
"""A view whose refresh failed is tried again after so long."""


class _Watched:
    """A view with what was last shown of it."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.versions: tuple[int, ...] = ()
        self.due_s = 0.0
        self.failed = False
        self.waiting = False
        """Whether another process was asked for what it shows."""

    def stale(self, source: Source, now_s: float) -> bool:
        if now_s < self.due_s:
            return False
        versions = tuple(source.version(table) for table in self.view.inputs)
        if self.view.inputs and versions == self.versions and not self.failed and not self.waiting:
            return False
        self.versions = versions
        return True


class Live:
    """One session's live views.

    Parameters
    ----------
    source
        What is shown.
    report
        Takes ``health`` rows about views that failed; a failure is always also shown on the view itself.
    period_ms
        Shortest time between two pictures: the next is made as soon as something has come after that.

    Notes
    -----
    The timer is Bokeh's own, in the background: Panel's foreground callbacks toggle the process-wide busy state,
    which every page watches, and so make each session pay for all others.
    """

    def __init__(
        self,
        source: Source,
        report: Callable[[pd.DataFrame], None] | None = None,
        period_ms: int = PERIOD_MS,
    ) -> None:
        self.source = source
        self.refreshes = 0
        self._report = report
        self._period_s = period_ms / 1000
        self._pictured: tuple[float, tuple[int, ...]] = (-math.inf, ())
        """When the last picture was made, and of which versions."""
        self._due_s = -math.inf
        """From when on it was due."""
        self._looked_s, self._waited_s = math.inf, 0.0
        """When the last look ended, and how much later than due the looks come of late."""
        self._watched: list[_Watched] = []
        self._later: deque[Callable[[], View]] = deque()
        self._timer: PeriodicCallback | None = None

    def add_later(self, make: Callable[[], View]) -> None:
        """Make a view once the page is up, one with each tick of the timer, and keep it fresh from then on."""
        self._later.append(make)

    def add(self, view: View) -> View:
        """Keep a view fresh; it is shown once at once, so that the first paint is full."""
        watched = _Watched(view)
        self._watched.append(watched)
        self._refresh_if_due(watched, time.monotonic())
        return view

    def touch(self, *views: View) -> None:
        """Refresh these views now (all, when none is named): a choice has changed."""
        now = time.monotonic()
        with pn.io.hold():
            for watched in self._watched:
                if not views or watched.view in views:
                    watched.versions, watched.due_s = (), 0.0
                    self._refresh_if_due(watched, now)

    def repaint(self, colours: Palette) -> None:
        """Give every view the colours of a theme."""
        with pn.io.hold():
            for watched in self._watched:
                watched.view.repaint(colours)

    def start(self) -> None:
        """Start the session's timer once the page is loaded; it ends with the session."""
        pn.state.onload(self._start)

    def _start(self) -> None:
        self._timer = PeriodicCallback(callback=self._look, period=_POLL_MS, background=True, log=False)
        self._timer.start()

    def _look(self) -> None:
        """Make a picture once something has come; a timer of its own would show it half a period later."""
        now, (last, seen) = time.monotonic(), self._pictured
        late = max(now - self._looked_s - 2e-3 * _POLL_MS, 0.0)
        self._waited_s = max(late, _FORGET * self._waited_s)
        # from when the last was due, not made: one late picture would else put off all that follow
        due = max(self._due_s + 0.9 * self._period_s, last + _CATCH_UP * self._period_s)
        due = max(due, last + _YIELD * self._waited_s)
        if now >= due:
            self._picture(now, due, seen)
        self._looked_s = time.monotonic()

    def _picture(self, now: float, due: float, seen: tuple[int, ...]) -> None:
        """Make a picture when a trade has come; what else has come waits for one, but no longer than a period.

        Other tables come at times of their own. A picture made for one of them just before the trades come would have them
        wait for the next.
        """
        inputs = sorted({table for watched in self._watched for table in watched.view.inputs})
        versions = tuple(self.source.version(table) for table in inputs)
        waited = now - due
        led = _LEAD in inputs and versions != seen and len(seen) == len(versions)
        if led and waited < self._period_s:
            lead = inputs.index(_LEAD)
            wanted = versions[lead] != seen[lead]
        else:
            wanted = versions != seen
        if wanted or self._later or now - self._pictured[0] >= _IDLE_S:
            self._pictured, self._due_s = (now, versions), max(due, now - self._period_s)
            self.tick()

    def tick(self) -> None:
        """Refresh what is due."""
        now = time.monotonic()
        with pn.io.hold():
            if self._later:
                self.add(self._later.popleft()())
            for watched in self._watched:
                self._refresh_if_due(watched, now)

    def _refresh_if_due(self, watched: _Watched, now_s: float) -> None:
        if not watched.stale(self.source, now_s):
            return
        view = watched.view
        watched.due_s = now_s + view.every_s
        try:
            view.refresh(self.source)
        except ChainPending as waiting:
            watched.due_s, watched.waiting = now_s + PENDING_S, True
            view.show_failure(str(waiting))
        except Exception as error:  # noqa: BLE001 - one view's fault must not stop its neighbours; it is shown and reported
            watched.due_s = now_s + RETRY_S
            self._fail(watched, error)
        else:
            self.refreshes += 1
            if watched.failed or watched.waiting:
                watched.failed = watched.waiting = False
                view.show_failure("")

    def _fail(self, watched: _Watched, error: Exception) -> None:
        name = type(watched.view).__name__
        reason = f"{type(error).__name__}: {error}"
        watched.view.show_failure(reason)
        if not watched.failed and self._report is not None:
            last = traceback.extract_tb(error.__traceback__)[-1]
            self._report(
                failure_row(name, f"{reason} ({last.name}, line {last.lineno})", self.source.asof_ns)
            )
        watched.failed = True


def failure_row(view: str, reason: str, asof_ns: int) -> pd.DataFrame:
    """The ``health`` row of a view that could not be refreshed.

    Examples
    --------
    >>> failure_row("Smile", "ValueError: no expiry", 1)[["feed", "channel", "event", "detail"]].values.tolist()
    [['screen', 'Smile', 'failed', 'ValueError: no expiry']]
    """
    return HEALTH.conform(
        pd.DataFrame(
            {
                "event_ns": [asof_ns],
                "feed": ["screen"],
                "channel": [view],
                "event": ["failed"],
                "count": [1],
                "detail": [reason],
            }
        )
    )
