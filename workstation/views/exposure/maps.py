"""Exposure as maps: strike by expiry, strike by time, and what dealers must trade if spot and vol move."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.market.instants import DAY_NS
from workstation.views.exposure.recorded import gex_by_minute, why_none
from workstation.views.exposure.snapshot import Snapshots
from workstation.views.state.choice import MEASURES, SHORT_UNITS, Choice
from workstation.views.state.priced_chain import chosen_chain
from workstation.views.state.session_cache import shared
from workstation.views.state.source import Source
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import FigureView, pane
from workstation.views.widgets.heatmap import Grid, HeatMap, between
from workstation.views.widgets.theme import Palette

_SPOTS = (-0.10, -0.05, -0.03, -0.01, 0.0, 0.01, 0.03, 0.05, 0.10)
_VOLS = (-0.10, -0.05, 0.0, 0.05, 0.10)
_TIMES = 90
"""Columns of the map over time at the most."""
_STRIKES = 44


def _usd(values: np.ndarray) -> np.ndarray:
    reported = [formats.usd(value, signed=True) for value in values.ravel().tolist()]
    return np.array(reported, dtype=object).reshape(values.shape)


class _Map(FigureView):
    """A heat map on a card."""

    title, area, names, numbers = "", "", ("", "", ""), False
    ticks = (12, 12)

    def __init__(self, choice: Choice, snapshots: Snapshots, colours: Palette) -> None:
        super().__init__(colours)
        self.choice, self._snapshots = choice, snapshots
        self.map = HeatMap(
            self._painter,
            signed=True,
            names=self.names,
            numbers=self.numbers,
            ticks=self.ticks,
            font_size="10.5px",
        )
        self.card = Card(self.title, pane(self.map.figure), area=self.area)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        super().repaint(colours)
        self.map.repaint(colours)

    def _nothing(self, why: str) -> None:
        self.map.show(Grid([], [], np.empty((0, 0))))
        self.card.say("")
        self.card.empty(why)

    def _scale(self) -> str:
        low, high = self.map.limits
        return self.map.scale(formats.usd(low, 2, signed=True), formats.usd(high, 2, signed=True))


class ByExpiry(_Map):
    """The chosen measure by strike and expiry."""

    inputs = ("priced_chain",)
    every_s = 1.0
    title, area, names, ticks = "GEX, strike × expiry", "by_expiry", ("expiry", "strike", "net"), (6, 12)

    def refresh(self, source: Source) -> None:
        """Draw the newest book."""
        choice = self.choice
        title = f"{MEASURES[choice.measure]}, strike × expiry"
        chain = chosen_chain(source, choice)
        if isinstance(chain, str):
            self._nothing(chain)
            return
        book = chain.book(choice.sign_model, choice.basis)
        spot = float(book["spot"])
        inside = np.abs(book["strike"].to_numpy() / spot - 1.0) <= choice.reach
        cells = book[choice.measure].transpose("strike", "expiry").to_numpy()[inside]
        strikes = book["strike"].to_numpy()[inside]
        busy = np.nan_to_num(cells).any(axis=1)
        cells, strikes = cells[busy], strikes[busy]
        cells = np.where(cells == 0.0, np.nan, cells)
        expiries = book["expiry"].to_numpy().astype("datetime64[ns]").astype(np.int64)
        across = [formats.expiry(int(expiry))[:6] for expiry in expiries]
        marks_at = ((between(strikes, spot), False, "text"),) if strikes.size > 1 else ()
        self.map.show(
            Grid(
                across,
                [formats.strike(strike) for strike in strikes],
                cells,
                told=_usd(cells),
                marks=marks_at,
            )
        )
        self.card.say(self._scale(), SHORT_UNITS[choice.measure], title)
        self.card.empty("" if cells.size else "No exposure within the strikes shown.")


class ByTime(_Map):
    """Net gex by strike through time, with the way of spot over it."""

    inputs = ("exposures", "levels", "priced_chain")
    every_s = 2.0
    title, area, names, ticks = "GEX, strike × time", "by_time", ("time", "strike", "net"), (7, 12)

    def __init__(self, choice: Choice, snapshots: Snapshots, colours: Palette) -> None:
        super().__init__(choice, snapshots, colours)
        self.card.say("", "$ per 1 %", keys=(Key("text", "spot"),))
        line = self.map.figure.line([], [], line_width=1.8)
        self._painter(line.glyph, line_color="text")
        self.spot = line.data_source

    def refresh(self, source: Source) -> None:
        """Draw what the desk published."""
        choice = self.choice
        spot = self._snapshots.newest(source).spot
        key = "by time", choice.underlying, choice.sign_model, choice.basis, choice.reach
        found = shared(source, key, lambda: _through_time(gex_by_minute(source, choice), spot, choice.reach))
        if choice.measure != "gex" or found is None:
            kept = "Through time GEX alone is kept; choose it to see the map."
            self._nothing(why_none(choice) if choice.measure == "gex" else kept)
            self.spot.data = {"x": np.empty(0), "y": np.empty(0)}
            return
        times, strikes, grid = found
        self.map.show(grid)
        self._trace(source, times, strikes)
        self.card.say(self._scale())
        self.card.empty("" if strikes.size else "No exposure within the strikes shown.")

    def _trace(self, source: Source, times: np.ndarray, strikes: np.ndarray) -> None:
        rows = source.latest("levels")
        rows = rows[(rows["underlying"] == self.choice.underlying).to_numpy()]
        if len(rows) < 1 or strikes.size < 2:
            self.spot.data = {"x": np.empty(0), "y": np.empty(0)}
            return
        at = np.clip(np.searchsorted(rows["event_ns"].to_numpy(), times, side="right") - 1, 0, len(rows) - 1)
        spots = rows["spot"].to_numpy()[at]
        y = np.interp(spots, strikes, np.arange(strikes.size), left=np.nan, right=np.nan)
        self.spot.data = {"x": np.arange(times.size, dtype=np.float64), "y": y}


def _through_time(
    rows: pd.DataFrame, spot: float, reach: float
) -> tuple[np.ndarray, np.ndarray, Grid] | None:
    """Times, strikes and the picture of gex by strike through time; None without rows."""
    if not len(rows):
        return None
    wide = rows.pivot_table(index="strike", columns="event_ns", values="gex", aggfunc="last")
    step = max(-(-wide.shape[1] // _TIMES), 1)
    wide = wide.iloc[:, ::-step].iloc[:, ::-1]
    near = (
        wide.index[np.abs(wide.index.to_numpy() / spot - 1.0) <= reach] if np.isfinite(spot) else wide.index
    )
    wide = wide.loc[near]
    if len(wide) > _STRIKES:
        size = wide.abs().max(axis=1).nlargest(_STRIKES).index
        wide = wide.loc[sorted(size)]
    times, strikes = wide.columns.to_numpy(dtype=np.int64), wide.index.to_numpy(dtype=np.float64)
    day = times.size > 1 and times[-1] - times[0] > DAY_NS
    across = [pd.Timestamp(int(time)).strftime("%d %b %H:%M" if day else "%H:%M") for time in times]
    cells = wide.to_numpy()
    return (
        times,
        strikes,
        Grid(across, [formats.strike(strike) for strike in strikes], cells, told=_usd(cells)),
    )


class Scenario(_Map):
    """Forced flow: what dealers must buy or sell if spot and vol move now."""

    inputs = ("priced_chain",)
    every_s = 1.0
    title, area, names = "Forced flow", "scenario", ("spot", "vol", "dealers")
    numbers, ticks = True, (9, 5)

    def __init__(self, choice: Choice, snapshots: Snapshots, colours: Palette) -> None:
        super().__init__(choice, snapshots, colours)
        self.map.figure.yaxis.axis_label = "vol, points"
        self.map.figure.xaxis.axis_label = "spot"

    def refresh(self, source: Source) -> None:
        """Draw the newest forced flow."""
        choice = self.choice
        chain = chosen_chain(source, choice)
        if isinstance(chain, str):
            self._nothing(chain)
            return
        found = chain.forced_flow(choice.sign_model, choice.basis, spot_moves=_SPOTS, vol_moves=_VOLS)
        cells = found["forced_flow"].isel(days=0).transpose("vol_move", "spot_move").to_numpy()
        across = [formats.percent(move, 0, signed=True) for move in _SPOTS]
        up = [formats.number(100 * move, 0, signed=True) for move in _VOLS]
        texts = np.array(
            [formats.usd(cell, 2, signed=True).replace("$", "") for cell in cells.ravel()], dtype=object
        )
        reported = [
            f"{'buy' if cell > 0 else 'sell'} {formats.usd(abs(cell))}" for cell in cells.ravel().tolist()
        ]
        self.map.show(
            Grid(
                across,
                up,
                cells,
                texts.reshape(cells.shape),
                np.array(reported, dtype=object).reshape(cells.shape),
            )
        )
        self.card.say(self._scale(), "$, dealers buy + sell −")
        priced_any = bool(np.isfinite(cells).any())
        self.card.empty("" if priced_any else "No contract is priced, so no flow is known.")
