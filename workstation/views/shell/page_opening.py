"""How a page is opened: the browser reads its scripts while the server makes the session.

The head of a page depends on its address alone; its body needs a session, which takes some tenths of a second. Sent
together, the browser would wait for the session before it loads two megabytes of scripts.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any

import panel_material_ui
from panel.config import config
from panel.io.server import DocHandler

from workstation.views.shell import server_patches
from workstation.views.shell.page_policy import marked, new_nonce, policy
from workstation.views.shell.server_patches import LESS_PAINTING, TOUCH_SCROLL
from workstation.views.widgets.theme import palette

_ASKED_S, _NEXT_S, _FETCHED_S = 0.05, 0.02, 0.4
"""How long to wait for a browser that asks for scripts: the first, the next, and all of them."""
_FONTS = {
    weight: next(
        (Path(panel_material_ui.__file__).parent / "dist").glob(f"roboto-latin-{weight}-normal-*.woff2"), None
    )
    for weight in ("400", "700")
}
"""The page's fonts by weight: a plot that is drawn before they are there measures its labels by another."""
_FONT = "{{const face = new FontFace('Roboto', 'url({url})', {{weight: '{weight}'}}); document.fonts.add(face); face.load().catch(console.debug)}}"
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
        """The part that is sent first; ``background`` is the colour of the page until it has a body."""
        modules = "".join(f"importShim({module!r});" for module in self._modules)
        preloads = "".join(
            f'<link rel="preload" as="fetch" crossorigin href="{module}">' for module in self._modules
        )
        return (
            f'{self.begin}<meta charset="utf-8"><style>html:not(:has(body)) {{ background: {escape(background)} }}</style>'
            f"<script>{self._font_script()}</script>{preloads}{''.join(self.scripts)}<script>{{{modules}{LESS_PAINTING}{TOUCH_SCROLL}}}</script>"
        )

    def _font_script(self) -> str:
        """Loads the fonts, which lie beside the module of the page's widgets."""
        folders = [
            module.rpartition("/")[0] for module in self._modules if "/panel-material-ui.bundle.js" in module
        ]
        return "".join(
            _FONT.format(url=f"{folders[0]}/{path.name}", weight=weight)
            for weight, path in _FONTS.items()
            if folders and path is not None
        )

    def rest(self, page: str) -> str:
        """The page without what is sent first."""
        rest = _BEGIN.sub("", page, count=1)
        for script in self.scripts:
            rest = rest.replace(script, "", 1)
        return rest


class Fetches:
    """Requests for files that are under way: they are served before a session is made, which blocks all others.

    A browser that has the files already asks for none.
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
        """Wait until the files that are requested from now on are sent."""
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
"""By address, from the first page that was sent."""


class OpeningHandler(DocHandler):
    """Sends the head of a page it has sent before, gives the browser time to fetch the scripts, then makes the session."""

    _head: Head | None = None

    def prepare(self) -> Any:
        """Say which scripts may run."""
        self._nonce = new_nonce()
        self.set_header("Content-Security-Policy", policy(self._nonce))
        return super().prepare()

    async def get_session(self) -> Any:
        """The session of the page."""
        if self.request.path in _HEADS and not config.authorize_callback:
            self._head = _HEADS[self.request.path]
            head = self._head.text(palette(self.get_query_argument("theme", "dark") == "dark").page)
            super().write(marked(head, self._nonce))
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
        super().write(marked(chunk, self._nonce) if isinstance(chunk, str) else chunk)


def install() -> None:
    """Open every page this way, with the patches of ``server_patches``; does nothing the second time."""
    server_patches.install(OpeningHandler, _FETCHES.counted)
