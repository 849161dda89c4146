"""What is marked on a chart and listed under it: reversal signals and spikes, told once for every session."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd

from workstation.views.spacetime.signal_reasons import SIDES, Reason, reasons, table, tooltip, words
from workstation.views.widgets import formats

KEPT = 500
"""Markers of a kind kept per instrument."""
SHAPES = {1: "triangle", 2: "diamond", 3: "star", 4: "square"}
"""Marker per version; its colour, its side of the price and the way a triangle or star points tell up from down."""
SIGNAL_TABLE = ("seq", "event_ns", "price", "side", "version", "strength", "evidence")
SPIKE_TABLE = ("seq", "start_ns", "end_ns", "peak", "height_sd", "direction")
"""Columns of the tables ``reversals`` and ``spikes`` that are reported."""
SIGNAL_COLUMNS = ("x", "y", "marker", "angle", "why", "version", "side", "size")
SPIKE_COLUMNS = ("left", "right", "peak", "height_sd", "words", "lasted")
"""Columns a figure draws; markers also have ``seq`` and ``row``, their row in a list as HTML."""
SIZES = {1: 12.0, 2: 13.0, 3: 17.0, 4: 10.0}
_SIGNS = {1: "▲", 2: "◆", 3: "★", 4: "■"}


class Markers(NamedTuple):
    """Markers of one instrument as columns, and how many there ever were: what a session has not seen is at the end.

    Examples
    --------
    >>> first, second = (Markers({"x": np.array(x)}, len(x)) for x in ([1, 2], [3]))
    >>> first.followed_by(second).after(1)["x"].tolist()
    [2, 3]
    """

    columns: dict[str, np.ndarray]
    count: int  # type: ignore[assignment] # a tuple's own count is not used

    def after(self, seen: int) -> dict[str, np.ndarray]:
        """The columns of those that came after the first ``seen``."""
        held = len(next(iter(self.columns.values())))
        new = min(self.count - seen, held)
        return {name: values[held - new :] for name, values in self.columns.items()}

    def followed_by(self, others: Markers) -> Markers:
        """These and then the others, the last ``KEPT`` of them."""
        if not others.count:
            return self
        joined = {
            name: np.concatenate([values, others.columns[name]])[-KEPT:]
            for name, values in self.columns.items()
        }
        return Markers(joined, self.count + others.count)


def signal_markers(instrument: str, rows: Mapping[str, np.ndarray] | None = None) -> Markers:
    """Markers of reversal signals; ``rows`` has the columns ``SIGNAL_TABLE`` of one instrument, none: no signals."""
    held = rows or _none(SIGNAL_TABLE)
    versions = [int(version) for version in held["version"]]
    reported = [_signal(*(held[name][index] for name in SIGNAL_TABLE[1:])) for index in range(len(versions))]
    columns = {
        "x": held["event_ns"] / 1e6,
        "y": held["price"],
        "marker": _texts([SHAPES.get(version, "hex") for version in versions]),
        "angle": np.where(held["side"] < 0, np.pi, 0.0),
        "version": held["version"],
        "side": held["side"],
        "size": np.array([SIZES.get(version, 12.0) for version in versions]),
        "why": _texts([_why(each) for each in reported]),
        "seq": held["seq"],
        "row": _texts([_signal_row(instrument, each) for each in reported]),
    }
    return Markers(columns, len(versions))


def spike_markers(instrument: str, rows: Mapping[str, np.ndarray] | None = None) -> Markers:
    """Markers of spikes; ``rows`` has the columns ``SPIKE_TABLE`` of one instrument, none: no spikes."""
    held = rows or _none(SPIKE_TABLE)
    start, end = held["start_ns"], held["end_ns"]
    reported = [tuple(held[name][index] for name in SPIKE_TABLE[1:]) for index in range(len(start))]
    columns = {
        "left": start / 1e6,
        "right": end / 1e6,
        "peak": held["peak"],
        "height_sd": held["height_sd"],
        "words": _texts([SIDES[int(side)] for side in held["direction"]]),
        "lasted": _texts([formats.age(span / 1e9) for span in end - start]),
        "seq": held["seq"],
        "row": _texts([_spike_row(instrument, *each) for each in reported]),
    }
    return Markers(columns, len(start))


def _none(columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    whole = ("seq", "event_ns", "start_ns", "end_ns", "side", "direction", "version")
    return {name: np.empty(0, np.int64 if name in whole else np.float64) for name in columns}


def _texts(values: list[str]) -> np.ndarray:
    return np.array(values, dtype=object)


class _Signal(NamedTuple):
    """A signal, and why it fired."""

    event_ns: int
    price: float
    side: int
    version: int
    strength: float
    reasons: list[Reason]


def _signal(event_ns: int, price: float, side: int, version: int, strength: float, evidence: str) -> _Signal:
    return _Signal(
        event_ns, price, int(side), int(version), strength, reasons(int(version), int(side), evidence)
    )


def _why(signal: _Signal) -> str:
    title = (
        f"{_SIGNS.get(signal.version, '')} v{signal.version} {SIDES[signal.side]} {formats.price(signal.price)}"
        f" · strength {signal.strength:.2f} · {_clock(signal.event_ns)} UTC"
    )
    return tooltip(title, signal.reasons)


def _signal_row(instrument: str, signal: _Signal) -> str:
    short, version = escape(words(signal.reasons)), signal.version
    return (
        f"<tr><td>{_clock(signal.event_ns)}</td><td>{escape(instrument)}</td><td>{_SIGNS.get(version, '')} v{version}</td>"
        f'<td class="{_role(signal.side)}">{SIDES.get(signal.side, "–")}</td><td class="n">{formats.price(signal.price)}</td>'
        f'<td class="n">{formats.number(signal.strength, 2)}</td>'
        f'<td class="why"><details><summary title="{short}">{short}</summary>{table(signal.reasons)}</details></td></tr>'
    )


def _spike_row(
    instrument: str, start_ns: int, end_ns: int, peak: float, height_sd: float, direction: int
) -> str:
    width = int(np.clip(4 * height_sd, 2, 56)) if np.isfinite(height_sd) else 2
    return (
        f"<tr><td>{_clock(start_ns)}</td><td>{escape(instrument)}</td>"
        f'<td class="{_role(direction)}">{SIDES.get(int(direction), "–")}</td>'
        f'<td class="n"><span class="bar" style="width:{width}px"></span>{formats.number(height_sd, 1)}{formats.THIN}sd</td>'
        f'<td class="n">{formats.si(peak)}</td><td class="n">{formats.age((end_ns - start_ns) / 1e9)}</td></tr>'
    )


def _role(side: int) -> str:
    return {1: "up", -1: "down"}.get(int(side), "")


def _clock(event_ns: int) -> str:
    return pd.Timestamp(int(event_ns), unit="ns").strftime("%H:%M:%S.%f")[:-3]
