"""What a session has chosen to see of the flow; every choice is in the page's address."""

from __future__ import annotations

import numpy as np
import param

from workstation.flow.gates import CLASSIFIERS
from workstation.market.contract_words import CONTRACTS
from workstation.views.state.source import Source

ALL = ""
TAPES = {"options": "Options", "packets": "Packets", "equities": "Equities"}
SIDES = {ALL: "Any side", "buy": "Bought", "sell": "Sold", "none": "No side"}
PREMIUMS = {0: "Any premium", 10_000: "≥ $10 k", 50_000: "≥ $50 k", 200_000: "≥ $200 k", 1_000_000: "≥ $1 M"}
DTES = {ALL: "Any expiry", "0": "0 DTE", "1-7": "1-7 d", "8-45": "8-45 d", "46+": "46 d and more"}
DTE_BOUNDS = {"0": (0, 0), "1-7": (1, 7), "8-45": (8, 45), "46+": (46, 100_000)}
CONDITIONS = {
    ALL: "Any condition", "plain": "No exclusion", "iso": "ISO sweep", "multi": "Multi-leg", "auction": "Auction or cross",
    "late": "Late", "cancel": "Cancelled",
}  # fmt: skip
SEVERITIES = {ALL: "Any severity", "high": "High", "medium": "Medium and higher", "low": "Low and higher"}
STRUCTURES = (
    "straddle", "strangle", "vertical_spread", "ladder_accumulation", "roll", "package",
)  # fmt: skip
ADDRESS = (
    "ticker", "side", "premium", "dte", "condition", "classifier", "severity", "tape", "alert",
)  # fmt: skip


class FlowChoice(param.Parameterized):
    """Filters, the tape on screen and the alert that is open.

    Examples
    --------
    >>> FlowChoice().filters
    0
    """

    ticker = param.Selector(
        default=ALL,
        objects=[ALL],
        check_on_set=False,
        doc="underlying; empty: all; one of the address may print later",
    )
    side = param.Selector(default=ALL, objects=list(SIDES))
    premium = param.Selector(default=0, objects=list(PREMIUMS), doc="least premium, USD")
    dte = param.Selector(default=ALL, objects=list(DTES), doc="days to expiry")
    condition = param.Selector(default=ALL, objects=list(CONDITIONS))
    classifier = param.Selector(default=ALL, objects=[ALL, *CLASSIFIERS, *STRUCTURES])
    severity = param.Selector(default=ALL, objects=list(SEVERITIES), doc="least severity")
    tape = param.Selector(default="options", objects=list(TAPES))
    alert = param.String(default="", doc="alert_id whose evidence is open")

    @property
    def filters(self) -> int:
        """How many filters are set."""
        return sum(
            bool(value)
            for value in (
                self.ticker,
                self.side,
                self.premium,
                self.dte,
                self.condition,
                self.classifier,
                self.severity,
            )
        )

    def offer(self, source: Source) -> None:
        """Offer the underlyings that have printed."""
        codes = np.unique(source.latest("prints")["instrument"].cat.codes.to_numpy())
        names = sorted(set(CONTRACTS.underlyings(codes[codes >= 0]).tolist()) - {""})
        objects = sorted({ALL, *names, self.ticker})
        if objects != self.param.ticker.objects:
            self.param.ticker.objects = objects
