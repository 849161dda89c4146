"""The page every dashboard shares: header, choices in a drawer, value line, cards, status strip."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import asdict
from html import escape
from string import Template
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import CustomJS
from panel.io.resources import get_dist_path
from tornado.ioloop import IOLoop

from workstation.views.shell.health import FeedStrip, MarketClock
from workstation.views.shell.page_opening import install
from workstation.views.shell.replay_bar import HEIGHT as REPLAY_HEIGHT
from workstation.views.shell.replay_bar import ReplayBar
from workstation.views.shell.server_patches import (
    LESS_PAINTING,
    OVERLAY_CLIPPING,
    TOUCH_SCROLL,
    UPLOAD_SCRIPT,
    forget_busy,
)
from workstation.views.shell.session import PERIOD_MS, Live
from workstation.views.state.source import Source, View
from workstation.views.widgets.assets import asset
from workstation.views.widgets.theme import (
    BOKEH,
    DARK,
    FONT,
    THEME_CONFIG,
    TOOLTIP_CSS,
    Palette,
    palette,
    stylesheet,
)

PRODUCT = "workstation"
DASHBOARDS = ("exposure", "surface", "spacetime", "flow", "portfolio", "health")
"""Routes of the dashboards, as the switcher offers them."""

_SX = {
    "& .MuiToolbar-root": {"minHeight": "40px !important", "px": "10px !important", "m": "0 !important"},
    "& .MuiAppBar-root": {
        "bgcolor": f"{DARK.card} !important",
        "color": f"{DARK.text} !important",
        "boxShadow": "none",
        "borderBottom": f"1px solid {DARK.line}",
        "backgroundImage": "none",
    },
    "& .MuiToolbar-root > .MuiBox-root:last-of-type": {"minWidth": 0, "flex": "1 1 0", "overflow": "hidden"},
    "& .MuiToolbar-root > .MuiBox-root:last-of-type > *": {"flex": "1 1 auto", "minWidth": 0},
    "& .MuiToolbar-root > .MuiBox-root:last-of-type > *:not(:first-of-type)": {"flex": "none"},
    "& .MuiAppBar-root .title": {"fontSize": "15px", "letterSpacing": ".02em", "color": f"{DARK.text} !important", "mr": "8px", "flex": "none !important"},
    "@media (max-width: 700px)": {"& .MuiAppBar-root .title": {"fontSize": "0 !important", "mr": "0"}},
    "& .main": {"bgcolor": "var(--mui-palette-background-default)"},
    "& .main-content": {"overflowY": "auto !important"},
    "& .MuiIconButton-root": {"p": "6px", "mr": "4px"},
    "& .MuiLinearProgress-root": {"display": "none"},
}  # fmt: skip
_HEADER = Template(asset(__package__, "page_header.css")).substitute(asdict(DARK), font=FONT)
_GRID_CSS = Template(asset(__package__, "page_grid.css"))
_LATER = stylesheet(
    ":host(.ws-later) { background: var(--ws-card); border-radius: 6px; min-width: 0; overflow: hidden; }"
)
_FOOT_CSS = """
@media (min-width: 901px) { .ws-foot { position: sticky; bottom: 0; z-index: 4; background: var(--ws-page); padding: 2px 0; } }
"""
_CLOCK = asset(__package__, "clock.js")
_STYLED = asset(__package__, "page_style.js")
_LOST = asset(__package__, "connection.js")
_LOST_CSS = asset(__package__, "lost.css")
_ADDRESS = asset(__package__, "address.js")
_NAVIGATION = asset(__package__, "navigation.js")
_TOUCH_NOW = "for (const view of Bokeh.index.query?.(view => view._update_touch_action) ?? []) view._update_touch_action()"
"""Charts made before the script of ``TOUCH_SCROLL`` ran take it up."""


class Page:
    """A dashboard's page over one source.

    Parameters
    ----------
    title
        Name of the dashboard: its route.
    source, report, period_ms
        See ``Live``.
    dashboards
        Routes of all dashboards, for the switcher.

    Notes
    -----
    Panel's Material page watches the process-wide busy state; that watcher keeps each session's document alive for
    ever and makes every session pay for all others. The page gives it up.
    """

    def __init__(
        self,
        title: str,
        source: Source,
        dashboards: Sequence[str] = DASHBOARDS,
        report: Callable[[Any], None] | None = None,
        period_ms: int = PERIOD_MS,
    ) -> None:
        install()
        pn.extension(reconnect=True)
        self.title = title
        self.dark = _asked_for("theme", "dark") == "dark"
        self.live = Live(source, report, period_ms)
        self._dashboards = tuple(dashboards)
        self._header = pn.pane.HTML(
            _header_html(title, dashboards),
            stylesheets=[_HEADER],
            sizing_mode="stretch_width",
            margin=0,
        )
        self.strip = FeedStrip()
        self.clock = MarketClock(lambda replayed: self._head(replayed))
        self.live.add(self.strip)
        self.live.add(self.clock)
        replay = getattr(source, "replay", None)
        self.bar = None if replay is None else ReplayBar(replay)
        if self.bar is not None:
            self.live.add(self.bar)

    def _head(self, replayed: bool) -> None:
        self._header.object = _header_html(self.title, self._dashboards, own_clock=not replayed)

    @property
    def colours(self) -> Palette:
        """The palette of the session's theme."""
        return palette(self.dark)

    def add(self, *views: View) -> None:
        """Keep these views live."""
        for view in views:
            self.live.add(view)

    def later(self, make: Callable[[], Any], area: str) -> pn.Column:
        """A slot of the grid for the card of a view that is made once the page is up.

        What lies below the fold costs the first paint nothing. ``make`` gives a view with a ``card``.
        """
        colours = self.colours
        slot = pn.Column(
            pn.Spacer(),
            sizing_mode="stretch_both",
            margin=0,
            css_classes=["ws-later"],
            stylesheets=[_LATER],
            styles={"grid-area": area},
        )

        def fill() -> View:
            view: Any = make()
            if self.colours is not colours:
                view.repaint(self.colours)
            slot.objects = [view.card.panel]
            return view  # type: ignore[no-any-return]

        self.live.add_later(fill)
        return slot

    def grid(self, cards: Sequence[Any], wide: str, narrow: str, tall: bool = False) -> pn.Column:
        """Cards in a CSS grid: ``wide`` and ``narrow`` are grid declarations (template areas, rows, columns).

        A ``tall`` page goes on below the fold on a desk; its last card stays at the foot of the window.
        """
        if tall:
            cards[-1].css_classes = [*cards[-1].css_classes, "ws-foot"]
            wide = f"height: auto !important; flex: none !important; {wide}"
        return pn.Column(
            *cards,
            stylesheets=[
                stylesheet(_GRID_CSS.substitute(wide=wide, narrow=narrow)),
                *([_FOOT_CSS] if tall else []),
            ],
            sizing_mode="stretch_both",
            margin=0,
        )

    @staticmethod
    def area(viewable: Any, name: str) -> Any:
        """A panel put into a named area of the grid."""
        viewable.styles = {**viewable.styles, "grid-area": name}
        return viewable

    def build(self, main: Any, drawer: Sequence[Any] = (), aside: Sequence[Any] = ()) -> pmui.Page:
        """The page with its timer started.

        ``drawer`` holds the choices (left), ``aside`` what explains (right); both are closed at first.
        """
        document = pn.state.curdoc
        if document is not None:
            document.theme = BOKEH
            # Panel sets it when the page is written; models made or changed before would ask its CDN for their styles
            document.template_variables["dist_url"] = get_dist_path(cdn=False)
        if self.bar is not None:
            main = pn.Column(
                self.bar.panel,
                main,
                sizing_mode="stretch_both",
                margin=0,
                styles={"--ws-above": f"{REPLAY_HEIGHT}px"},
            )
        page = pmui.Page(
            title=PRODUCT,
            meta_title=f"{PRODUCT} · {self.title}",
            main=[main],
            header=[self._header, self.clock.panel],
            sidebar=list(drawer),
            sidebar_open=False,
            sidebar_variant="temporary",
            sidebar_resizable=False,
            sidebar_width=300,
            contextbar=list(aside),
            contextbar_width=420,
            busy_indicator=None,
            dark_theme=self.dark,
            theme_config=THEME_CONFIG,
            sx=_SX,
            site_url=f"./{self.title}",
        )
        forget_busy(page)
        self._shell = page
        page.param.watch(self._toggled, "dark_theme")
        if document is not None:
            lost = CustomJS(code=_LOST)
            document.js_on_event("connection_lost", lost)
            document.js_on_event("client_reconnected", lost)
            document.on_session_destroyed(_collect_soon)
            document.js_on_event(
                "document_ready",
                CustomJS(code=_CLOCK),
                CustomJS(code=LESS_PAINTING),
                CustomJS(code=OVERLAY_CLIPPING),
                CustomJS(code=TOUCH_SCROLL and TOUCH_SCROLL + _TOUCH_NOW),
                CustomJS(code=UPLOAD_SCRIPT),
                CustomJS(code=_ADDRESS),
                CustomJS(code=_NAVIGATION),
                CustomJS(args={"css": TOOLTIP_CSS + _LOST_CSS}, code=_STYLED),
            )
        self.live.start()
        return page

    def open_drawer(self, *_: Any) -> None:
        """Open the drawer of choices; a click's handler."""
        if self._shell is not None:
            self._shell.sidebar_open = True

    def open_aside(self, *_: Any) -> None:
        """Open what explains; a click's handler.

        A link in the browser (``js_on_click`` with the page among its arguments) would keep the session's document
        for ever: Panel's registry of links holds their arguments, and through them the link's own source.
        """
        if self._shell is not None:
            self._shell.contextbar_open = True

    def _toggled(self, event: param.parameterized.Event) -> None:
        self.dark = bool(event.new)
        if pn.state.location is not None:
            pn.state.location.update_query(theme="dark" if self.dark else "light")
        self.live.repaint(self.colours)


