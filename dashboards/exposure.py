"""Where dealers must hedge: price with its levels, exposure by strike, what changed, and the vol market."""

import panel_material_ui as pmui

from workstation import shared_desk
from workstation.views.choice import Choice
from workstation.views.exposure.controls import bar
from workstation.views.exposure.views import ExposureViews
from workstation.views.page import Page

desk = shared_desk()
page = Page("exposure", desk.board, dashboards=("exposure", "health"), report=desk.report)
views = ExposureViews(desk.board, Choice(), page.colours)
views.follow_choices(page.live)
page.add(*views.all)

explain = pmui.Button(
    label="How was this made?", size="small", variant="text", margin=0, sx={"py": "2px", "fontSize": "12px"}
)
cards = page.grid(
    [
        bar(views.choice, explain),
        page.area(views.headline.panel, "line"),
        views.price.card.panel,
        views.strikes.card.panel,
        views.change.card.panel,
        views.curve.card.panel,
        views.smile.card.panel,
        views.course.card.panel,
        page.area(page.strip.panel, "feeds"),
    ],
    wide="""
        grid-template-columns: repeat(12, minmax(0, 1fr));
        grid-template-rows: auto auto minmax(260px, 1.45fr) minmax(200px, 1fr) auto;
        grid-template-areas:
            "bar bar bar bar bar bar bar bar bar bar bar bar"
            "line line line line line line line line line line line line"
            "price price price price price price price strikes strikes strikes strikes strikes"
            "change change change curve curve curve smile smile smile course course course"
            "feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds";
    """,
    narrow="""
        grid-template-columns: minmax(0, 1fr);
        grid-template-rows: min-content min-content 420px 400px 262px 300px 300px 300px auto;
        grid-template-areas: "bar" "line" "strikes" "price" "change" "curve" "smile" "course" "feeds";
    """,
)
shell = page.build(cards, drawer=[views.expiries.panel], aside=[views.ledger.panel])
explain.js_on_click(args={"page": shell}, code="page.data.contextbar_open = true")
shell.servable()
