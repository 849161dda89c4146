"""The vol market: smiles with bid, ask and fit, the surface, term structure, skew, and what is wrong with them."""

from functools import partial

import panel_material_ui as pmui

from workstation.process import shared_desk
from workstation.views.shell.page import Page
from workstation.views.surface.choice import SurfaceChoice
from workstation.views.surface.views import LATER, SurfaceViews

desk = shared_desk()
page = Page("surface", desk.board, report=desk.report, period_ms=desk.settings.server.period_ms)
views = SurfaceViews(desk.board, SurfaceChoice(), page.colours)
views.follow_choices(page.live)
page.add(*views.first)

explain = pmui.Button(
    label="How was this made?", size="small", variant="text", margin=0, sx={"py": "2px", "fontSize": "12px"}
)
cards = page.grid(
    [
        views.bar(views.expiries.button, explain),
        page.area(views.line.panel, "line"),
        views.smiles.card.panel,
        *(page.later(partial(getattr, views, name), area) for name, area in LATER.items()),
        page.area(page.strip.panel, "feeds"),
    ],
    wide="""
        grid-template-columns: repeat(12, minmax(0, 1fr));
        grid-template-rows: auto auto minmax(260px, 1.4fr) minmax(200px, 1fr) auto;
        grid-template-areas:
            "bar bar bar bar bar bar bar bar bar bar bar bar"
            "line line line line line line line line line line line line"
            "smiles smiles smiles smiles smiles smiles map map map map map map"
            "term term term skew skew skew skew fits fits fits fits fits"
            "feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds";
    """,
    narrow="""
        grid-template-columns: minmax(0, 1fr);
        grid-template-rows: min-content min-content 420px 380px 300px 300px 320px auto;
        grid-template-areas: "bar" "line" "smiles" "map" "term" "skew" "fits" "feeds";
    """,
)
shell = page.build(cards, drawer=[views.expiries.panel], aside=[views.ledger.panel])
explain.on_click(page.open_aside)
views.expiries.button.on_click(page.open_drawer)
shell.servable()
