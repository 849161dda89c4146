"""What we hold: totals by underlying, positions, PnL with its explain, and what would become of it."""

from functools import partial

import panel as pn
import panel_material_ui as pmui

from workstation.process import shared_desk
from workstation.views.portfolio.holdings import PortfolioChoice
from workstation.views.portfolio.views import LATER, PortfolioViews
from workstation.views.shell.page import Page

pn.extension("tabulator")
desk = shared_desk()
page = Page("portfolio", desk.board, report=desk.report, period_ms=desk.settings.server.period_ms)
views = PortfolioViews(
    desk.board, PortfolioChoice(), page.colours, publish=lambda fills: desk.hub.publish("fills", fills)
)
page.add(*views.first)
views.follow_choices(page.live)

explain = pmui.Button(
    label="How was this made?", size="small", variant="text", margin=0, sx={"py": "2px", "fontSize": "12px"}
)
cards = page.grid(
    [
        views.bar(explain),
        page.area(views.line.panel, "line"),
        views.totals.card.panel,
        views.curves.card.panel,
        *(page.later(partial(getattr, views, name), area) for name, area in LATER.items()),
        page.area(page.strip.panel, "feeds"),
    ],
    wide="""
        grid-template-columns: repeat(12, minmax(0, 1fr));
        grid-template-rows: auto auto 140px minmax(210px, 1fr) minmax(210px, 1fr) auto;
        grid-template-areas:
            "bar bar bar bar bar bar bar bar bar bar bar bar"
            "line line line line line line line line line line line line"
            "totals totals totals totals totals totals totals totals totals totals totals totals"
            "curves curves curves curves curves explain explain explain explain explain explain explain"
            "positions positions positions positions positions positions positions positions what what what what"
            "feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds";
    """,
    narrow="""
        grid-template-columns: minmax(0, 1fr);
        grid-template-rows: min-content min-content 170px 300px 320px 340px 320px auto;
        grid-template-areas: "bar" "line" "totals" "curves" "explain" "positions" "what" "feeds";
    """,
)
shell = page.build(cards, aside=[views.ledger.panel])
explain.on_click(page.open_aside)
shell.servable()
