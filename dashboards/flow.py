"""Prints: who trades what and why it matters, from the tape to explained alerts with their evidence."""

import panel_material_ui as pmui

from workstation.process import applied_thresholds, apply_thresholds, flow_desk
from workstation.views.flow.choice import FlowChoice
from workstation.views.flow.views import FlowViews
from workstation.views.shell.page import Page

desk = flow_desk()
page = Page("flow", desk.board, report=desk.report, period_ms=desk.settings.server.period_ms)
views = FlowViews(
    desk.board,
    FlowChoice(),
    page.colours,
    open_evidence=page.open_aside,
    applied=lambda: applied_thresholds(desk),
    apply=lambda thresholds: apply_thresholds(desk, thresholds),
)
views.start(page.live)

thresholds = pmui.Button(
    label="Thresholds", size="small", variant="text", margin=0, sx={"py": "2px", "fontSize": "12px"}
)
cards = page.grid(
    [
        views.bar(thresholds),
        page.area(views.quality.panel, "line"),
        views.alerts.card.panel,
        views.tape.card.panel,
        views.premium.card.panel,
        views.off.card.panel,
        page.area(page.strip.panel, "feeds"),
    ],
    wide="""
        grid-template-columns: minmax(0, 5fr) minmax(0, 7fr);
        grid-template-rows: min-content min-content minmax(260px, 1.5fr) minmax(240px, 1fr) min-content;
        grid-template-areas: "bar bar" "line line" "alerts tape" "premium off" "feeds feeds";
    """,
    narrow="""
        grid-template-columns: minmax(0, 1fr);
        grid-template-rows: min-content min-content 480px 460px 260px 460px auto;
        grid-template-areas: "bar" "line" "alerts" "tape" "premium" "off" "feeds";
    """,
)
shell = page.build(cards, drawer=[views.settings.panel], aside=[views.evidence.panel])
thresholds.on_click(lambda _: setattr(shell, "sidebar_open", True))
shell.servable()
