"""The space-time page's charts and lists for a notebook's cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workstation.views.shell.cell import Cell, Shown, grid, source_of
from workstation.views.shell.session import Live
from workstation.views.spacetime.choice import SpacetimeChoice
from workstation.views.spacetime.page_views import SpacetimeViews
from workstation.views.state.choice import chosen
from workstation.views.widgets.theme import Palette


def _cell(
    desk: Any, choices: dict[str, Any], height: int, dark: bool, laid_out: Callable[[SpacetimeViews], Any]
) -> Cell:
    source = source_of(desk)
    store = getattr(desk, "history", None)
    chosen(SpacetimeChoice, source, "", choices)  # told at once, not when it is shown

    def make(colours: Palette) -> Shown:
        choice = chosen(SpacetimeChoice, source, "", choices)
        views = SpacetimeViews(source, choice, colours, ask=store.sql if store is not None else None)

        def follow(live: Live) -> None:
            views.start(live)
            while len(views.built) < choice.layout:
                views.make_next()

        return Shown((), laid_out(views), follow)

    return Cell(source, make, height=height, dark=dark)


def charts(
    desk: Any,
    instruments: Sequence[str] = (),
    *,
    every_s: int = 10,
    height: int = 460,
    dark: bool = False,
    **choices: Any,
) -> Cell:
    """Candles with intensity, spikes and reversals, live.

    Parameters
    ----------
    desk
        A desk, or its board.
    instruments
        One chart each, one to four; none: the liveliest.
    every_s
        Length of the candles in seconds: 1, 10, 60, 300, 900 or 3600.
    height, dark
        In pixels; the dark theme.
    choices
        Any other choice of the page, by name.
    """
    names = [instruments] if isinstance(instruments, str) else list(instruments)
    given = {f"chart{at}": f"{name}~{every_s}~~" for at, name in enumerate(names, start=1)}
    return _cell(
        desk, {"layout": max(len(names), 1), **given, **choices}, height, dark, lambda views: views.charts
    )


def panel(desk: Any, *, height: int = 700, dark: bool = False, **choices: Any) -> Cell:
    """The whole page, live; parameters as those of the charts."""

    def laid_out(views: SpacetimeViews) -> Any:
        cards = {"bar": views.bar(), "charts": views.charts}
        cards |= {"signals": views.signals.card.panel, "spikes": views.spikes.card.panel}
        return grid(cards, ((40, ("bar",)), (height - 240, ("charts",)), (180, ("signals", "spikes"))))

    return _cell(desk, choices, height, dark, laid_out)
