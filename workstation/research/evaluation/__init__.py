"""What signals were worth: forward returns, intervals, calibration, baselines, false alarms, look-ahead, sweeps, a report."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "EvaluationError": "errors",
        "LookAheadError": "errors",
        "Report": "report",
        "known_open_interest": "open_interest",
        "look_ahead": "look_ahead",
        "report": "report",
        "sweep": "sweep",
    },
)
