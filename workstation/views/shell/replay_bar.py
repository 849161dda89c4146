"""The replay bar: where a stored market stands, and play, pause, step, speed and seek."""

from __future__ import annotations

from typing import Any, Protocol

import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models import CustomJS, Div

from workstation.market.errors import WorkstationError
from workstation.views.state.source import Source, View
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Markup
from workstation.views.widgets.theme import stylesheet

HEIGHT = 40
SPEEDS = {"1x": 1.0, "2x": 2.0, "5x": 5.0, "10x": 10.0, "60x": 60.0, "max": "max"}
_MINUTE_NS = 60_000_000_000
_CSS = stylesheet(asset(__package__, "replay_bar.css"))
_SELECT = asset(__package__, "replay_bar_select.css")
_SX = {
    "minWidth": 0,
    "height": "28px",
    "px": "8px",
    "py": 0,
    "fontSize": "12px",
    "textTransform": "none",
    "whiteSpace": "nowrap",
}


class Replay(Protocol):
    """What steers a stored market."""

    start_ns: int
    end_ns: int
    generation: int

    @property
    def position_ns(self) -> int:
        """Event time up to which it has played."""

    @property
    def playing(self) -> bool:
        """Whether it is not paused."""

    @property
    def ended(self) -> bool:
        """Whether it has played to its end."""

    @property
    def speed(self) -> float | str:
        """Event seconds per wall second, or ``max``."""

    def play(self) -> None:
        """Go on."""

    def pause(self) -> None:
        """Hold."""

    def step(self, seconds: float = 1.0) -> None:
        """Play so much, and hold."""

    def set_speed(self, speed: Any) -> None:
        """Go on at another speed."""

    def seek(self, moment: int) -> float:
        """Go to a moment (ns)."""

    def follow(self) -> None:
        """Begin again if it is over and loops."""


class ReplayBar(View):
    """Time, play or pause, a step of a second, speed, and a slider over the minutes of the range.

    A page shows the market of one seek: after the next it loads itself again.

    Parameters
    ----------
    replay
        What is steered.
    """

    every_s = 0.25

    def __init__(self, replay: Replay) -> None:
        self.replay, self._generation = replay, replay.generation
        self._following = False
        small = {"size": "small", "margin": 0, "variant": "outlined", "sx": _SX}
        self.toggle = pmui.Button(label="Pause", on_click=self._toggle, width=64, height=28, **small)
        self.forward = pmui.Button(
            label="+1 s", on_click=lambda _: self._do(replay.step), width=52, height=28, **small
        )
        known = {**SPEEDS, f"{replay.speed:g}x": replay.speed} if isinstance(replay.speed, float) else SPEEDS
        self.speed = pmui.Select(
            options=known, value=replay.speed, width=84, margin=0, size="small", label="Speed",
            css_classes=["ws-speed"], stylesheets=[_SELECT],
        )  # fmt: skip
        minutes = max(-(-(replay.end_ns - replay.start_ns) // _MINUTE_NS) - 1, 1)
        self.slider = pmui.IntSlider(
            start=0, end=int(minutes), value=self._minute(), show_value=False, margin=0, size="small",
            sizing_mode="stretch_width", label="",
        )  # fmt: skip
        self._time = Markup(_CSS, sizing_mode=None, css_classes=["ws-at"])
        self._reload = Div(text="", visible=False)
        self._reload.js_on_change("text", CustomJS(code="window.location.reload()"))
        self.speed.param.watch(lambda event: self._do(replay.set_speed, event.new), "value")
        self.slider.param.watch(self._seek, "value_throttled")
        self.panel = pn.Row(
            self.toggle, self.forward, self.speed, self.slider, self._time.panel, pn.pane.Bokeh(self._reload, width=0),
            sizing_mode="stretch_width", height=HEIGHT, margin=0, css_classes=["ws-replay"], stylesheets=[_CSS],
        )  # fmt: skip
        self._show()

    def refresh(self, source: Source) -> None:
        """Say where it stands; load the page again where another seek has made another market."""
        self.replay.follow()
        if self.replay.generation != self._generation:
            self._reload.text = str(self.replay.generation)
            return
        self._show()

    def show_failure(self, reason: str) -> None:
        """Say it in place of the time."""
        if reason:
            self._time.show(f'<span class="failed" role="alert">{reason}</span>')

    def _show(self) -> None:
        moment = pd.Timestamp(self.replay.position_ns).strftime(
            '<span class="long">%d %b %Y </span><b>%H:%M:%S</b>'
        )
        state = "ended" if self.replay.ended else "playing" if self.replay.playing else "paused"
        self._time.show(
            f'<span class="at" role="timer">{moment}<span class="long"> UTC</span></span> <span class="state">{state}</span>'
        )
        self.toggle.label = "Pause" if state == "playing" else "Play"
        self._following = True
        self.slider.value = self._minute()
        self._following = False

    def _minute(self) -> int:
        return int(max(self.replay.position_ns - self.replay.start_ns, 0) // _MINUTE_NS)

    def _toggle(self, _: Any) -> None:
        self._do(self.replay.pause if self.toggle.label == "Pause" else self.replay.play)

    def _seek(self, event: Any) -> None:
        if not self._following and event.new is not None:
            self._do(self.replay.seek, self.replay.start_ns + int(event.new) * _MINUTE_NS)

    def _do(self, function: Any, *given: Any) -> None:
        """Steer; what cannot be done is said on the bar."""
        try:
            function(*given)
        except (WorkstationError, TimeoutError) as error:
            self.show_failure(str(error))
