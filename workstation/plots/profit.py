"""PnL in pictures: cumulative curves, and the explain as a waterfall."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.plots import formats
from workstation.plots.style import Style, colours_of, said, text
from workstation.portfolio.curves import curves
from workstation.portfolio.explain import PARTS

LEGS = 5
"""Legs drawn beside the book, those that moved most."""
_ROLES = ("up", "down", "zero", "good", "warn")
_MOST = 4_000


def pnl(rows: pd.DataFrame, *, legs: bool = False, theme: str | None = None) -> Any:
    """Cumulative PnL of the book: its total with what is realised and not, or leg by leg.

    Parameters
    ----------
    rows
        Of the ``pnl`` table.
    legs
        Draw the legs that moved most instead of realised and unrealised.
    theme
        ``light`` or ``dark``; default: the current one.

    Returns
    -------
    holoviews.Overlay
        Curves over ``time`` (UTC), USD; a gap where a leg had no mark.
    """
    colours = colours_of(theme)
    style = Style(colours, x="time", y="usd", xlabel="", ylabel="PnL, USD", title="cumulative PnL")
    columns = {"total": curves(rows)}
    wide = columns["total"]
    if "book" not in wide:
        raise ValueError(
            "pnl: no row of the whole book (one without an instrument); give all rows of the pnl table"
        )
    flat = hv.HLine(0.0).opts(color=colours.axis, line_width=1)
    if legs:
        parts = {"book": wide["book"]}
        last = {name: float(np.nan_to_num(wide[name].iloc[-1])) for name in wide.columns if name != "book"}
        for name in sorted(last, key=lambda name: -abs(last[name]))[:LEGS]:
            parts[name.split(" ")[-1].split(":")[-1]] = wide[name]
    else:
        parts = {
            "total": wide["book"],
            **{name: curves(rows, name)["book"] for name in ("unrealised", "realised")},
        }
    frame = pd.DataFrame({f"part_{at}": values for at, values in enumerate(parts.values())})
    frame = frame.iloc[:: -max(-(-len(frame) // _MOST), 1)].iloc[::-1]
    frame = frame.reset_index(names="time")
    hover = [
        ("time", "@time{%d %b %H:%M:%S}"),
        *((name, said(f"part_{at}", "usd")) for at, name in enumerate(parts)),
    ]
    made = []
    for at, name in reversed(list(enumerate(parts))):
        others = [column for column in frame.columns if column not in ("time", f"part_{at}")]
        curve = hv.Curve(frame, "time", [f"part_{at}", *others], label=name)
        colour = colours.net if at == 0 else getattr(colours, _ROLES[(at - 1) % len(_ROLES)])
        dash = "solid" if at == 0 or legs else ("dashed", "dotted")[at - 1]
        made.append(
            style(
                curve,
                hover if at == 0 else None,
                color=colour,
                line_dash=dash,
                line_width=2.0 if at == 0 else 1.3,
            )
        )
    return style.overlay(flat, *made, legend="top")


def waterfall(amounts: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Bottoms and tops of the bars of amounts that add up, each beginning where the one before ended; the last is their total.

    Examples
    --------
    >>> bottom, top = waterfall([5.0, -2.0])
    >>> bottom.tolist(), top.tolist()
    ([0.0, 3.0, 0.0], [5.0, 5.0, 3.0])
    """
    parts = np.asarray(amounts, dtype=np.float64)
    ends = np.cumsum(parts)
    starts = np.concatenate(([0.0], ends[:-1]))
    total = float(ends[-1]) if ends.size else 0.0
    return np.append(np.minimum(starts, ends), min(total, 0.0)), np.append(
        np.maximum(starts, ends), max(total, 0.0)
    )


def explain(parts: pd.DataFrame | pd.Series[float], *, theme: str | None = None) -> Any:
    """Where a PnL comes from, as a waterfall whose parts add up to the total.

    Parameters
    ----------
    parts
        From ``workstation.portfolio.explain`` (its row ``total`` is drawn), or one row of it.
    theme
        As for ``pnl``.

    Returns
    -------
    holoviews.Overlay
        Bars over the place of each part with ``amount``, USD, and their words.

    Raises
    ------
    ValueError
        A part that is missing or not known.
    """
    row: Any = parts.loc["total"] if isinstance(parts, pd.DataFrame) else parts
    missing = [part for part in (*PARTS, "total") if part not in row or not np.isfinite(float(row[part]))]
    if missing:
        raise ValueError(
            f"explain: {', '.join(missing)} not known; give what workstation.portfolio.explain returns"
        )
    colours = colours_of(theme)
    amounts = np.array([float(row[part]) for part in PARTS])
    bottom, top = waterfall(amounts)
    values = np.append(amounts, float(row["total"]))
    names = [part.replace("_", " ") for part in (*PARTS, "total")]
    fills = [colours.up if amount > 0 else colours.down for amount in amounts] + [colours.net]
    places = np.arange(values.size, dtype=np.float64)
    frame = pd.DataFrame({
        "x0": places - 0.36, "bottom": bottom, "x1": places + 0.36, "top": top, "part": names, "amount": values, "fill": fills,
        "words": [f"{_sign(amount)}${formats.number(abs(amount), 2)}" for amount in values.tolist()],
    })  # fmt: skip
    style = Style(
        colours, x="plain", y="usd", xlabel="", ylabel="PnL, USD", title=f"PnL explain, total {formats.usd(float(row['total']), signed=True)}",
        xticks=list(enumerate(names)), xrotation=35, xlim=(-0.6, len(names) - 0.4),
    )  # fmt: skip
    bars_ = hv.Rectangles(frame, ["x0", "bottom", "x1", "top"], ["part", "amount", "fill", "words"])
    written = pd.DataFrame(
        {
            "label_x": places,
            "label_y": top,
            "ink": colours.text,
            "words": [
                "" if not amount else formats.usd(amount, 3, signed=True) for amount in values.tolist()
            ],
        }
    )
    room = 0.12 * (float(top.max(initial=0.0)) - float(bottom.min(initial=0.0)) or 1.0)
    labels = text(
        written, ("label_x", "label_y", "words", "ink"), colours, size="10px", text_baseline="bottom"
    )
    return style.overlay(
        hv.HLine(0.0).opts(color=colours.axis, line_width=1),
        style(bars_, [("@part", "@words")], color="fill", line_alpha=0),
        labels,
        ylim=(float(bottom.min(initial=0.0)) - room, float(top.max(initial=0.0)) + room),
    )


def _sign(amount: float) -> str:
    return formats.MINUS if amount < 0 else "+" if amount > 0 else ""
