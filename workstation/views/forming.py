"""What moves with every trade, drawn over a figure: the newest candle and what belongs to it.

A figure paints all it holds when one of its glyphs changes, except those of its overlay, which have a canvas of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource

from workstation.views.theme import Painter

_CANDLE = ("x", "open", "high", "low", "close", "volume", "width", "middle", "body")


class Forming:
    """The last row of columns in time order (``x``), on the overlays of figures.

    Parameters
    ----------
    painter
        Of the chart.
    columns
        Which of the columns glyphs read.

    Examples
    --------
    >>> from workstation.views.theme import DARK
    >>> made = Forming(Painter(DARK), ("x", "volume"))
    >>> made.show({"x": np.array([1.0, 2.0]), "volume": np.array([5.0, 7.0]), "other": np.array([0.0, 0.0])})
    >>> made.source.data["x"], made.source.data["volume"]
    ([2.0], [7.0])
    """

    def __init__(self, painter: Painter, columns: Iterable[str]) -> None:
        self._painter, self._names = painter, tuple(columns)
        self._lines: list[str] = []
        self._columns: dict[str, np.ndarray] = {}
        self.source = ColumnDataSource(data={name: [] for name in self._names})

    def line(self, figure: Any, name: str, role: str) -> Any:
        """The last piece of a line through ``name``: from the row before to the last."""
        self._lines.append(name)
        self.source.data = {**self.source.data, **{column: [] for column in _ends(self._lines)}}
        made = figure.segment(
            "before", f"{name}_before", "x", name, source=self.source, line_width=1.5, level="overlay"
        )
        self._painter(made.glyph, line_color=role)
        return made

    def show(self, columns: dict[str, np.ndarray]) -> None:
        """Show the last row; only what changed is sent."""
        self._columns = columns
        row, shown = self._row(columns), self.source.data
        if row["x"] == shown["x"] and row.keys() == shown.keys():
            changed = {
                name: [(0, values[0])] for name, values in row.items() if not _same(values, shown[name])
            }
            if changed:
                self.source.patch(changed)
        elif row["x"] or shown["x"]:
            self.source.data = row

    def _row(self, columns: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """One row, or none."""
        row: dict[str, list[Any]] = {
            name: columns[name][-1:].tolist() for name in (*self._names, *self._lines)
        }
        unknown = [np.nan] * len(row["x"])
        row["before"] = columns["x"][-2:-1].tolist() or unknown
        return row | {f"{name}_before": columns[name][-2:-1].tolist() or unknown for name in self._lines}

    def repaint(self) -> None:
        """Take the painter's colours."""
        if self._columns:
            self.show(self._columns)


class FormingCandle(Forming):
    """The newest candle over a price figure, its volume over another.

    Parameters
    ----------
    figure, volume
        Where it is drawn.
    painter
        Of the chart.

    Examples
    --------
    >>> from bokeh.plotting import figure
    >>> from workstation.views.theme import DARK
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

    def _row(self, columns: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        row, colours = super()._row(columns), self._painter.colours
        rising = [closed >= opened for opened, closed in zip(row["open"], row["close"], strict=True)]
        return row | {
            "line": [colours.up if up else colours.down for up in rising],
            "fill": [colours.card if up else colours.down for up in rising],
        }


def _ends(lines: Iterable[str]) -> list[str]:
    return ["before", *(column for name in lines for column in (name, f"{name}_before"))]


def _same(one: list[Any], other: list[Any]) -> bool:
    return one == other or (one[0] != one[0] and other[0] != other[0])
