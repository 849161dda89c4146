"""The button that opens the expiries says how many are ticked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import param

from workstation.views.widgets.controls import ExpiryChoice


class Choice(param.Parameterized):
    """The least of a page's choices."""

    underlying = param.String("BTC")
    expiries = param.List(default=[])

    def offer(self, source: Any) -> None:
        """Nothing to offer."""


def test_the_button_counts_what_is_ticked() -> None:
    days = [pd.Timestamp(day).value for day in ("2026-12-18", "2026-12-25", "2027-01-29")]
    choice = Choice()
    view = ExpiryChoice(choice, lambda source, underlying: days)
    assert view.button.label == "All expiries ▾"
    source: Any = SimpleNamespace()
    view.refresh(source)
    choice.expiries = days[:2]
    assert (view.button.label, view.button.variant) == ("2 of 3 expiries ▾", "contained")
    choice.expiries = []
    assert (view.button.label, view.button.variant) == ("All expiries ▾", "outlined")