_collecting = False
_COLLECT_S = 1.0


def _collect_soon(_: Any) -> None:
    """Have the ended session's models collected once nothing holds them: they hang together in circles."""
    global _collecting
    if not _collecting:
        _collecting = True
        IOLoop.current().call_later(_COLLECT_S, _collect)


def _collect() -> None:
    global _collecting
    _collecting = False
    gc.collect()


def _asked_for(name: str, default: str) -> str:
    values = pn.state.session_args.get(name) if pn.state.session_args else None
    return values[0].decode() if values else default


def _header_html(title: str, dashboards: Sequence[str], own_clock: bool = True) -> str:
    links = "".join(
        f'<a href="./{escape(name)}"{" aria-current=page" if name == title else ""}>{escape(name)}</a>'
        for name in dashboards
    )
    clock = (
        '<span class="clock"><b class="utc"></b> <span>UTC</span></span>'
        '<span class="clock local"><b class="here"></b> <span>local</span></span>'
    )
    return (
        f'<div class="bar"><nav aria-label="dashboards">{links}</nav><div class="right">'
        '<span class="link" role="status"><i></i><span class="on">connected</span><span class="off">reconnecting</span></span>'
        f"{clock if own_clock else ''}</div></div>"
        "<style>.utc::before{content:var(--ws-clock-utc)} .here::before{content:var(--ws-clock-local)}</style>"
    )
