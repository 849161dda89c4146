"""Ticks in space and time: candles, intensity with its adaptive buffer, spikes and reversals, in one to four charts."""

from workstation.process import shared_desk
from workstation.views.shell.page import Page
from workstation.views.spacetime.choice import SpacetimeChoice
from workstation.views.spacetime.page_views import SpacetimeViews

desk = shared_desk()
page = Page("spacetime", desk.board, report=desk.report, period_ms=desk.settings.server.period_ms)
views = SpacetimeViews(
    desk.board, SpacetimeChoice(), page.colours, ask=desk.history.sql if desk.history is not None else None
)
views.start(page.live)
cards = page.grid(
    [
        views.bar(),
        page.area(views.charts, "charts"),
        views.signals.card.panel,
        views.spikes.card.panel,
        page.area(page.strip.panel, "feeds"),
    ],
    wide="""
        grid-template-columns: repeat(12, minmax(0, 1fr));
        grid-template-rows: auto minmax(0, 1fr) 148px auto;
        grid-template-areas:
            "bar bar bar bar bar bar bar bar bar bar bar bar"
            "charts charts charts charts charts charts charts charts charts charts charts charts"
            "signals signals signals signals signals signals signals spikes spikes spikes spikes spikes"
            "feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds feeds";
    """,
    narrow="""
        grid-template-columns: minmax(0, 1fr);
        grid-template-rows: max-content max-content 320px 260px max-content;
        grid-template-areas: "bar" "charts" "signals" "spikes" "feeds";
    """,
)
page.build(cards).servable()
