"""What stands on the candles: reversal signals with their reasons, and stretches of gap."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from workstation.views.spacetime.data_gaps import DataGap
from workstation.views.spacetime.marker_data import KEPT, SIGNAL_COLUMNS
from workstation.views.spacetime.signal_reasons import REASONS_CSS
from workstation.views.widgets.theme import FONT, Painter

_COLUMNS = (*SIGNAL_COLUMNS, "fill", "line")
_BANDS = ("x0", "x1", "words", "lift")
_WORDS = frozenset({"marker", "why", "fill", "line", "words"})
_BESIDE = 0.55
"""Size of the signals that follow another one in a candle: where many fire, the price stays in sight."""
_LINES = 3
"""Bands next to each other have their words on so many lines, of which each is as high as this."""
_LINE_PX = 16
_LETTERS = 28
"""So many of a reason fit on a line next to a band on a phone."""


def _nothing(columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    """No rows; the browser refuses numbers where it looks for colours and words."""
    return {name: np.empty(0, dtype=object if name in _WORDS else np.float64) for name in columns}


class Signals:
    """Reversal signals on a price figure."""

    def __init__(self, figure: Any, painter: Painter) -> None:
        self._painter = painter
        self._versions: frozenset[int] = frozenset()
        self._every_ms = 1.0
        self._newest = -np.inf
        """The candle of the newest signal."""
        self.source = ColumnDataSource(data=_nothing(_COLUMNS))
        self.markers = figure.scatter(
            "x", "y", source=self.source, marker="marker", angle="angle", fill_color="fill", line_color="line",
            size="size", line_width=1.6, level="annotation",
        )  # fmt: skip
        figure.add_tools(
            HoverTool(
                renderers=[self.markers], visible=False, mode="mouse",
                tooltips=f"<style>{REASONS_CSS}</style><div class='why'>@why{{safe}}</div>",
            )
        )  # fmt: skip

    def begin(self, signals: dict[str, np.ndarray], versions: frozenset[int], every_ms: float) -> None:
        """Show these signals, of these versions, on candles of a length."""
        self._versions, self._every_ms, self._newest = versions, every_ms, -np.inf
        self.source.data = self._chosen(signals)

    def extend(self, signals: dict[str, np.ndarray]) -> None:
        """Append signals; what is shown already stays as it is: a signal is never repainted."""
        chosen = self._chosen(signals)
        if len(chosen["x"]):
            self.source.stream({name: values.tolist() for name, values in chosen.items()}, rollover=KEPT)

    def repaint(self) -> None:
        """Take the painter's colours."""
        if len(self.source.data["side"]):
            self.source.data = {**self.source.data, **self._colours(self.source.data["side"])}

    def _colours(self, sides: np.ndarray) -> dict[str, np.ndarray]:
        """Up is hollow and down is filled, as candles are."""
        of = self._painter.colours
        fill, line = {1: of.card, -1: of.down, 0: of.muted}, {1: of.up, -1: of.card, 0: of.card}
        return {
            name: np.array([by_side[int(side)] for side in sides], dtype=object)
            for name, by_side in (("fill", fill), ("line", line))
        }

    def _chosen(self, signals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows = np.isin(signals["version"], list(self._versions))
        chosen = {name: signals[name][rows] for name in SIGNAL_COLUMNS}
        candles = np.concatenate(([self._newest], chosen["x"] // self._every_ms))
        beside = candles[1:] <= np.maximum.accumulate(candles)[:-1]
        self._newest = candles.max()
        return (
            chosen | {"size": chosen["size"] * np.where(beside, _BESIDE, 1.0)} | self._colours(chosen["side"])
        )


class Bands:
    """Hatched bands where nothing was heard, on any number of figures, with the reason on the first."""

    def __init__(self, figures: tuple[Any, ...], painter: Painter) -> None:
        self._shown: tuple[DataGap, ...] = ()
        self.source = ColumnDataSource(data=_nothing(_BANDS))
        for figure in figures:
            strip = figure.vstrip(
                "x0", "x1", source=self.source, fill_alpha=0.10, line_alpha=0.7, line_width=1, line_dash=[2, 2],
                hatch_pattern="right_diagonal_line", hatch_scale=9, hatch_weight=1, hatch_alpha=0.25, level="underlay",
            )  # fmt: skip
            painter(strip.glyph, fill_color="warn", hatch_color="warn", line_color="warn")
        first = figures[0]
        first.extra_y_ranges = {**first.extra_y_ranges, "share": Range1d(0, 1)}
        text = first.text(
            "x0", 0.015, "words", source=self.source, y_range_name="share", text_font=value(FONT), text_font_size="11px",
            text_font_style="bold", text_align="right", x_offset=-4, y_offset="lift", text_baseline="bottom",
            background_fill_alpha=0.85, padding=2, level="annotation",
        )  # fmt: skip
        painter(text.glyph, text_color="warn", background_fill_color="card")

    def show(self, data_gaps: list[DataGap]) -> None:
        """Show these stretches."""
        wanted = tuple(data_gaps)
        if wanted != self._shown:
            self._shown = wanted
            told, lines = words_of(wanted)
            self.source.data = {
                "x0": np.array([made.start_ns / 1e6 for made in wanted]),
                "x1": np.array([made.end_ns / 1e6 for made in wanted]),
                "words": np.array(told, dtype=object),
                "lift": np.array([-float(_LINE_PX * line) for line in lines]),
            }


def words_of(gaps: tuple[DataGap, ...]) -> tuple[list[str], list[int]]:
    """What stands before each band, and on which line: the longest ones and what goes on are told, the others counted.

    Examples
    --------
    >>> gaps = tuple(DataGap(10 * at, 10 * at + at, f"gap {at} s", "") for at in (1, 2, 3, 4))
    >>> words_of(gaps)[0][:2]
    ['', 'gap 2 s · no signals across it']
    >>> words_of(gaps)[0][3], words_of(gaps)[1]
    ('gap 4 s · no signals across it · 1 shorter', [0, 0, 1, 2])
    """
    ranked = sorted(
        range(len(gaps)), key=lambda at: (not gaps[at].open, gaps[at].start_ns - gaps[at].end_ns, at)
    )
    chosen = sorted(ranked[:_LINES])
    told = [_told(gap) if at in chosen else "" for at, gap in enumerate(gaps)]
    if len(gaps) > _LINES:
        told[chosen[-1]] += f" · {len(gaps) - _LINES} shorter"
    return told, [chosen.index(at) if at in chosen else 0 for at in range(len(gaps))]


def _told(gap: DataGap) -> str:
    """What stands before a band; of one that goes on also what is the matter, on lines short enough for a phone."""
    if not gap.open:
        return f"{gap.words} · no signals across it"
    reason = wrap(gap.detail, _LETTERS, max_lines=_LINES, placeholder="…")
    return "\n".join([gap.words, "no signals across it", *reason])
