"""Changes to private parts of Panel, Bokeh and Tornado that pages need; nothing else in the views touches such parts.

Each patch names the library, the series of versions it was tested with, and the upstream issue. With another version it
is left out and a warning says what to do. Without the patches pages work, but open more slowly or use more memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

from bokeh.core.has_props import HasProps
from bokeh.settings import settings
from panel.custom import ReactiveESM
from panel.io.model import remove_root
from panel.io.server import DocHandler, per_app_patterns
from panel.io.state import state
from panel.pane import Bokeh as BokehPane
from panel.util import classproperty, edit_readonly
from tornado.web import StaticFileHandler

from workstation.views.widgets.assets import asset
from workstation.views.widgets.uploads import UPLOAD_LIMIT, UPLOAD_MARK


class Patch(NamedTuple):
    """A private part that is used or replaced.

    Attributes
    ----------
    library, series
        Distribution and the versions (``major.minor``) the patch was tested with.
    part
        The private part.
    why
        What goes wrong without it.
    issue
        The upstream issue, or that there is none.
    """

    library: str
    series: tuple[str, ...]
    part: str
    why: str
    issue: str


PATCHES: dict[str, Patch] = {
    "early head": Patch(
        "panel", ("1.9",), "panel.io.server.per_app_patterns",
        "the browser waits for the session before it loads scripts", "not reported upstream",
    ),
    "files before sessions": Patch(
        "tornado", ("6.5", "6.6"), "tornado.web.StaticFileHandler.get",
        "scripts are sent after the session is made", "not reported upstream",
    ),
    "defaults once": Patch(
        "bokeh", ("3.9",), "HasProps._overridden_defaults",
        "the overridden defaults of a class are collected again for each model",
        "https://github.com/bokeh/bokeh/pull/15322, in Bokeh 3.10: then delete this patch",
    ),
    "bundle once": Patch(
        "panel", ("1.9",), "ReactiveESM._bundle_path",
        "the file of a component's bundle is looked up again for each widget", "not reported upstream",
    ),
    "less painting": Patch(
        "bokeh", ("3.9",), "BokehJS InlineStyleSheet._update, GlyphRendererView.update_position, _get_css_value",
        "every paint computes the styles of the page again", "https://github.com/bokeh/bokeh/issues/15286",
    ),
    "overlay clipping": Patch(
        "bokeh", ("3.9",), "BokehJS GlyphRendererView.needs_clip",
        "a candle that is moved out of view is painted over the axis", "not reported upstream",
    ),
    "touch scroll": Patch(
        "bokeh", ("3.9",), "BokehJS PlotView._update_touch_action",
        "a swipe over a chart moves the chart and never scrolls the page", "not reported upstream",
    ),
    "upload limit": Patch(
        "bokeh", ("3.9",), "BokehJS FileInputView._read_file",
        "a file that is too large ends the page's connection without a word", "not reported upstream",
    ),
    "busy watcher": Patch(
        "panel-material-ui", ("0.16",), "Page's watcher on panel.state.busy",
        "the document of an ended session is never freed", "not reported upstream; kin of "
        "https://github.com/holoviz/panel/issues/8605",
    ),
    "figure pane": Patch(
        "panel", ("1.9",), "panel.pane.Bokeh._get_model",
        "all models of a figure are searched twice for every session", "not reported upstream",
    ),
}  # fmt: skip


@cache
def usable(name: str) -> bool:
    """Whether the installed library is of a series the patch was tested with; warns once where it is not.

    Examples
    --------
    >>> usable("figure pane")
    True
    """
    patch = PATCHES[name]
    installed = version(patch.library)
    series = ".".join(installed.split(".")[:2])
    if series in patch.series:
        return True
    warnings.warn(
        f"{patch.library} {installed} is installed, but {patch.part} was patched for {', '.join(patch.series)} only. "
        f"The patch is left out: {patch.why}. Install a tested version, or run tests/unit/views/test_server_patches.py "
        f"and tests/browser with this one and add {series!r} to PATCHES[{name!r}]. Upstream: {patch.issue}.",
        RuntimeWarning,
        stacklevel=2,
    )
    return False


LESS_PAINTING = asset(__package__, "less_painting.js") if usable("less painting") else ""
"""Script that spares BokehJS work at every paint; empty where it is not usable."""
OVERLAY_CLIPPING = asset(__package__, "overlay_clipping.js") if usable("overlay clipping") else ""
"""Script that clips overlays to the frame; empty where it is not usable."""
TOUCH_SCROLL = asset(__package__, "touch_scroll.js") if usable("touch scroll") else ""
"""Script that lets vertical swipes over charts scroll the page; empty where it is not usable."""

UPLOAD_SCRIPT = (
    asset(__package__, "upload_limit.js")
    .replace("UPLOAD_LIMIT", str(UPLOAD_LIMIT))
    .replace("UPLOAD_MARK", UPLOAD_MARK)
    if usable("upload limit")
    else ""
)
"""Script that sends the size of a file instead of the file where it is too large; empty where it is not usable."""


def install(page_handler: type[DocHandler], counted: Callable[[Any], Any]) -> None:
    """Serve pages by ``page_handler`` and files by a ``counted`` handler; compute per class what depends on it alone.

    Does nothing when it was done before.
    """
    if any(pattern[1] is page_handler for pattern in per_app_patterns):
        return
    if usable("early head"):
        for index, (route, handler) in enumerate(per_app_patterns):
            if handler is DocHandler:
                per_app_patterns[index] = (route, page_handler)
    if usable("files before sessions"):
        StaticFileHandler.get = counted(StaticFileHandler.get)  # type: ignore[method-assign]
    # The tests check documents; here the check would cost every session.
    settings.perform_document_validation.set_value(False)
    if usable("defaults once"):
        HasProps._overridden_defaults = _once(HasProps._overridden_defaults.__func__, classmethod)
    if usable("bundle once"):
        ReactiveESM._bundle_path = _once(ReactiveESM.__dict__["_bundle_path"].f, classproperty)


def _once(of_class: Callable[[type], Any], kind: Callable[[Any], Any]) -> Any:
    return kind(lru_cache(maxsize=None)(of_class))


def forget_busy(page: Any) -> None:
    """Remove a Material page's watcher on the busy state of the process.

    The watcher keeps each session's document alive and makes every session pay for all others. To set the page's own
    ``busy`` alone leaves it in place.
    """
    if not usable("busy watcher"):
        return
    for watchers in state.param.watchers.get("busy", {}).values():
        for watcher in list(watchers):
            if getattr(getattr(watcher.fn, "__self__", None), "self", None) is page:
                state.param.unwatch(watcher)
    with edit_readonly(page):
        page.busy = False


class FigurePane(BokehPane):
    """A figure's pane that does not search all models of the figure, as Panel's pane does twice.

    Only in a document with ``own_theme``: there no model names the page's root, and the document's theme replaces the
    one that Panel would apply.
    """

    own_theme: Any = None

    def _get_model(self, doc: Any, root: Any = None, parent: Any = None, comm: Any = None) -> Any:
        plain = root is None or comm is not None or doc.theme is not self.own_theme
        if plain or not usable("figure pane"):
            return super()._get_model(doc, root, parent, comm)
        if self.object.document not in (None, doc):
            remove_root(self.object, doc)
        self._models[root.ref["id"]] = (self.object, parent)
        return self.object
