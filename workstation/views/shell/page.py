"""The page every dashboard shares: header, choices in a drawer, value line, cards, status strip."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import CustomJS
from panel.util import edit_readonly
from tornado.ioloop import IOLoop

from workstation.views.shell.health import FeedStrip, MarketClock
from workstation.views.shell.server_patches import QUIET, install
from workstation.views.shell.session import PERIOD_MS, Live
from workstation.views.state.source import Source, View
from workstation.views.widgets.live_overlay import INSIDE_FRAME
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
DASHBOARDS = ("exposure", "surface", "spacetime", "portfolio", "health")
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
    "& .MuiDrawer-paper": {"backgroundImage": "none"},
}  # fmt: skip
_HEADER = f"""
:host {{ width: 100%; min-width: 0; flex: 1 1 100% !important; font-family: {FONT}; font-variant-numeric: tabular-nums; }}
.bar {{ display: flex; align-items: center; gap: 14px; color: {DARK.text}; font-size: 12px; white-space: nowrap; }}
nav {{ display: flex; gap: 2px; }}
nav a {{ color: {DARK.muted}; text-decoration: none; padding: 4px 10px; border-radius: 4px; }}
nav a:hover, nav a:focus-visible {{ background: {DARK.raised}; color: {DARK.text}; }}
nav a[aria-current] {{ color: {DARK.text}; background: {DARK.raised}; box-shadow: inset 0 -2px {DARK.accent}; }}
.right {{ margin-left: auto; display: flex; align-items: center; gap: 14px; }}
.clock b {{ font-size: 14px; }}
.clock span {{ color: {DARK.muted}; }}
.link {{ display: inline-flex; gap: 6px; align-items: center; }}
.link i {{ width: 8px; height: 8px; border-radius: var(--ws-link-radius, 50%); background: var(--ws-link-colour, {DARK.good}); }}
.link .on {{ display: var(--ws-link-on, inline); }}
.link .off {{ display: var(--ws-link-off, none); color: {DARK.warn}; font-weight: 700; }}
@media (max-width: 700px) {{
  .local, .link .on, .clock span {{ display: none; }} .bar, .right {{ gap: 8px; }} .right {{ flex: none; }}
  nav {{ overflow-x: auto; scrollbar-width: none; min-width: 0; flex: 1 1 0; padding-right: 14px;
    mask-image: linear-gradient(90deg, #000 calc(100% - 22px), transparent); }}
  nav a {{ padding: 9px 7px; }} nav a[aria-current] {{ order: -1; }}
}}
"""
_GRID_CSS = """
:host {{ display: grid !important; gap: 6px; padding: 6px; box-sizing: border-box; width: 100%; {wide} }}
:host > * {{ min-width: 0; }}
@media (min-width: 901px) {{ :host {{ height: calc(100vh - 40px); }} }}
@media (max-width: 900px) {{ :host {{ height: auto !important; flex: none !important; {narrow} }} }}
"""
_LATER = stylesheet(
    ":host(.ws-later) { background: var(--ws-card); border-radius: 6px; min-width: 0; overflow: hidden; }"
)
_FOOT_CSS = """
@media (min-width: 901px) { .ws-foot { position: sticky; bottom: 0; z-index: 4; background: var(--ws-page); padding: 2px 0; } }
"""
_CLOCK = """
const two = n => String(n).padStart(2, '0')
const show = () => {
  const now = new Date()
  const set = (name, text) => document.documentElement.style.setProperty(name, text)
  set('--ws-clock-utc', `"${two(now.getUTCHours())}:${two(now.getUTCMinutes())}:${two(now.getUTCSeconds())}"`)
  set('--ws-clock-local', `"${two(now.getHours())}:${two(now.getMinutes())}"`)
}
show(); window.workstationClock ??= setInterval(show, 1000)
"""
_STYLED = """
const style = document.createElement('style')
style.textContent = css
document.head.append(style)
"""
_LOST = """
const root = document.documentElement.style
const paint = on => {
  root.setProperty('--ws-link-colour', on ? '#5fd3a5' : '#ffce54')
  root.setProperty('--ws-link-radius', on ? '50%' : '0')
  root.setProperty('--ws-link-on', on ? 'inline' : 'none')
  root.setProperty('--ws-link-off', on ? 'none' : 'inline')
}
if (cb_obj.event_name === 'client_reconnected') {
  paint(true)
  clearTimeout(window.workstationReload); window.workstationReload = undefined
} else {
  paint(false)
  if ((cb_obj.attempts ?? 1) >= 1 && window.workstationReload === undefined) {
    const base = document.querySelector('base')?.href ?? location.href
    let wait = 500
    const poll = async () => {
      try {
        const answer = await fetch(new URL('liveness', base), {cache: 'no-store'})
        if (answer.ok) { location.reload(); return }
      } catch (error) { console.debug('the server is not back yet') }
      wait = Math.min(wait * 1.6, 15000)
      window.workstationReload = setTimeout(poll, wait * (0.5 + Math.random()))
    }
    window.workstationReload = setTimeout(poll, wait * (0.5 + Math.random()))
  }
}
"""


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
        """A place in the grid for the card of a view that is made once the page is up.

        What lies below the fold costs the first paint nothing. ``make`` gives a view with a ``card``.
        """
        colours = self.colours
        place = pn.Column(
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
            place.objects = [view.card.panel]
            return view  # type: ignore[no-any-return]

        self.live.add_later(fill)
        return place

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
                stylesheet(_GRID_CSS.format(wide=wide, narrow=narrow)),
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
        _forget_busy(page)
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
                CustomJS(code=QUIET),
                CustomJS(code=INSIDE_FRAME),
                CustomJS(args={"css": TOOLTIP_CSS}, code=_STYLED),
            )
        self.live.start()
        return page

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


def _forget_busy(page: pmui.Page) -> None:
    """Unwatch the process-wide busy state: setting the page's own value alone leaves the watcher where it is."""
    for watchers in pn.state.param.watchers.get("busy", {}).values():
        for watcher in list(watchers):
            if getattr(getattr(watcher.fn, "__self__", None), "self", None) is page:
                pn.state.param.unwatch(watcher)
    with edit_readonly(page):
        page.busy = False


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
