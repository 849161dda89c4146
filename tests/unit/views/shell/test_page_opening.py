"""A page's head is sent first and its rest once; what is looked up once is what was looked up each time."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import panel as pn
import panel_material_ui
import pytest
from bokeh.document import Document
from bokeh.model import Model
from bokeh.models import CustomJS
from panel.custom import ReactiveESM

from workstation.views.shell import page_opening as opening
from workstation.views.shell.page_opening import Fetches, Head
from workstation.views.widgets.figure import FigurePane, pane
from workstation.views.widgets.theme import BOKEH, DARK, Painter, bare_figure

PAGE = """
<!DOCTYPE html>
<html lang="en">
  <head>
    <title>one</title>
    <link rel="stylesheet" href="look.css">
<script type="esms-options">{"shimMode": true}</script>
<script type="text/javascript" src="bokeh.js?v=1"></script>
  </head>
  <body><script>embed("a token")</script></body>
</html>"""


def test_every_script_of_the_head_is_sent_once_and_first() -> None:
    head = Head(PAGE, ["./module.js?1"])
    text, rest = head.text("#000"), head.rest(PAGE.replace("a token", "another"))
    assert text.strip().startswith("<!DOCTYPE html>")
    assert text.index("esms-options") < text.index("bokeh.js") < text.index("importShim('./module.js?1')")
    assert (text + rest).count("bokeh.js") == 1
    assert (text + rest).count("<head>") == 1
    assert "look.css" not in text, "styles hang on the theme"
    assert 'embed("another")' in rest and "embed" not in text


def test_fonts_are_loaded_from_beside_the_widgets_before_the_scripts() -> None:
    text = Head(PAGE, ["./ext/panel-material-ui.bundle.js?v=1"]).text("#000")
    for weight in ("400", "700"):
        found = re.search(rf"url\(\./ext/(roboto-latin-{weight}-normal-\w+\.woff2)\)", text)
        assert found and found.start() < text.index("bokeh.js")
        assert (Path(panel_material_ui.__file__).parent / "dist" / found[1]).exists()
    assert "FontFace" not in Head(PAGE, ["./module.js"]).text("#000")


def test_a_page_with_other_scripts_keeps_them() -> None:
    rest = Head(PAGE, []).rest(PAGE.replace("bokeh.js?v=1", "bokeh.js?v=2"))
    assert "bokeh.js?v=2" in rest


def test_files_asked_for_are_sent_before_a_session_is_made() -> None:
    fetches, told = Fetches(), []

    async def get() -> None:
        await asyncio.sleep(0.06)
        told.append("file")

    async def opened() -> None:
        asking = asyncio.get_running_loop().create_task(fetches.counted(get)())
        await fetches.settle()
        told.append("session")
        await asking

    asyncio.run(opened())
    assert told == ["file", "session"]


def test_what_is_looked_up_once_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def defaults(model: type[Model]) -> dict[str, object]:
        found: dict[str, object] = {}
        for kind in reversed(model.__mro__):
            found |= getattr(kind, "__overridden_defaults__", {})
        return found

    opening.install()
    models = list(Model.model_class_reverse_map.values())
    assert len(models) > 300
    assert all(model._overridden_defaults() == defaults(model) for model in models)
    assert ReactiveESM._bundle_path is None


def test_a_figure_on_our_page_is_what_panel_makes_of_it() -> None:
    made = []
    for kind in (pn.pane.Bokeh, FigurePane):
        figure = bare_figure(Painter(DARK), height=100)
        figure.line([1, 2], [3, 4])
        figure.x_range.js_on_change("end", CustomJS(code="1"))
        shown = pane(figure)
        shown = (
            shown if kind is FigurePane else pn.pane.Bokeh(figure, sizing_mode="stretch_both", min_height=150)
        )
        document = Document()
        document.theme = BOKEH
        pn.Column(shown).server_doc(document, location=False)
        made.append(
            sorted(
                (type(model).__name__, repr(sorted(_plain(model).items()))) for model in figure.references()
            )
        )
    assert made[0] == made[1]


def _plain(model: Model) -> dict[str, object]:
    values = model.properties_with_values(include_defaults=False)
    return {name: value for name, value in values.items() if isinstance(value, str | int | float | None)}
