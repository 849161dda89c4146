"""Cascade risk with its parts, and what large hands did."""

from __future__ import annotations

import json
from collections.abc import Hashable
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import CASCADE_PARTS
from workstation.views.state.choice import Choice
from workstation.views.state.source import Source
from workstation.views.widgets import formats
from workstation.views.widgets.assets import table_css
from workstation.views.widgets.card import Card, Markup
from workstation.views.widgets.figure import TextView

SHOWN = 40
_NAMES = {
    "below_zero_gamma": "Below zero gamma",
    "forced_selling_1pct": "Forced selling at −1 %",
    "forced_selling_3pct": "Forced selling at −3 %",
    "put_wall_distance": "Put wall near",
    "liquidations": "Liquidations",
    "open_interest_fall": "Open interest falls",
}
_UNITS = {
    "daily sd": "sd", "minutes of median volume": "min of volume", "times the day's median": "× median", "1": "%",
}  # fmt: skip
_RISK = table_css(__package__, "risk.css")
_LIST = table_css(__package__, "risk_list.css")
_DIRECTIONS = {1: ("up", "▲ bullish"), -1: ("down", "▼ bearish"), 0: ("", "○ neutral")}


class CascadeRisk(TextView):
    """The newest score and its parts as bars; what is missing is hatched and says why."""

    inputs = ("cascade",)
    every_s = 0.5

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self._page = Markup(_RISK, sizing_mode="stretch_both")
        self.card = Card("Cascade risk", self._page.panel, unit="0–1, with its parts", area="cascade")

    def refresh(self, source: Source) -> None:
        """Write the newest score."""
        rows = source.latest("cascade")
        rows = rows[(rows["underlying"].astype("str") == self.choice.underlying).to_numpy()]
        self.card.empty("" if len(rows) else "Not published yet: it needs marks and a minute of trades.")
        if not len(rows):
            self._page.show("")
            self.card.say("")
            return
        row = rows.iloc[-1].to_dict()
        score, known = float(row["score"]), float(row["known"])
        unwind = f'<span class="tag">{escape(str(row["unwind"]))}</span>' if row["unwind"] else ""
        missing = dict(part.split(": ", 1) for part in str(row["missing"]).split("; ") if ": " in part)
        parts = "".join(_part(row, name, missing.get(name, "")) for name in CASCADE_PARTS)
        self._page.show(
            f'<div class="risk" tabindex="0" role="group" aria-label="cascade risk"><div class="score"><b>{formats.number(score, 2)}</b>'
            f"<span>{_words(score)}; {formats.percent(known, 0)} of the weight known</span>{unwind}</div>{parts}</div>"
        )
        self.card.say("", f"0–1, {row['sign_model'].replace('_', ' ')}")


def _words(score: float) -> str:
    if not np.isfinite(score):
        return "no part known"
    return "high" if score >= 0.66 else "raised" if score >= 0.33 else "low"


def _part(row: dict[str, Any], name: str, why: str) -> str:
    score, raw = float(row[f"{name}_score"]), float(row[name])
    unit = _UNITS[CASCADE_PARTS[name]]
    if not np.isfinite(score):
        reported = escape(why or "not known")
        return (
            f'<div class="row missing" title="{reported}"><span class="name">{_NAMES[name]}</span><span class="bar"></span>'
            f'<span class="raw">missing</span></div>'
        )
    heat = "hot" if score >= 0.66 else "warm" if score >= 0.33 else "cold"
    shown = formats.percent(raw, 1, signed=True) if unit == "%" else f"{formats.number(raw, 1)} {unit}"
    return (
        f'<div class="row"><span class="name">{_NAMES[name]}</span><span class="bar {heat}" role="img" '
        f'aria-label="{score:.2f}"><i style="width:{100 * score:.0f}%"></i></span><span class="raw">{shown}</span></div>'
    )


class SmartMoneyList(TextView):
    """Blocks, large prints and walls that change, the newest first, each with its evidence one click away."""

    inputs = ("alerts",)
    every_s = 0.5

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self._table = Markup(_LIST, sizing_mode="stretch_both")
        self.card = Card("Smart money", self._table.panel, unit="newest first", area="smart")

    def refresh(self, source: Source) -> None:
        """Write the newest alerts."""
        rows = source.latest("alerts")
        rows = rows.drop_duplicates("alert_id", keep="last")
        rows = rows[self._ours(rows)].sort_values("event_ns", kind="stable").iloc[::-1].head(SHOWN)
        self.card.empty("" if len(rows) else "No block, large print or changed wall yet.")
        if not len(rows):
            self._table.show("")
            self.card.say("")
            return
        heads = (("time UTC", ""), ("what", ""), ("side", ""), ("premium", "n"), ("score", "n"), ("why", ""))
        head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in heads)
        body = "".join(_alert(row) for row in rows.to_dict("records"))
        self._table.show(
            f'<table tabindex="0" aria-label="smart money"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        )
        high = int((rows["severity"].astype("str") == "high").sum())
        self.card.say(f"{high} high of {len(rows)}" if high else f"{len(rows)}")

    def _ours(self, rows: pd.DataFrame) -> np.ndarray:
        names = rows["instrument"].astype("str").where(rows["instrument"].notna(), "")
        known = sorted(set(names) - {""})
        terms = INSTRUMENT_TERMS.describe(known)
        owner = dict(zip(known, terms["underlying"].astype("str"), strict=True))
        walls = rows["alert_id"].astype("str").str.startswith(f"oi_wall_change:{self.choice.underlying}:")
        return (names.map(owner).eq(self.choice.underlying) | walls).to_numpy()


def _alert(row: dict[Hashable, Any]) -> str:
    role, words = _DIRECTIONS[int(np.sign(row["direction"]))]
    severity = str(row["severity"])
    score = float(row["score"])
    gone = ' class="retracted"' if row["verdict"] == "retracted" else ""
    evidence = escape(json.dumps(json.loads(row["evidence"]), indent=1)) if row["evidence"] else ""
    more = f"<details><summary>evidence</summary><pre>{evidence}</pre></details>" if evidence else ""
    return (
        f"<tr{gone}><td>{pd.Timestamp(row['event_ns']).strftime('%H:%M:%S')}</td><td>{escape(str(row['kind']).replace('_', ' '))}</td>"
        f'<td class="{role}">{words}</td><td class="n">{formats.usd(float(row["premium_usd"]))}</td>'
        f'<td class="n {severity}">{formats.number(score)}</td><td class="why">{escape(str(row["explanation"]))}{more}</td></tr>'
    )
