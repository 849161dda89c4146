"""Pictures of an evaluation as SVG: intervals of hit rates, and hit rate by score."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np
import xarray as xr

_WIDTH, _LABEL, _ROW = 720, 200, 22
_COLOURS = ("#2f7ed8", "#d9822b", "#2a9d5c", "#b5477f", "#7a6ad8", "#8a8a8a")


def hit_rate_intervals(made: xr.Dataset) -> str:
    """One line per rule and horizon: the interval, the rate as a point, the rate at random times as a bar.

    Parameters
    ----------
    made
        What ``evaluate`` gave.
    """
    lines = [
        (str(group), str(horizon)) for group in made["group"].values for horizon in made["horizon"].values
    ]
    parts, height = [_rate_axis(len(lines))], _ROW * (len(lines) + 2)
    for row, (group, horizon) in enumerate(lines):
        one = made.sel(group=group, horizon=horizon)
        y = _ROW * (row + 1.5)
        parts.append(
            f'<text x="0" y="{y + 4:.0f}" fill="currentColor">{escape(group)} {escape(horizon)}</text>'
        )
        rate, low, high, random = (
            float(one[name]) for name in ("hit_rate", "hit_low", "hit_high", "baseline_hit_rate")
        )
        if np.isfinite(rate):
            parts.append(
                f'<line x1="{_x(low):.1f}" x2="{_x(high):.1f}" y1="{y}" y2="{y}" stroke="{_COLOURS[0]}" stroke-width="2"/>'
            )
            parts.append(f'<circle cx="{_x(rate):.1f}" cy="{y}" r="4" fill="{_COLOURS[0]}"/>')
        if np.isfinite(random):
            parts.append(
                f'<line x1="{_x(random):.1f}" x2="{_x(random):.1f}" y1="{y - 7}" y2="{y + 7}" stroke="{_COLOURS[1]}" stroke-width="2"/>'
            )
    return _svg(parts, height, "hit rates with intervals; bars: random times")


def _rate_axis(rows: int) -> str:
    bottom = _ROW * (rows + 1)
    marks = [
        f'<line x1="{_x(at)}" x2="{_x(at)}" y1="{_ROW / 2}" y2="{bottom}" stroke="currentColor" opacity="{0.5 if at == 0.5 else 0.15}"/>'
        f'<text x="{_x(at)}" y="{bottom + 14}" text-anchor="middle" fill="currentColor">{at:.0%}</text>'
        for at in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    return "".join(marks)


def _x(rate: float) -> float:
    return _LABEL + (_WIDTH - _LABEL - 24) * rate


def calibration_curve(made: xr.Dataset) -> str:
    """Hit rate by score bucket, from the lowest to the highest, one line per horizon, with intervals and mean scores.

    Parameters
    ----------
    made
        What ``evaluate`` gave, with score buckets.
    """
    height, bottom = 260, 220
    scores = made["bucket_score"].values
    step = (_WIDTH - 100) / max(scores.size - 1, 1)
    parts = [
        f'<line x1="48" x2="{_WIDTH - 24}" y1="{_y(at, bottom):.0f}" y2="{_y(at, bottom):.0f}" stroke="currentColor" '
        f'opacity="{0.5 if at == 0.5 else 0.15}"/><text x="0" y="{_y(at, bottom) + 4:.0f}" fill="currentColor">{at:.0%}</text>'
        for at in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for number, horizon in enumerate(made["horizon"].values):
        colour = _COLOURS[number % len(_COLOURS)]
        one = made.sel(horizon=horizon)
        shift = 3.0 * (number - made.sizes["horizon"] / 2)  # intervals of one bucket stand side by side
        points = []
        for bucket in np.flatnonzero(np.isfinite(one["bucket_hit_rate"].values)):
            x = 60 + step * bucket + shift
            bounds = [
                _y(float(one[name].values[bucket]), bottom)
                for name in ("bucket_hit_low", "bucket_hit_high", "bucket_hit_rate")
            ]
            points.append(f"{x:.1f},{bounds[2]:.1f}")
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bounds[0]:.1f}" y2="{bounds[1]:.1f}" stroke="{colour}" opacity="0.5"/>'
            )
            parts.append(f'<circle cx="{x:.1f}" cy="{bounds[2]:.1f}" r="3" fill="{colour}"/>')
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        parts.append(
            f'<text x="{60 + 90 * number}" y="{height - 4}" fill="{colour}">{escape(str(horizon))}</text>'
        )
    parts.extend(
        f'<text x="{60 + step * bucket:.0f}" y="{bottom + 18}" text-anchor="middle" fill="currentColor">{scores[bucket]:,.4g}</text>'
        for bucket in np.flatnonzero(np.isfinite(scores))
    )
    return _svg(parts, height, "hit rate by score")


def _y(rate: float, bottom: float) -> float:
    return bottom - (bottom - 12) * rate


def _svg(parts: Iterable[str], height: float, title: str) -> str:
    return (
        f'<div class="wide"><svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" aria-label="{escape(title)}" '
        f'font-size="12" font-family="system-ui,sans-serif"><title>{escape(title)}</title>{"".join(parts)}</svg></div>'
    )
