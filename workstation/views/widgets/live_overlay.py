"""What moves with every trade, drawn over a figure: the newest candles and what belongs to them.

A figure paints all it holds when one of its glyphs changes, except those of its overlay, which have a canvas of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource

from workstation.views.widgets.theme import Painter

BEYOND_FRAME = "beyond the frame"
"""Tag of a renderer on an overlay that may paint over the axes; ``overlay_clipping.js`` reads it."""
_CANDLE = ("x", "open", "high", "low", "close", "volume", "width", "middle", "body")


class Forming:
    """The last rows of columns in time order (``x``), on the overlays of figures.

    Parameters
    ----------
    painter
        Of the chart.
    columns
        Which of the columns glyphs read.

    Examples
    --------
    >>> from workstation.views.widgets.theme import DARK
    >>> made = Forming(Painter(DARK), ("x", "volume"))
    >>> made.show({"x": np.array([1.0, 2.0]), "volume": np.array([5.0, 7.0]), "other": np.array([0.0, 0.0])})
    >>> made.source.data["x"], made.source.data["volume"]
    ([2.0], [7.0])
    >>> made.after({"x": np.array([1.0, 2.0, 3.0])}, np.array([1.0]))
    2
    """

    def __init__(self, painter: Painter, columns: Iterable[str]) -> None:
        self._painter, self._names = painter, tuple(columns)
        self._lines: list[str] = []
        self._columns: dict[str, np.ndarray] = {}
        self._rows = 1
        self.source = ColumnDataSource(data={name: [] for name in self._names})

    def line(self, figure: Any, name: str, role: str) -> Any:
        """The last pieces of a line through ``name``: to each row from the one before."""
        self._lines.append(name)
        self.source.data = {**self.source.data, **{column: [] for column in _ends(self._lines)}}
        result = figure.segment(
            "before", f"{name}_before", "x", name, source=self.source, line_width=1.5, level="overlay"
        )
        self._painter(result.glyph, line_color=role)
        return result

    @staticmethod
    def after(columns: dict[str, np.ndarray], drawn: np.ndarray) -> int:
        """How many rows come after those whose times a figure has drawn already; the last row is never drawn there."""
        x = columns["x"]
        first = int(np.searchsorted(x, drawn[-1], side="right")) if len(drawn) else 0
        return max(len(x) - first, 1)

    def show(self, columns: dict[str, np.ndarray], rows: int = 1) -> None:
        """Show the last so many rows; only what changed is sent."""
        self._columns, self._rows = columns, rows
        row, shown = self._last(columns, rows), self.source.data
        if row["x"] == shown["x"] and row.keys() == shown.keys():
            changed = {
                name: patch for name, values in row.items() if (patch := _changes(values, shown[name]))
            }
            if changed:
                self.source.patch(changed)
        elif row["x"] or shown["x"]:
            self.source.data = row

    def _last(self, columns: dict[str, np.ndarray], rows: int) -> dict[str, list[Any]]:
        """The last rows, each with where its lines come from."""
        last: dict[str, list[Any]] = {
            name: columns[name][-rows:].tolist() for name in (*self._names, *self._lines)
        }
        last["before"] = _shifted(columns["x"], rows)
        return last | {f"{name}_before": _shifted(columns[name], rows) for name in self._lines}

    def repaint(self) -> None:
        """Take the painter's colours."""
        if self._columns:
            self.show(self._columns, self._rows)


class FormingCandle(Forming):
    """The newest candles over a price figure, their volume over another.

    Parameters
    ----------
    figure, volume
        Where it is drawn.
    painter
        Of the chart.

    Examples
    --------
    >>> from bokeh.plotting import figure
    >>> from workstation.views.widgets.theme import DARK
    >>> made = FormingCandle(figure(), figure(), Painter(DARK))
    >>> made.show({name: np.array([1.0, 2.0]) for name in _CANDLE})
    >>> made.source.data["close"], made.source.data["line"] == [DARK.up]
    ([2.0], True)
    """

    def __init__(self, figure: Any, volume: Any, painter: Painter) -> None:
        super().__init__(painter, _CANDLE)
        self.source.data = {**self.source.data, "line": [], "fill": []}
        colours = {"source": self.source, "line_color": "line", "line_width": 1.2, "level": "overlay"}
        self.candle = [
            figure.segment("x", "low", "x", "high", **colours),
            figure.rect("x", "middle", "width", "body", fill_color="fill", **colours),
        ]
        self.volume = volume.vbar(
            "x", "width", "volume", 0, source=self.source, line_color=None, fill_alpha=0.55, level="overlay"
        )
        painter(self.volume.glyph, fill_color="muted")

    def _last(self, columns: dict[str, np.ndarray], rows: int) -> dict[str, list[Any]]:
        last, colours = super()._last(columns, rows), self._painter.colours
        rising = [closed >= opened for opened, closed in zip(last["open"], last["close"], strict=True)]
        return last | {
            "line": [colours.up if up else colours.down for up in rising],
            "fill": [colours.card if up else colours.down for up in rising],
        }


def _ends(lines: Iterable[str]) -> list[str]:
    return ["before", *(column for name in lines for column in (name, f"{name}_before"))]


def _shifted(values: np.ndarray, rows: int) -> list[Any]:
    """The last so many values, each replaced by the one before; NaN where there is none."""
    before: list[Any] = values[-rows - 1 : -1].tolist()
    return [np.nan] * (min(rows, len(values)) - len(before)) + before


def _changes(values: list[Any], shown: list[Any]) -> list[tuple[int, Any]]:
    """Places whose value is another, and that value; NaN is no other than NaN."""
    pairs = enumerate(zip(values, shown, strict=True))
    return [(at, now) for at, (now, old) in pairs if now != old and (now == now or old == old)]
