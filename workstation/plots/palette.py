"""The one palette, light and dark, of pages and plots together.

Up and down are blue and orange, told apart by every common kind of colour blindness; the second cue is the
shape (hollow or filled candles, bars to the right or left) or the sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bokeh.palettes import Cividis256

FONT = "Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Palette:
    """Colours by role."""

    name: str
    page: str
    card: str
    raised: str
    line: str
    grid: str
    axis: str
    text: str
    muted: str
    accent: str
    up: str
    down: str
    net: str
    zero: str
    bad: str
    warn: str
    good: str
    on_tag: str
    """Text on a filled tag."""


DARK = Palette(
    name="dark", page="#0a0e13", card="#10161d", raised="#18212b", line="#212c38", grid="#1b2530", axis="#3a4857",
    text="#e8eef4", muted="#93a2b1", accent="#58b7ff", up="#4aa8ff", down="#f7a13c", net="#e8eef4", zero="#c79bff",
    bad="#ff7a7a", warn="#ffce54", good="#5fd3a5", on_tag="#0a0e13",
)  # fmt: skip
LIGHT = Palette(
    name="light", page="#eef1f4", card="#ffffff", raised="#f3f6f9", line="#d7dee5", grid="#e8edf2", axis="#9aa7b4",
    text="#131a21", muted="#55636f", accent="#0a62b8", up="#0a62b8", down="#b8500a", net="#131a21", zero="#6f35c9",
    bad="#b3261e", warn="#8a5a00", good="#0b6b49", on_tag="#ffffff",
)  # fmt: skip


def palette(dark: bool) -> Palette:
    """The palette of a theme."""
    return DARK if dark else LIGHT


CLEAR = "rgba(0, 0, 0, 0)"
"""What a value that is not known is painted in."""


def rgb(colour: str) -> np.ndarray:
    """Red, green and blue of ``#rrggbb``, 0 to 255."""
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], dtype=np.float64)


def _hex(rgb: np.ndarray) -> str:
    return "#" + "".join(f"{round(float(part)):02x}" for part in rgb)


def diverging(values: np.ndarray, limit: float, colours: Palette) -> list[str]:
    """Colours of values around zero: the card at zero, up at ``limit``, down at minus ``limit``; NaN is clear.

    Examples
    --------
    >>> diverging(np.array([0.0, 2.0, np.nan]), 2.0, DARK) == [DARK.card, DARK.up, CLEAR]
    True
    """
    card, ends = rgb(colours.card), (rgb(colours.down), rgb(colours.up))
    share = np.sqrt(np.minimum(np.abs(values) / (limit or 1.0), 1.0))
    return [
        _hex(card + part * (ends[int(number > 0)] - card)) if np.isfinite(number) else CLEAR
        for number, part in zip(values.tolist(), share.tolist(), strict=True)
    ]


def sequential(values: np.ndarray, low: float, high: float) -> list[str]:
    """Colours of values from ``low`` to ``high``, told apart by every kind of sight; NaN is clear.

    Examples
    --------
    >>> sequential(np.array([0.0, 1.0]), 0.0, 1.0) == [Cividis256[0].lower(), Cividis256[-1].lower()]
    True
    """
    share = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
    return [Cividis256[int(255 * part)].lower() if np.isfinite(part) else CLEAR for part in share.tolist()]


def diverging_scale(colours: Palette, steps: int = 255) -> list[str]:
    """The colours of ``diverging`` as a scale for evenly spaced values from minus the limit to the limit.

    Examples
    --------
    >>> scale = diverging_scale(DARK)
    >>> scale[0] == DARK.down, scale[127] == DARK.card, scale[-1] == DARK.up
    (True, True, True)
    """
    return diverging(np.linspace(-1.0, 1.0, steps), 1.0, colours)
