"""Whether to believe the rest: every feed, and what was reported."""

from workstation.process import shared_desk
from workstation.views.shell.health import FeedTable, HealthEvents
from workstation.views.shell.health_parts import PartsTable
from workstation.views.shell.page import Page

desk = shared_desk()
page = Page("health", desk.board, report=desk.report, period_ms=desk.settings.server.period_ms)
feeds, parts, events = FeedTable(), PartsTable(), HealthEvents()
page.add(feeds, parts, events)
cards = page.grid(
    [feeds.card.panel, parts.card.panel, events.card.panel, page.area(page.strip.panel, "strip")],
    wide="""
        grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
        grid-template-rows: minmax(100px, max-content) minmax(200px, 1fr) auto;
        grid-template-areas: "feeds feeds" "parts events" "strip strip";
    """,
    narrow="""
        grid-template-columns: minmax(0, 1fr);
        grid-template-rows: minmax(100px, max-content) 600px 600px min-content;
        grid-template-areas: "feeds" "parts" "events" "strip";
    """,
)
page.build(cards).servable()
