"""A small chain of two expiries made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

ASOF = pd.Timestamp("2026-11-01 00:00", tz="UTC").value
STRIKES = (80_000.0, 90_000.0, 100_000.0, 110_000.0, 120_000.0)


def option_marks(**columns: object) -> pd.DataFrame:
    names = [f"BTC/USD:BTC-{e}-{k:.0f}-{r}" for e in ("261127", "261225") for k in STRIKES for r in "CP"]
    lean = np.tile([1, 9, 1, 6, 2, 2, 6, 1, 9, 1], 2)
    draw = np.random.default_rng(7)
    given: dict[str, object] = {
        "event_ns": ASOF,
        "instrument": names,
        "mark_iv": 0.4 + 0.3 * draw.random(len(names)),
        "open_interest": np.round(100 * lean * (1 + draw.random(len(names)))),
        "volume_24h": np.round(100 * draw.random(len(names))),
        "forward": np.repeat([100_800.0, 101_500.0], 10),
        "index": 100_300.0,
    }
    return pd.DataFrame(given | columns)


@pytest.fixture
def make_marks() -> Callable[..., pd.DataFrame]:
    """``make_marks(column=values, ...)``: 20 BTC options, 2 expiries x 5 strikes x call and put, at one instant."""
    return option_marks
