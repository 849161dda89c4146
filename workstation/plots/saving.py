"""Elements as files: a PNG or SVG picture, or an HTML page that needs nothing from outside."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import holoviews as hv
from bokeh.embed import file_html
from bokeh.models import Plot
from bokeh.resources import INLINE

from workstation.plots.style import make_ready

FORMATS = (".html", ".png", ".svg")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=20000",
)  # fmt: skip
_PATIENCE_S = 120.0
_TOOLBAR = 40
"""Room for the toolbar of a layout, pixels."""
_OUTSIDE = re.compile(r'<script src="[^"]*"></script>\s*|<link rel="stylesheet" href="[^"]*"[^>]*>\s*')
"""Scripts and styles of Panel's own components that this process has loaded, which no plot needs and no file brings along."""
_BEGIN, _END = "SVG-BEGINS:", ":SVG-ENDS"
_SVG = Path(__file__).with_name("export_svg.js").read_text(encoding="utf-8")


def save(
    element: Any, path: str | Path, *, width: int = 900, height: int | None = None, scale: float = 2.0
) -> Path:
    """Write an element, overlay or layout to a file; the ending of its name says as what.

    Parameters
    ----------
    element
        Any HoloViews object; a DynamicMap as it is now.
    path
        ``.png``, ``.svg`` or ``.html``. The page has its scripts inside and works offline.
    width, height
        Pixels; the height by default that of the element. Of a layout: of each of its plots.
    scale
        Pixels of a PNG per pixel of the plot.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        Another ending.
    RuntimeError
        A picture is wanted and there is no browser to draw it; says what to install.
    """
    target = Path(path)
    kind = target.suffix.lower()
    if kind not in FORMATS:
        raise ValueError(
            f"{target.name}: cannot write {kind or 'a file without an ending'}; choose of {', '.join(FORMATS)}"
        )
    make_ready()
    page, size = _page(element, width, height, svg=kind == ".svg")
    if kind == ".html":
        target.write_text(page, encoding="utf-8")
    elif kind == ".png":
        _png(page, size, scale, target)
    else:
        target.write_text(_svg(page, size), encoding="utf-8")
    return target


def _page(element: Any, width: int, height: int | None, *, svg: bool) -> tuple[str, tuple[int, int]]:
    """A page of the element at a size of its own, and a size that holds it."""
    plot = hv.renderer("bokeh").get_plot(element)
    model = plot.state
    figures = list(model.select({"type": Plot}))
    for figure in figures:
        figure.update(sizing_mode=None, width=width, height=height or figure.height or 340)
        if svg:
            figure.output_backend = "svg"
    if not isinstance(model, Plot):
        model.update(sizing_mode=None)
        if getattr(model, "toolbar", None) is not None:
            model.toolbar.logo = None
    across, tall = _grid(model, figures)
    page = file_html(model, INLINE, title="workstation", suppress_callback_warning=True)
    room = 0 if isinstance(model, Plot) else _TOOLBAR
    plot.cleanup()  # a live element is not followed for a file
    page = _OUTSIDE.sub("", page)
    behind = next((figure.border_fill_color for figure in figures if figure.border_fill_color), "white")
    return page.replace("<body>", f'<body style="margin:0;background:{behind}">'), (
        width * across + room,
        tall + room,
    )


def _grid(model: Any, figures: list[Any]) -> tuple[int, int]:
    """Columns of plots, and the height of all rows."""
    children = getattr(model, "children", None)
    if not children or not isinstance(children[0], tuple | list):
        return 1, sum(figure.height for figure in figures)
    rows: dict[int, int] = {}
    for child, row, _ in (place[:3] for place in children):
        rows[row] = max(rows.get(row, 0), getattr(child, "height", None) or 0)
    return max(place[2] for place in children) + 1, sum(rows.values())


def _browser() -> str:
    named = os.environ.get("WORKSTATION_CHROMIUM", "")
    found = named or next(filter(None, map(shutil.which, _BROWSERS)), "")
    if not found or shutil.which(found) is None:
        raise RuntimeError(
            f"a picture needs a browser to draw it, and {named or 'none'} was found: install chromium, or name one by "
            "WORKSTATION_CHROMIUM, or save as .html"
        )
    return found


def _run(page: str, size: tuple[int, int], *options: str) -> bytes:
    """What the browser prints when it opens a page without a window."""
    browser = _browser()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plot.html"
        file.write_text(page, encoding="utf-8")
        command = [
            browser, *_FLAGS, f"--user-data-dir={folder}/profile", f"--window-size={size[0]},{size[1]}", *options, file.as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{browser} did not draw the picture within {_PATIENCE_S:g} s") from error
    if done.returncode:
        raise RuntimeError(
            f"{browser} did not draw the picture: {done.stderr.decode(errors='replace')[-300:].strip()}"
        )
    return done.stdout


def _png(page: str, size: tuple[int, int], scale: float, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "plot.png"
        _run(
            page, size, f"--screenshot={shot}", f"--force-device-scale-factor={scale:g}", "--hide-scrollbars"
        )
        if not shot.is_file():
            raise RuntimeError("the browser wrote no picture; save as .html to see the plot")
        shutil.move(shot, target)


def _svg(page: str, size: tuple[int, int]) -> str:
    """The plots of a page as one SVG."""
    printed = _run(page.replace("</body>", f"<script>{_SVG}</script></body>"), size, "--dump-dom").decode()
    start, end = printed.find(_BEGIN), printed.find(_END)
    if start < 0 or end < 0:
        raise RuntimeError("the browser gave no SVG; save as .html or .png")
    parts = json.loads(base64.b64decode(printed[start + len(_BEGIN) : end]).decode())
    inner = "".join(
        part["svg"].replace("<svg ", f'<svg x="{part["x"]:.0f}" y="{part["y"]:.0f}" ', 1) for part in parts
    )
    if len(parts) == 1:
        return str(parts[0]["svg"])
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}">{inner}</svg>'
