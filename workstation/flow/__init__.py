"""Prints of options and their underlyings, from placement against the NBBO to explained alerts."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Alerts": "alerts",
        "Classifiers": "classifiers",
        "FlowParameters": "chain",
        "LargeTrades": "large_trades",
        "LargeTradesParameters": "large_trades",
        "NbboPlacement": "nbbo",
        "OffExchange": "offexchange",
        "OpenInterestVerdicts": "open_interest_verdicts",
        "Packets": "packets",
        "Sides": "sides",
        "Structures": "structures",
        "TakerFlow": "taker_flow",
        "classify": "classifiers",
        "flow_engines": "chain",
        "place": "nbbo",
        "prints": "nbbo",
    },
)
