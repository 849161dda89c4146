"""The levels that matter: where they are, how far, and how they moved."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, Range1d

from workstation.market.instants import HOUR_NS
from workstation.plots.formats import TIME_TICKS
from workstation.views.exposure.net_gex_history import MOST, too_short
from workstation.views.exposure.open_interest import WALLS, pain_of
from workstation.views.exposure.recorded import level_rows, why_none
from workstation.views.exposure.snapshot import Snapshot, Snapshots
from workstation.views.state.choice import Choice
from workstation.views.state.source import Source
from workstation.views.widgets import formats
from workstation.views.widgets.assets import table_css
from workstation.views.widgets.card import Card, Key, Markup
from workstation.views.widgets.figure import FigureView, TextView, fit, pane
from workstation.views.widgets.theme import Palette, bare_figure

_LINES = (
    ("spot", "net", "solid", "spot"), ("zero_gamma", "zero", [2, 2], "0γ"), ("call_wall", "up", [6, 3], "call wall"),
    ("put_wall", "down", [6, 3], "put wall"),
)  # fmt: skip
_CSS = table_css(__package__, "key_levels.css")


class LevelsTable(TextView):
    """Every key level with its distance from spot in percent and in daily standard deviations, and its move of an hour."""

    inputs = ("levels", "priced_chain")
    every_s = 1.0

    def __init__(self, choice: Choice, snapshots: Snapshots) -> None:
        self.choice, self._snapshots = choice, snapshots
        self._table = Markup(_CSS, sizing_mode="stretch_both")
        self.card = Card("Key levels", self._table.panel, unit="distance from spot", area="levels")

    def refresh(self, source: Source) -> None:
        """Write the newest levels."""
        made = self._snapshots.newest(source)
        before = self._hour_ago(source, made)
        rows = [
            ("Call wall", made.call_wall, "up", before.get("call_wall", np.nan)),
            ("Absolute wall", made.absolute_wall, "", before.get("absolute_wall", np.nan)),
            ("Zero gamma", made.zero_gamma, "zero", before.get("zero_gamma", np.nan)),
            ("Put wall", made.put_wall, "down", before.get("put_wall", np.nan)),
            *self._by_open_interest(source),
        ]
        rows = [row for row in rows if np.isfinite(row[1])]
        rows.sort(key=lambda row: -row[1])
        head = "".join(
            f'<th scope="col">{name}</th>' for name in ("level", "USD", "distance", "daily sd", "in 1 h")
        )
        body = "".join(_row(made, *row) for row in rows)
        self._table.show(
            f'<table tabindex="0" aria-label="key levels"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        )
        self.card.empty(made.unknown if not rows else "")
        self.card.say(f"spot {formats.price(made.spot)}" if np.isfinite(made.spot) else "")

    def _hour_ago(self, source: Source, made: Snapshot) -> dict[str, float]:
        rows = level_rows(source, self.choice)
        rows = rows[rows["event_ns"].to_numpy() <= made.asof_ns - HOUR_NS]
        if not len(rows):
            return {}
        names = ("call_wall", "put_wall", "absolute_wall", "zero_gamma")
        return {name: float(rows[name].iloc[-1]) for name in names}

    def _by_open_interest(self, source: Source) -> list[tuple[str, float, str, float]]:
        chain = source.priced_chain(self.choice.underlying)
        if chain is None:
            return []
        found = chain.of(self.choice.expiries, self.choice.venue).open_interest(WALLS)
        pain, when = pain_of(found)
        rows = [(f"Max pain {when}", pain, "zero", np.nan)]
        for name, role in (("resistance", "up"), ("support", "down")):
            rows += [
                (f"OI {name} {rank}", float(strike), role, np.nan)
                for rank, strike in enumerate(found[name].to_numpy().tolist(), start=1)
            ]
        return rows


def _row(made: Snapshot, name: str, level: float, role: str, before: float) -> str:
    share, deviations = made.distance(level)
    moved = level / before - 1.0
    change = (
        formats.UNKNOWN
        if not np.isfinite(moved)
        else "unchanged"
        if level == before
        else formats.percent(moved, 2, True)
    )
    return (
        f'<tr><td class="{role}">{name}</td><td>{formats.strike(round(level, 2) if level < 1e3 else round(level))}</td>'
        f'<td>{formats.percent(share, 1, signed=True)}</td><td>{formats.number(deviations, 1, signed=True)}</td><td class="muted">{change}</td></tr>'
    )


class LevelsHistory(FigureView):
    """How spot, zero gamma and the walls went."""

    inputs = ("levels",)
    every_s = 1.0

    def __init__(self, choice: Choice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        self.rows = ColumnDataSource(
            data={name: np.empty(0) for name in ("x", *(line[0] for line in _LINES))}
        )
        self.x_range, self.y_range = Range1d(0, 1), Range1d(0, 1)
        made = bare_figure(
            self._painter,
            x_axis_type="datetime",
            x_range=self.x_range,
            y_range=self.y_range,
            toolbar_location=None,
        )
        made.xaxis.formatter = DatetimeTickFormatter(**TIME_TICKS)
        made.xaxis.ticker.desired_num_ticks = 5
        made.yaxis.formatter = formats.price_ticks()
        made.yaxis.ticker.desired_num_ticks = 7
        for name, role, dash, _ in _LINES:
            drawn = made.line if name in ("spot", "zero_gamma") else made.step
            options = {} if name in ("spot", "zero_gamma") else {"mode": "after"}
            line = drawn("x", name, source=self.rows, line_width=1.6, line_dash=dash, **options)
            self._painter(line.glyph, line_color=role)
            if name == "spot":
                spot = line
        told = [("", "@x{%d %b %H:%M}"), *((words, f"@{name}{{0,0.##}}") for name, _, _, words in _LINES)]
        made.add_tools(
            HoverTool(
                renderers=[spot], mode="vline", visible=False, formatters={"@x": "datetime"}, tooltips=told
            )
        )
        self.figure = made
        self.card = Card(
            "Levels over time",
            pane(made),
            unit="USD",
            area="history",
            keys=tuple(
                Key(role, words, "line" if dash == "solid" else "dashed") for _, role, dash, words in _LINES
            ),
        )

    def refresh(self, source: Source) -> None:
        """Draw the published levels of the choice."""
        rows = level_rows(source, self.choice)
        self.card.empty(too_short(rows) if len(rows) else why_none(self.choice))
        step = max(-(-len(rows) // MOST), 1)
        rows = rows.iloc[::-step].iloc[::-1]
        self.rows.data = {
            "x": rows["event_ns"].to_numpy() / 1e6,
            **{line[0]: rows[line[0]].to_numpy() for line in _LINES},
        }
        if len(rows):
            x = self.rows.data["x"]
            self.x_range.update(start=x[0] - 1e3, end=x[-1] + max(0.01 * (x[-1] - x[0]), 1e3))
            fit(self.y_range, np.concatenate([self.rows.data[line[0]] for line in _LINES]), room=0.05)
