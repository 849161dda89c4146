"""An evaluation as a page: figures in tables, hit rates with their intervals as pictures."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workstation.market.public_face import make_callable
from workstation.research.evaluation.pictures import calibration_curve, hit_rate_intervals

_STYLE = (
    ".evaluation{font:14px/1.45 system-ui,sans-serif;max-width:84rem}.evaluation table{border-collapse:collapse;margin:.4rem 0 1rem}"
    ".evaluation th,.evaluation td{padding:.15rem .6rem;text-align:right;font-variant-numeric:tabular-nums;border-bottom:1px solid #8884}"
    ".evaluation th:first-child,.evaluation td:first-child{text-align:left}.evaluation .wide{overflow-x:auto}"
    ".evaluation .note{opacity:.75;font-size:12px;overflow-wrap:anywhere}.evaluation svg{min-width:36rem;max-width:100%;height:auto}"
)
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    "<title>{title}</title><style>:root{{color-scheme:light dark}}body{{margin:1rem}}</style></head><body>{body}</body></html>"
)
_FIGURES = (
    ("measured", "measured", "{:,.0f}"), ("effective", "worth", "{:,.1f}"), ("hit_rate", "hit rate", "{:.1%}"),
    ("hit_low", "from", "{:.1%}"), ("hit_high", "to", "{:.1%}"), ("baseline_hit_rate", "random", "{:.1%}"),
    ("precision", "precision", "{:.1%}"), ("mean_bps", "mean bps", "{:+.2f}"), ("mean_low", "from", "{:+.2f}"),
    ("mean_high", "to", "{:+.2f}"), ("baseline_bps", "random bps", "{:+.2f}"), ("p_value", "p", "{:.3f}"),
    ("p_adjusted", "p adjusted", "{:.3f}"), ("rotation_p_value", "p rotated", "{:.3f}"), ("turnover", "units/h", "{:,.1f}"),
)  # fmt: skip


class Report:
    """An evaluation as HTML; shows itself in a notebook, and is saved as a page of its own.

    Attributes
    ----------
    evaluation
        What it is of.
    title
        Its heading.
    """

    def __init__(self, evaluation: xr.Dataset, title: str = "Evaluation") -> None:
        self.evaluation, self.title = evaluation, title

    def _repr_html_(self) -> str:
        parts = (_figures, _pictures, _false_alarms, _outcomes, _abstentions, _provenance)
        told = "".join(part(self.evaluation) for part in parts)
        return f'<section class="evaluation"><style>{_STYLE}</style><h2>{escape(self.title)}</h2>{told}</section>'

    def page(self) -> str:
        """A whole HTML page that needs nothing else."""
        return _PAGE.format(title=escape(self.title), body=self._repr_html_())

    def save(self, path: str | Path) -> Path:
        """Write the page."""
        written = Path(path)
        written.write_text(self.page(), encoding="utf-8")
        return written


def report(evaluation: xr.Dataset, title: str = "Evaluation") -> Report:
    """The report of an evaluation, for ``evaluate(...).pipe(report)``.

    Parameters
    ----------
    evaluation
        What ``evaluate`` gave.
    title
        Heading.

    Examples
    --------
    >>> import pandas as pd
    >>> from workstation.research.evaluate import evaluate
    >>> trades = pd.DataFrame({"event_ns": np.arange(90) * 10**9, "instrument": "BTC/USD", "price": 100.0 + np.arange(90) % 7})
    >>> made = evaluate(trades.iloc[::9].assign(side=1), trades, ["3s"], close=False, draws=5)
    >>> "<h2>Every ninth</h2>" in made.pipe(report, "Every ninth")._repr_html_()
    True
    """
    return Report(evaluation, title)


def _figures(made: xr.Dataset) -> str:
    told = []
    for horizon in made["horizon"].values:
        rows = []
        for group in made["group"].values:
            one = made.sel(group=group, horizon=horizon)
            rows.append([str(group), *(_number(float(one[name]), form) for name, _, form in _FIGURES)])
        told.append(
            f"<h3>{escape(_horizon(horizon))}</h3>"
            + _table(["rule", *(words for _, words, _ in _FIGURES)], rows)
        )
    note = (
        "<p class=note>Returns against the signal's side from the first price after it. <b>worth</b>: independent windows the "
        "overlapping ones come to. <b>random</b>: as many random times with the same sides. <b>p</b>: of a mean no better than at "
        "random times; <b>adjusted</b> by Benjamini and Hochberg; <b>rotated</b>: all times moved together.</p>"
    )
    return "".join(told) + note


def _horizon(label: Any) -> str:
    return "To the close" if label == "close" else f"After {label}"


def _pictures(made: xr.Dataset) -> str:
    told = "<h3>Hit rates</h3>" + hit_rate_intervals(made)
    if made.sizes["bucket"]:
        told += (
            "<h3>Calibration: hit rate by mean score of its bucket</h3>"
            + calibration_curve(made)
            + _ranks(made)
        )
    return told


def _ranks(made: xr.Dataset) -> str:
    rows = []
    for label in made["horizon"].values:
        one = made.sel(horizon=label)
        rows.append(
            [
                str(label),
                _number(float(one["rank_correlation"]), "{:+.3f}"),
                _number(float(one["rank_p_value"]), "{:.3f}"),
            ]
        )
    return _table(["horizon", "rank correlation of score and return", "p, pairs taken as independent"], rows)


def _false_alarms(made: xr.Dataset) -> str:
    rows = []
    for group in made["group"].values:
        for horizon in made["horizon"].values:
            one = made["false_alarms"].sel(group=group, horizon=horizon).values
            if one.sum():
                rows.append([str(group), str(horizon), *(f"{count:,}" for count in one)])
    reasons = [str(reason) for reason in made["false_alarm"].values]
    return "<h3>False alarms by reason</h3>" + _table(["rule", "horizon", *reasons], rows)


def _outcomes(made: xr.Dataset) -> str:
    rows = [
        [str(horizon), *(f"{count:,}" for count in made["outcomes"].sel(group="all", horizon=horizon).values)]
        for horizon in made["horizon"].values
    ]
    return "<h3>What became of the signals</h3>" + _table(
        ["horizon", *map(str, made["outcome_name"].values)], rows
    )


def _abstentions(made: xr.Dataset) -> str:
    if not int(made["abstained"].sum()):
        return ""
    reasons = [str(reason) for reason in made["abstention_reason"].values]
    rows = []
    for group in made["group"].values:
        one = made.sel(group=group)
        counts = (f"{count:,}" for count in one["abstentions"].values)
        rows.append(
            [
                str(group),
                f"{int(one['signals']):,}",
                _number(float(one["abstention_rate"]), "{:.1%}"),
                *counts,
            ]
        )
    return "<h3>Abstentions</h3>" + _table(["rule", "signals", "abstained", *reasons], rows)


def _provenance(made: xr.Dataset) -> str:
    told = [
        f"<b>{escape(name.replace('_', ' '))}</b> {escape(_attribute(value))}"
        for name, value in made.attrs.items()
    ]
    return "<h3>Provenance</h3><p class=note>" + "<br>".join(told) + "</p>"


def _attribute(value: Any) -> str:
    text = str(value)
    if text.startswith("{"):
        return ", ".join(f"{name} = {item}" for name, item in json.loads(text).items())
    return text


def _number(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "–"


def _table(head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


make_callable(__name__)
