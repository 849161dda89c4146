"""Where dealers must hedge: price with its levels, exposure by strike, what changed, what may come; the rest below the fold."""

from functools import partial

import panel_material_ui as pmui

from workstation.process import shared_desk
from workstation.views.exposure.controls import bar
from workstation.views.exposure.views import LATER, ExposureViews
from workstation.views.shell.page import Page
from workstation.views.state.choice import Choice

desk = shared_desk()
page = Page("exposure", desk.board, report=desk.report, period_ms=desk.settings.server.period_ms)
views = ExposureViews(desk.board, Choice(), page.colours)
views.follow_choices(page.live)
page.add(*views.first)

explain = pmui.Button(
    label="How was this made?", size="small", variant="text", margin=0, sx={"py": "2px", "fontSize": "12px"}
)
cards = page.grid(
    [
        bar(views.choice, views.expiries.button, explain),
        page.area(views.headline.panel, "line"),
        views.price.card.panel,
        views.strikes.card.panel,
        *(page.later(partial(getattr, views, name), name) for name in LATER),
        page.area(page.strip.panel, "feeds"),
    ],
    wide="""
        --room: min(calc(100vh - 188px), 1000px);
        grid-template-columns: repeat(12, minmax(0, 1fr));
        grid-template-rows: min-content min-content max(260px, calc(var(--room) * 0.585)) max(200px, calc(var(--room) * 0.415))
            320px 340px 300px min-content;
        grid-template-areas:
            "bar bar bar bar bar bar bar bar bar bar bar bar"
            "line line line line line line line line line line line line"
            "price price price price price price price strikes strikes strikes strikes strikes"
            "change change change curve curve curve by_expiry by_expiry by_expiry cascade cascade cascade"
            "smart smart smart smart smart interest interest interest scenario scenario scenario scenario"
            "by_time by_time by_time by_time by_time history history history history levels levels levels"
            "net_history net_history net_history net_history smile smile smile smile across across across across"
            "feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds";
    """,
    narrow="""
        grid-template-columns: minmax(0, 1fr);
        grid-template-rows: min-content min-content 420px 400px 262px 300px 260px 340px 320px 300px 320px 300px 320px 340px 300px 300px 320px auto;
        grid-template-areas: "bar" "line" "strikes" "price" "change" "levels" "cascade" "smart" "curve" "interest" "scenario"
            "history" "by_expiry" "by_time" "net_history" "smile" "across" "feeds";
    """,
    tall=True,
)
shell = page.build(cards, drawer=[views.expiries.panel], aside=[views.ledger.panel])
explain.on_click(page.open_aside)
views.expiries.button.on_click(page.open_drawer)
shell.servable()
