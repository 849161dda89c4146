"""What stands behind the surface: the value line, each expiry's fit with its arbitrage flags, and the ledger."""

from __future__ import annotations

from html import escape

import numpy as np
import xarray as xr

from workstation.pricing.ledger import from_attrs
from workstation.views.state.source import Source, View
from workstation.views.surface.choice import SurfaceChoice
from workstation.views.surface.fitted import maturity, surface_of
from workstation.views.surface.smiles import reason
from workstation.views.widgets import formats
from workstation.views.widgets.assets import table_css
from workstation.views.widgets.card import Card, Markup
from workstation.views.widgets.figure import TextView
from workstation.views.widgets.provenance import Provenance
from workstation.views.widgets.value_line import cell, value_line

_CSS = table_css(__package__, "fits.css")


def violations(found: xr.Dataset, when: str = "") -> int:
    """Grid points with arbitrage, butterflies and crossings together; ``when`` "" is before repair, "_after" after it."""
    return int(sum(found[f"{kind}_violations{when}"].sum() for kind in ("butterfly", "calendar")))


def _points(value: float, signed: bool = True) -> str:
    return formats.number(100.0 * value, 2, signed)


def _role(value: float) -> str:
    return "up" if value > 0 else "down" if value < 0 else ""


class SurfaceLine(View):
    """At-the-money vol, skew and the slope of the term structure; how good the fit is."""

    inputs = ("surfaces", "priced_chain")
    every_s = 0.5

    def __init__(self, choice: SurfaceChoice) -> None:
        self.choice = choice
        self._line = value_line()
        self.panel = self._line.panel

    def refresh(self, source: Source) -> None:
        """Write the newest numbers."""
        found = surface_of(source, self.choice.underlying)
        if found is None:
            self._line.show(
                '<dl class="line"><div class="cell first"><dt>waiting</dt><dd>for the first marks</dd></div></dl>'
            )
            return
        days = int(self.choice.days)
        atm, reversal, butterfly = (maturity(found, name, days) for name in ("atm_iv", "rr25", "bf25"))
        spot = float(found["spot"])
        known = np.flatnonzero(np.isfinite(found["atm_iv"].to_numpy()))
        ends = found["atm_iv"].to_numpy()[known[[0, -1]]] if known.size else np.full(2, np.nan)
        slope = float(ends[1] - ends[0])
        weights = found["contracts"].to_numpy().astype(np.float64)
        inside = found["within_spread"].to_numpy()
        judged = np.isfinite(inside) & (weights > 0)
        within = float(np.average(inside[judged], weights=weights[judged])) if judged.any() else float("nan")
        before, after = violations(found), violations(found, "_after")
        spread = found["left_out"].to_numpy().sum()
        flag = (
            f'<span class="tag down">◆ {after} remain</span>' if after
            else f'<span class="tag">▲ {before} repaired</span>' if before
            else '<span class="by">none</span>'
        )  # fmt: skip
        cells = [
            cell(
                f"{escape(self.choice.underlying)} ATM vol {days} d", formats.percent(atm, 2),
                f'<span class="by">spot {formats.price(spot)}</span>', "first",
            ),
            cell(
                f"Risk reversal 25Δ {days} d", f'<span class="{_role(reversal)}">{_points(reversal)}</span>',
                f'<span class="by">vol pts, {"calls over puts" if reversal > 0 else "puts over calls" if reversal < 0 else ""}</span>',
                role="up" if reversal > 0 else "down",
            ),
            cell(f"Butterfly 25Δ {days} d", _points(butterfly), '<span class="by">vol pts</span>', role="zero"),
            cell(
                "Term slope", _points(slope),
                f'<span class="by">vol pts, {"upward" if slope > 0 else "inverted"} to {formats.expiry(int(found["expiry_ns"].to_numpy()[known[-1]])) if known.size else formats.UNKNOWN}</span>',
                role="axis",
            ),
            cell("Fit inside bid–ask", formats.percent(within, 0), f'<span class="by">of {found.attrs["fitted"]} quotes</span>'),
            cell("Arbitrage points", str(after), flag, role="bad" if after else "good"),
            cell("Left out", formats.number(float(spread)), '<span class="by">contracts, reasons below</span>'),
        ]  # fmt: skip
        self._line.show(f'<dl class="line">{"".join(cells)}</dl>')

    def show_failure(self, reason: str) -> None:
        """Say it in the line."""
        if reason:
            self._line.show(
                f'<dl class="line"><div class="cell"><dt>failed</dt><dd class="late">{escape(reason)}</dd></div></dl>'
            )


