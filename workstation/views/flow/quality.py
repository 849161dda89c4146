"""How far the flow can be believed: prints with a quote, how stale, what had no side and why, and what abstained."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from workstation.market.contract_words import CONTRACTS
from workstation.plots import formats
from workstation.views.flow.selection import print_sides
from workstation.views.state.source import Source, View
from workstation.views.widgets.value_line import cell, value_line

RECENT = 5_000
"""Prints looked at, the newest."""


def coverage(prints: pd.DataFrame) -> dict[str, float]:
    """Shares of option prints with a fresh quote, a stale one and none, with their side, and ages of the quotes.

    Parameters
    ----------
    prints
        Rows of ``prints``.

    Returns
    -------
    dict
        prints; fresh, stale, missing, sided (shares, 0-1, NaN of no prints); age_p50_ms, age_p95_ms.
    """
    own = prints[CONTRACTS.is_option(prints["instrument"].cat.codes.to_numpy())]
    placement, count = own["placement"].astype("str").to_numpy(), len(own)
    share = {
        name: float(np.mean(placement == name)) if count else float("nan") for name in ("STALE", "MISSING")
    }
    ages = own["quote_age_ms"].to_numpy(dtype=float)
    ages = ages[np.isfinite(ages)]
    p50, p95 = np.percentile(ages, (50, 95)).tolist() if len(ages) else (float("nan"), float("nan"))
    return {
        "prints": count, "fresh": 1.0 - share["STALE"] - share["MISSING"], "stale": share["STALE"], "missing": share["MISSING"],
        "sided": float(np.mean(print_sides(own) != 0)) if count else float("nan"), "age_p50_ms": p50, "age_p95_ms": p95,
    }  # fmt: skip


def exclusions(prints: pd.DataFrame) -> dict[str, int]:
    """Prints without a direction of their own by the reason, the most first.

    Examples
    --------
    >>> exclusions(pd.DataFrame({"exclusion": ["", "late", "auction", "late"]}))
    {'late': 2, 'auction': 1}
    """
    counts = prints["exclusion"].astype("str").value_counts()
    return {str(name): int(count) for name, count in counts.items() if name and count}


def abstentions(hits: pd.DataFrame) -> tuple[int, dict[str, int]]:
    """How many hits there are, and how many abstained by the reason."""
    silent = hits[hits["abstained"].to_numpy(dtype=bool)]
    counts = silent["reason"].astype("str").value_counts()
    return len(hits), {str(name): int(count) for name, count in counts.items() if count}


class Quality(View):
    """The value line: coverage, staleness, sides and abstentions."""

    inputs = ("prints", "hits")
    every_s = 0.5

    def __init__(self) -> None:
        self._line = value_line()
        self.panel = self._line.panel

    def refresh(self, source: Source) -> None:
        """Count again."""
        prints = source.latest("prints").iloc[-RECENT:]
        self._line.show(line_html(prints, source.latest("hits")))

    def show_failure(self, reason: str) -> None:
        """Say it in the line."""
        if reason:
            self._line.show(
                f'<dl class="line"><div class="cell"><dt role="alert">{escape(reason)}</dt></div></dl>'
            )


def line_html(prints: pd.DataFrame, hits: pd.DataFrame) -> str:
    """The cells of the line."""
    found = coverage(prints)
    count, silent = abstentions(hits)
    why = ", ".join(f"{number} {reason}" for reason, number in silent.items())
    excluded = exclusions(prints)
    reasons = ", ".join(f"{number} {reason}" for reason, number in excluded.items())
    first, most = next(iter(excluded.items()), ("", 0))
    role = "good" if found["fresh"] >= 0.8 else "warn" if found["fresh"] >= 0.5 else "bad"
    said = [
        cell("NBBO coverage", formats.percent(found["fresh"], 1), _by(f"of {formats.number(found['prints'])} option prints"), role=role),
        cell("stale", formats.percent(found["stale"], 1), _by(f"none {formats.percent(found['missing'], 1)}"), role="warn"),
        cell("quote age", _ms(found["age_p50_ms"]), _by(f"p95 {_ms(found['age_p95_ms'])}")),
        cell("with a side", formats.percent(found["sided"], 0), _by("of option prints")),
        cell("excluded", formats.number(sum(excluded.values())), _by(f"{most} {first}" if most else "none", reasons)),
        cell("abstained", formats.number(sum(silent.values())), _by(f"of {formats.number(count)} hits", why)),
    ]  # fmt: skip
    return f'<dl class="line">{"".join(said)}</dl>'


def _by(words: str, more: str = "") -> str:
    return f'<span class="by" title="{escape(more)}">{escape(words)}</span>'


def _ms(value: float) -> str:
    return f"{value:.0f}{formats.THIN}ms" if np.isfinite(value) else formats.UNKNOWN
