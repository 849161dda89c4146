"""An alert's evidence as a page to read: what fired, from which prints at which quotes, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from workstation.flow.evidence import Evidence
from workstation.market.contract_words import CONTRACTS
from workstation.plots import formats
from workstation.views.flow.selection import print_sides
from workstation.views.flow.tapes import SIDE_WORDS
from workstation.views.widgets.row_table import local_times

_FEATURES = {
    "vwap": "average price", "largest_usd": "largest print", "exchanges": "exchanges", "iso_prints": "ISO prints", "buy_ratio": "at the ask",
    "sell_ratio": "at the bid", "inside_ratio": "inside", "coverage": "prints with a quote", "directional": "size that may have a side",
    "relative_spread": "spread of price", "quote_age_ms": "oldest quote", "spot": "underlying", "iv": "vol", "vol_edge_bps": "vol from the surface",
    "pre_move": "underlying 5 min before", "delta": "delta", "gex": "gamma, takers", "open_interest": "open interest",
    "volume_before": "volume before", "name": "structure", "units": "units", "net_usd": "net premium", "net_delta": "net delta",
    "net_gex": "net gamma", "net_vega": "net vega", "symmetry": "smallest over largest leg", "uncovered": "legs uncovered",
}  # fmt: skip
_BASELINES = {
    "premium_z": "premium, mean and sd", "premium_mad_z": "premium, median and MAD", "size_z": "size, mean and sd",
    "size_mad_z": "size, median and MAD", "premium_rank": "premium rank in the name", "samples": "packets compared with",
}  # fmt: skip
_SHARES = frozenset({
    "buy_ratio", "sell_ratio", "inside_ratio", "coverage", "directional", "relative_spread", "iv", "pre_move", "premium_rank", "symmetry",
})  # fmt: skip
_USD = frozenset({"largest_usd", "premium_usd", "net_usd", "gex", "net_gex", "net_vega"})
_UNITS: tuple[tuple[frozenset[str], Callable[[float], str]], ...] = (
    (_SHARES, lambda value: formats.percent(value, 1)),
    (_USD, formats.usd),
    (frozenset({"quote_age_ms"}), lambda value: f"{value:.0f}{formats.THIN}ms"),
    (frozenset({"vol_edge_bps"}), lambda value: f"{formats.number(value, signed=True)} bps"),
)
_VERDICTS = {"open": "stands", "retracted": "retracted", "confirmed": "confirmed", "refuted": "refuted"}


def feature_text(name: str, value: Any) -> str:
    """A feature with its unit.

    Examples
    --------
    >>> [feature_text(name, value).replace(formats.THIN, " ") for name, value in (("buy_ratio", 0.5), ("quote_age_ms", 61.0), ("iv", None))]
    ['50.0 %', '61 ms', '–']
    """
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    if isinstance(value, str):
        return value
    known = float(value)
    for names, text in _UNITS:
        if name in names:
            return text(known)
    if name.endswith("_z"):
        return formats.sd(known)
    return f"{known:,.6g}".replace(",", formats.THIN)


def head_html(found: Evidence) -> str:
    """What the alert is, in words."""
    alert = found.alert
    code = found.revisions["instrument"].cat.codes.to_numpy()[-1:]
    tags = (
        f"{alert['severity']} · {alert['score']:.0f} of 100", f"premium {formats.usd(float(alert['premium_usd']))}",
        {1: "▲ bullish", -1: "▼ bearish", 0: "neutral"}[int(alert["direction"])], _VERDICTS[str(alert["verdict"])],
        f"rule {alert['rule_version']}",
    )  # fmt: skip
    parts = [
        f"<h2>{escape(str(CONTRACTS.words(code)[0]))} · {escape(str(alert['kind']).replace('_', ' '))}</h2>",
        f"<p>{''.join(f'<span class=tag>{escape(tag)}</span>' for tag in tags)}</p>",
        f"<p>{escape(str(alert['explanation']))}</p>",
    ]
    return f'<div class="paper head">{"".join(parts)}</div>'


def evidence_html(found: Evidence, zone: ZoneInfo) -> str:
    """What it stands on, part by part."""
    alert, details = found.alert, found.details
    features = details.get("features", {})
    when = local_times(found.revisions["event_ns"].to_numpy(), zone)
    parts = [
        _table("Score: the sum of its parts", ("part", "points"), _score_rows(details, float(alert["score"]))),
        _rules(details),
        _table(f"Prints ({zone.key})", _PRINT_HEADS, _print_rows(found.prints, zone)),
        _table("Features", ("", ""), _feature_rows(features, _FEATURES)),
        _table("Baselines", ("", ""), _feature_rows(features, _BASELINES)),
        _table("Confidence, part by part", ("part", ""), ((name.replace("_", " "), f"{value:+.2f}") for name, value in details.get("confidence", {}).items())),
        _table("What happened after", ("minutes", "underlying", "contract"), _after_rows(found.after)),
        _table("Told", ("time", "verdict", "score"), zip(when, found.revisions["verdict"].astype("str"), (f"{score:.0f}" for score in found.revisions["score"]), strict=True)),
        f"<h3>Alert</h3><p>{escape(str(alert['alert_id']))}</p>",
    ]  # fmt: skip
    return f'<div class="paper">{"".join(parts)}</div>'


_PRINT_HEADS = (
    "time",
    "contract",
    "side",
    "price",
    "size",
    "bid",
    "ask",
    "quote age",
    "at",
    "cond.",
    "exch.",
    "why no side",
)


def _table(title: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    body = "".join(
        f"<tr>{''.join(f'<td class={chr(34)}{_kind(cell)}{chr(34)}>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    if not body:
        return ""
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in heads)
    top = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    return f'<h3>{escape(title)}</h3><div class="wide" tabindex="0" role="region" aria-label="{escape(title)}"><table>{top}<tbody>{body}</tbody></table></div>'


def _kind(cell: str) -> str:
    if cell.startswith(("▲", "▼")):
        return "up" if cell[0] == "▲" else "down"
    return "words" if len(cell) > 40 else ""


def _score_rows(details: dict[str, Any], score: float) -> Iterable[tuple[str, str]]:
    yield from ((name, f"{value:+.1f}") for name, value in details.get("score_components", {}).items())
    yield "score", f"{score:.1f}"


def _rules(details: dict[str, Any]) -> str:
    """Each rule that fired: its confidence and direction, then its words, or why it abstains and what it could not tell apart."""
    parts = ""
    for hit in details.get("hits", []):
        words = str(hit["explanation"]).partition(": ")[2] or str(hit["explanation"])
        if hit["abstained"]:
            words = f"abstains: {hit['reason']}; it could be {hit['alternatives']}"
        kind, direction = {1: ("up", "▲ bullish"), -1: ("down", "▼ bearish"), 0: ("", "neutral")}[
            int(hit["direction"])
        ]
        parts += (
            f"<p><b>{escape(str(hit['classifier']).replace('_', ' '))}</b> · confidence {hit['confidence']:.2f} · "
            f'<span class="{kind}">{direction}</span><br>{escape(words)}</p>'
        )
    return f"<h3>Rules</h3>{parts}" if parts else ""


def _print_rows(prints: pd.DataFrame, zone: ZoneInfo) -> Iterable[tuple[str, ...]]:
    times = local_times(prints["event_ns"].to_numpy(), zone)
    words, sides = CONTRACTS.words(prints["instrument"].cat.codes.to_numpy()), print_sides(prints)
    for time, name, side, one in zip(times, words, sides, prints.to_dict("records"), strict=True):
        yield (
            time, str(name), SIDE_WORDS[int(side)], formats.price(one["price"]), formats.number(one["size"]), formats.price(one["bid"]),
            formats.price(one["ask"]), feature_text("quote_age_ms", one["quote_age_ms"]), str(one["placement"]), str(one["condition"]),
            str(one["exchange"]), str(one["exclusion"]),
        )  # fmt: skip


def _feature_rows(features: dict[str, Any], named: dict[str, str]) -> Iterable[tuple[str, str]]:
    return ((words, feature_text(name, features[name])) for name, words in named.items() if name in features)


def _after_rows(after: pd.DataFrame) -> Iterable[tuple[str, ...]]:
    for minutes, underlying, contract in after[["minutes", "return", "contract"]].itertuples(index=False):
        yield f"{minutes:.0f}", _return(underlying), _return(contract)


def _return(value: float) -> str:
    return formats.percent(value, 2, signed=True) if np.isfinite(value) else "not known yet"
