"""Cards in a notebook's cell: the dashboard's own views, whole, live, at a height that shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import panel as pn
from tornado.ioloop import IOLoop, PeriodicCallback

from workstation.views.shell.notebook_output import in_notebook
from workstation.views.shell.session import Live
from workstation.views.state.source import Source, View
from workstation.views.widgets.theme import DARK, Palette, palette

PERIOD_MS = 500
"""Time between two looks at the board from a cell: a kernel also has its own work to do."""
HEIGHT = 360
_GAP = 6
Rows = Sequence[tuple[int, Sequence[str]]]
"""Height of a row in pixels, and the names of its cards from left to right."""
ViewsOf = Callable[[Any, str, dict[str, Any]], Callable[[Palette], Any]]


class Shown(NamedTuple):
    """What a cell shows: views to keep live, and the panel they are on."""

    views: Sequence[View]
    panel: Any
    follow: Callable[[Live], None] | None = None
    """Lets changes of the choices be shown at once."""


def source_of(desk: Any) -> Source:
    """The board of a desk, or the source itself.

    Raises
    ------
    TypeError
        It is neither.
    """
    source: Source = getattr(desk, "board", desk)
    if not hasattr(source, "latest") or not hasattr(source, "version"):
        raise TypeError(
            f"a card shows a desk or its board, not {type(desk).__name__}; make one with workstation.open_desk()"
        )
    return source


class Cell:
    """A card, or a page of cards, as the last line of a cell.

    Parameters
    ----------
    source
        What is shown.
    make
        Makes the views and their panel, once for every place they are shown at: ``make(colours)``.
    height
        In pixels.
    dark
        The dark theme; a kernel does not know that of the notebook.
    period_ms
        Time between two looks at the board.

    Notes
    -----
    It is live as long as its output is there: the kernel looks at the board between two cells, and stops when the
    output is cleared. Under ``panel serve`` every session has its own.
    """

    def __init__(
        self,
        source: Source,
        make: Callable[[Palette], Shown],
        *,
        height: int = HEIGHT,
        dark: bool = False,
        period_ms: int = PERIOD_MS,
    ) -> None:
        if height < 80:
            raise ValueError(f"height must be at least 80 pixels, got {height}")
        self._source, self._make = source, make
        self._height, self._dark, self._period_ms = height, dark, period_ms
        self.shown: list[CellSession] = []
        """Where it is shown at present."""

    def __panel__(self) -> Any:
        return self.session().panel

    def servable(self, **options: Any) -> Any:
        """Put it on the page that ``panel serve`` makes of the notebook; elsewhere it changes nothing."""
        if pn.state.served:
            return self.session().panel.servable(**options)
        return self

    def session(self) -> CellSession:
        """One more place at which it is shown, refreshed once."""
        session = CellSession(self)
        self.shown = [one for one in self.shown if one.running] + [session]
        return session

    def made(self) -> tuple[Live, Any]:
        """Fresh views, live, on their panel."""
        live = Live(self._source, period_ms=self._period_ms)
        shown = self._make(palette(self._dark))
        if shown.follow is not None:
            shown.follow(live)
        for view in shown.views:
            live.add(view)
        live.touch()
        style = [_DARK] if self._dark else []
        panel = pn.Column(
            shown.panel, height=self._height, sizing_mode="stretch_width", margin=0, stylesheets=style
        )
        return live, panel

    @property
    def period_ms(self) -> int:
        """Time between two looks at the board."""
        return self._period_ms

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        session = self.session()
        bundle = session.panel._repr_mimebundle_(include, exclude)
        session.watch()
        return bundle


class CellSession:
    """A cell's views at one place."""

    def __init__(self, cell: Cell) -> None:
        self.live, self.panel = cell.made()
        self._timer: PeriodicCallback | None = None
        self._period_ms = cell.period_ms
        if pn.state.curdoc is not None:
            self.live.start()

    @property
    def running(self) -> bool:
        """Whether it is kept live by a notebook's kernel."""
        return self._timer is not None and self._timer.is_running()

    def watch(self) -> None:
        """Look at the board between two cells from now on, until the output is gone."""
        if in_notebook() and self._timer is None and IOLoop.current(instance=False) is not None:
            self._timer = PeriodicCallback(self.look, self._period_ms)
            self._timer.start()

    def look(self) -> None:
        """Show what is new; stop when nothing shows it any more."""
        if not self.panel._models:
            if self._timer is not None:
                self._timer.stop()
            return
        self.live.tick()
        pn.io.push_notebook(self.panel)


_DARK = (
    ":host { "
    + " ".join(
        f"--mui-palette-ws_{role}-main: {value};" for role, value in asdict(DARK).items() if role != "name"
    )
    + " }"
)


def grid(cards: Mapping[str, Any], rows: Rows) -> Any:
    """Cards in rows, each row with its height in pixels."""
    made = [
        pn.Row(
            *(cards[name] for name in names),
            height=height, sizing_mode="stretch_width", margin=0, styles={"gap": f"{_GAP}px"},
        )
        for height, names in rows
    ]  # fmt: skip
    return pn.Column(*made, sizing_mode="stretch_both", margin=0, styles={"gap": f"{_GAP}px"})


def card(
    name: str, views_of: ViewsOf, height: int = HEIGHT, besides: Sequence[str] = ()
) -> Callable[..., Cell]:
    """A function that shows one card of a page.

    Parameters
    ----------
    name
        Of the view among the page's views.
    views_of
        Makes the page's views: ``views_of(desk, underlying, choices)(colours)``.
    height
        In pixels, unless asked for otherwise.
    besides
        Views it looks at, which are kept live with it.
    """

    def shown(
        desk: Any, underlying: str = "", *, height: int = height, dark: bool = False, **choices: Any
    ) -> Cell:
        make_views = views_of(desk, underlying, choices)

        def make(colours: Palette) -> Shown:
            views = make_views(colours)
            view = getattr(views, name)
            panel = view.card.panel if hasattr(view, "card") else view.panel
            return Shown([*(getattr(views, other) for other in besides), view], panel, views.follow_choices)

        return Cell(source_of(desk), make, height=height, dark=dark)

    shown.__name__ = shown.__qualname__ = name
    shown.__doc__ = f"""The card ``{name}`` of its page, live.

    Parameters
    ----------
    desk
        A desk, or its board.
    underlying
        Of which; none: the first there is.
    height, dark
        In pixels; the dark theme.
    choices
        Any other choice of the page, by name.
    """
    return shown


def page(views_of: ViewsOf, rows: Rows, lines: Mapping[str, Callable[[Any], Any]]) -> Callable[..., Cell]:
    """A function that shows a whole page: ``rows`` of cards, and panels of ``lines`` made of the views."""

    def panel(desk: Any, underlying: str = "", *, dark: bool = False, **choices: Any) -> Cell:
        """The whole page, live; parameters as those of its cards."""
        make_views = views_of(desk, underlying, choices)

        def make(colours: Palette) -> Shown:
            views = make_views(colours)
            names = [name for _, row in rows for name in row]
            held = {name: getattr(views, name) for name in names if name not in lines}
            cards = {
                name: view.card.panel if hasattr(view, "card") else view.panel for name, view in held.items()
            }
            cards |= {name: made(views) for name, made in lines.items()}
            return Shown(list(held.values()), grid(cards, rows), views.follow_choices)

        return Cell(source_of(desk), make, height=sum(height + _GAP for height, _ in rows), dark=dark)

    return panel
