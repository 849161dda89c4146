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

explain = pmui.Button(label="How was this made?", size="small", variant="outlined", margin=0)
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
        grid-template: "bar bar bar bar bar bar bar bar bar bar bar bar" auto
                       "line line line line line line line line line line line line" auto
                       "price price price price price price price strikes strikes strikes strikes strikes" minmax(260px, 1.4fr)
                       "change change change curve curve curve smile smile smile course course course" minmax(200px, 1fr)
                       "feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds" auto
                       / repeat(12, minmax(0, 1fr));
    """,
    narrow="""
        grid-template: "bar" auto "line" auto "strikes" 420px "price" 400px "change" 270px "curve" 300px
                       "smile" 300px "course" 300px "feeds" auto / minmax(0, 1fr);
    """,
)
shell = page.build(cards, drawer=[views.expiries.panel], aside=[views.ledger.panel])
explain.js_on_click(args={"page": shell}, code="page.data.contextbar_open = true")
shell.servable()