class Fits(TextView):
    """One row per expiry: vol, skew, the fit and its flags; below, why quotes were left out."""

    inputs = ("surfaces", "priced_chain")
    every_s = 1.0

    def __init__(self, choice: SurfaceChoice) -> None:
        self.choice = choice
        self._table = Markup(_CSS, sizing_mode="stretch_both")
        self.card = Card(
            "Fits and flags", self._table.panel, unit="vol in %, the rest in vol pts", area="fits"
        )

    def refresh(self, source: Source) -> None:
        """Write the newest fits."""
        found = surface_of(source, self.choice.underlying)
        if found is None:
            self._table.show("")
            self.card.say("no marks")
            return
        heads = (
            "expiry",
            "ATM",
            "RR 25Δ",
            "BF 25Δ",
            "RR 10Δ",
            "BF 10Δ",
            "quotes",
            "out",
            "RMSE",
            "in b–a",
            "arbitrage",
        )
        head = "".join(f'<th scope="col">{name}</th>' for name in heads)
        names = (
            "expiry_ns", "atm_iv", "rr25", "bf25", "rr10", "bf10", "contracts", "left_out", "rmse", "within_spread",
            "refused", "butterfly_violations", "calendar_violations", "butterfly_violations_after",
            "calendar_violations_after",
        )  # fmt: skip
        columns = [found[name].to_numpy().tolist() for name in names]
        body = "".join(_row(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True))
        ledger = from_attrs(found.attrs)
        out = ledger["left_out"]
        dropped = {name: count for name, count in ledger.get("dropped", {}).items() if count}
        reported = [f"{count} {reason(name)}" for name, count in out.items() if count]
        reported += [f"{count} {name.replace('_', ' ')}" for name, count in dropped.items()]
        self._table.show(
            f'<table tabindex="0" aria-label="fits by expiry"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p class="why">Left out: {escape(", ".join(reported)) or "none"}.</p>'
        )
        after = violations(found, "_after")
        self.card.say(f"{after} points of arbitrage left" if after else "free of arbitrage")


def _row(row: dict[str, float]) -> str:
    cells = [
        formats.expiry(int(row["expiry_ns"])),
        formats.number(100 * row["atm_iv"], 2),
        *(
            f'<span class="{_role(row[name])}">{_points(row[name])}</span>' if name.startswith("rr") else _points(row[name])
            for name in ("rr25", "bf25", "rr10", "bf10")
        ),
        f"{row['contracts']}", f"{row['left_out']}", _points(row["rmse"], signed=False),
        formats.percent(row["within_spread"], 0), _flags(row),
    ]  # fmt: skip
    return "<tr>" + "".join(f"<td>{text}</td>" for text in cells) + "</tr>"


def _flags(row: dict[str, float]) -> str:
    if row["refused"]:
        return f'<span class="flag">■ {escape(reason(str(row["refused"])))}</span>'
    left = row["butterfly_violations_after"] + row["calendar_violations_after"]
    if left:
        return f'<span class="bad">◆ {left} left</span>'
    reported = [
        f"{row[f'{kind}_violations']} {kind}"
        for kind in ("butterfly", "calendar")
        if row[f"{kind}_violations"]
    ]
    return (
        f'<span class="flag">▲ {", ".join(reported)} repaired</span>'
        if reported
        else '<span class="good">● free</span>'
    )


class SurfaceLedger(View):
    """The ledger of the surface shown."""

    inputs = ("surfaces", "priced_chain")
    every_s = 1.0

    def __init__(self, choice: SurfaceChoice) -> None:
        self.choice = choice
        self._page = Provenance()
        self.panel = self._page.panel

    def refresh(self, source: Source) -> None:
        """Write the newest ledger."""
        found = surface_of(source, self.choice.underlying)
        reported = {} if found is None else from_attrs(found.attrs)
        reported.pop("asof", None)
        self._page.show(reported, recorded=False)

    def show_failure(self, reason: str) -> None:
        """Say it in place of the ledger."""
        self._page.fail(reason)
