"""How a page is opened: the browser reads its scripts while the server makes the session.

A page's head hangs on its address alone, its body on a session of some tenths of a second. Both at once would have the
browser wait for the session, and then the session for two megabytes of scripts to be run.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache, wraps
from html import escape
from typing import Any

from bokeh.core.has_props import HasProps
from bokeh.settings import settings
from panel.config import config
from panel.custom import ReactiveESM
from panel.io.server import DocHandler, per_app_patterns
from panel.util import classproperty
from tornado.web import StaticFileHandler

from workstation.views.widgets.theme import palette

_ASKED_S, _NEXT_S, _FETCHED_S = 0.05, 0.02, 0.4
"""How long a browser is waited for that asks for scripts: the first, the next, and all of them."""
QUIET = """
// At every paint every renderer writes its place into a style sheet of its own, and the next to read a colour makes
// the browser work out the styles of the page again. Nothing here hangs on the place of a glyph, or on an equal one,
// and no style sheet sets the colour of a glyph or an axis.
const {InlineStyleSheet} = Bokeh.require('core/dom')
InlineStyleSheet.prototype._update = function (css) { if (this.el.textContent !== css) this.el.textContent = css }
Bokeh.require('models/renderers/glyph_renderer').GlyphRendererView.prototype.update_position = () => {}
Bokeh.require('core/visuals/visual').VisualProperties.prototype._get_css_value = () => ''
"""
"""What BokehJS is spared at every paint."""
_BEGIN = re.compile(r".*?<head\b[^>]*>", re.DOTALL)
_SCRIPT = re.compile(r"<script\b[^>]*>.*?</script>", re.DOTALL)


class Head:
    """The part of a page that is sent before its session is made.

    Examples
    --------
    >>> page = '<html><head><title>t</title><script src="a.js"></script></head><body><script>own()</script></body></html>'
    >>> head = Head(page, modules=["./m.js"])
    >>> head.scripts
    ['<script src="a.js"></script>']
    >>> head.rest(page)
    '<title>t</title></head><body><script>own()</script></body></html>'
    """

    def __init__(self, page: str, modules: list[str]) -> None:
        begin = _BEGIN.match(page)
        self.begin = begin[0] if begin else "<!DOCTYPE html><html><head>"
        inside = page.partition("</head>")[0]
        self.scripts = _SCRIPT.findall(inside)
        self._modules = modules

    def text(self, background: str) -> str:
        """What is sent first; ``background`` is the page's until it has a body."""
        modules = "".join(f"importShim({module!r});" for module in self._modules)
        preloads = "".join(
            f'<link rel="preload" as="fetch" crossorigin href="{module}">' for module in self._modules
        )
        return (
            f'{self.begin}<meta charset="utf-8"><style>html:not(:has(body)) {{ background: {escape(background)} }}</style>'
            f"{preloads}{''.join(self.scripts)}<script>{{{modules}{QUIET}}}</script>"
        )

    def rest(self, page: str) -> str:
        """The page without what is sent first."""
        rest = _BEGIN.sub("", page, count=1)
        for script in self.scripts:
            rest = rest.replace(script, "", 1)
        return rest


class Fetches:
    """Files browsers fetch: while a session is made no other request is served, so they are served before.

    A browser that has been here has them all and asks for none.
    """

    def __init__(self) -> None:
        self._under_way, self._last_s = 0, -math.inf

    def counted(self, get: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """A handler's ``get`` that is counted while it is under way."""

        @wraps(get)
        async def counting(*args: Any, **kwargs: Any) -> None:
            self._under_way += 1
            try:
                await get(*args, **kwargs)
            finally:
                self._under_way -= 1
                self._last_s = time.monotonic()

        return counting

    async def settle(self) -> None:
        """Wait until files that are asked for from now on are sent."""
        begun = time.monotonic()
        while (now := time.monotonic()) - begun < _FETCHED_S:
            await asyncio.sleep(0.005)
            quiet_from = (
                max(begun + _ASKED_S, self._last_s + _NEXT_S)
                if self._last_s < begun
                else self._last_s + _NEXT_S
            )
            if not self._under_way and now > quiet_from:
                return


_FETCHES = Fetches()
_HEADS: dict[str, Head] = {}
"""By address: learned from the first page that was sent."""


class OpeningHandler(DocHandler):  # type: ignore[misc]
    """Sends the head of a page it has sent before, gives the browser time to fetch the scripts, then makes the session."""

    _head: Head | None = None

    async def get_session(self) -> Any:
        """The session of the page."""
        if self.request.path in _HEADS and not config.authorize_callback:
            self._head = _HEADS[self.request.path]
            super().write(self._head.text(palette(self.get_query_argument("theme", "dark") == "dark").page))
            await self.flush()
            await _FETCHES.settle()
        session = await super().get_session()
        self._modules = list(
            dict.fromkeys(
                model.esm for model in session.document.roots if getattr(model, "bundle", "") == "url"
            )
        )
        return session

    def write(self, chunk: Any) -> None:
        """Write the page, or what is left of it."""
        if self._head is not None:
            chunk = self._head.rest(chunk)
        elif self.get_status() == 200:
            _HEADS[self.request.path] = Head(chunk, self._modules)
        super().write(chunk)


def install() -> None:
    """Open every page so, and look up only once what hangs on a class: its overridden defaults, its bundle's file."""
    if any(pattern[1] is OpeningHandler for pattern in per_app_patterns):
        return
    for place, (route, handler) in enumerate(per_app_patterns):
        if handler is DocHandler:
            per_app_patterns[place] = (route, OpeningHandler)
    StaticFileHandler.get = _FETCHES.counted(StaticFileHandler.get)  # type: ignore[method-assign]
    # Documents are proved sound by the tests; here the check would cost every session.
    settings.perform_document_validation.set_value(False)
    HasProps._overridden_defaults = _once(HasProps._overridden_defaults.__func__, classmethod)  # type: ignore[attr-defined]
    ReactiveESM._bundle_path = _once(ReactiveESM.__dict__["_bundle_path"].f, classproperty)


def _once(of_class: Callable[[type], Any], kind: Callable[[Any], Any]) -> Any:
    return kind(lru_cache(maxsize=None)(of_class))
