"""As fast as the browser: a session sends the next picture when the last but one has been painted."""

from __future__ import annotations

import time
from typing import Any

import panel as pn
from bokeh.models import CustomJS, Spacer

from workstation.views.widgets.assets import asset

IN_FLIGHT = 2
"""Pictures on their way to the screen at the most."""
PATIENCE_S = 3.0
"""Whoever does not answer for so long gets the next one all the same."""
_ANSWER = asset(__package__, "render_pacing.js")


class PaintTurns:
    """Who paints a figure anew: one chart a picture, in the order in which they asked.

    When a candle closes all charts have one more to draw; painted in one go they would hold up what moves with every trade.

    Examples
    --------
    >>> turns = PaintTurns()
    >>> turns.ask(1), turns.ask(2), turns.ask(1)
    (True, False, False)
    >>> turns.begin()
    >>> turns.ask(1), turns.ask(2)
    (False, True)
    """

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._asked: set[int] = set()
        self._taken = False

    def begin(self) -> None:
        """Another picture; who did not ask for the last one waits no longer."""
        self._waiting = [index for index in self._waiting if index in self._asked]
        self._asked, self._taken = set(), False

    def ask(self, index: int) -> bool:
        """Whether it is this chart's turn."""
        self._asked.add(index)
        if index not in self._waiting:
            self._waiting.append(index)
        if self._taken or self._waiting[0] != index:
            return False
        del self._waiting[0]
        self._taken = True
        return True


class RenderPacing:
    """Counts pictures sent and painted; what a slow screen cannot take in is conflated here, not queued in the browser.

    ``panel`` has to be on the page; ``open`` says whether this turn's picture is sent.

    Examples
    --------
    >>> pace = RenderPacing()
    >>> [pace.turn() for _ in range(3)]
    [True, True, False]
    >>> pace.answer.tags = [2]
    >>> pace.turn()
    True
    """

    def __init__(self) -> None:
        self.open = True
        self._sent = self._painted = 0
        self._sent_s = 0.0
        self.pulse, self.answer = Spacer(tags=[0], visible=False), Spacer(tags=[0], visible=False)
        # a Div would be rendered anew at every pulse, and the whole page laid out with it
        self.pulse.js_on_change("tags", CustomJS(args={"answer": self.answer}, code=_ANSWER))
        self.answer.on_change("tags", self._answered)
        self.panel = pn.pane.Bokeh(self.pulse, width=0, height=0, margin=0)

    @property
    def painted(self) -> bool:
        """Whether the browser has painted a picture yet."""
        return self._painted > 0

    def turn(self) -> bool:
        """Another turn: whether a picture is sent."""
        now_s = time.monotonic()
        self.open = self._sent - self._painted < IN_FLIGHT or now_s - self._sent_s > PATIENCE_S
        if self.open:
            self._sent, self._sent_s = self._sent + 1, now_s
            self.pulse.tags = [self._sent]
        return self.open

    def _answered(self, attr: str, old: Any, new: Any) -> None:
        self._painted = max(self._painted, int(new[0]))
