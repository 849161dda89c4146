"""Intensity bars out of a store: those of the rows, by the thresholds that the rows carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workstation.history import open_history
from workstation.market.tables import INTENSITY
from workstation.views.spacetime.history_loader import HistoryLoader
from workstation.views.spacetime.intensity_bars import STATES, intensity_bars


def test_bars_of_a_store_take_their_thresholds_from_the_rows(tmp_path: Path) -> None:
    rows = INTENSITY.conform(
        pd.DataFrame(
            {
                "event_ns": np.arange(6), "instrument": "X", "smoothing": "zlma", "intensity": 1.0, "velocity": 0.5, "efficiency": 0.2,
                "smoothed": [2.0, 5.0, 3.0, 9.0, 1.0, 4.0], "mean_base": 1.0, "sd_base": 100.0, "buffer": 100.0,
                "burst_above": [4.0, 4.0, 3.5, 3.0, 3.0, np.nan], "spike_above": [8.0, 8.0, 8.0, 8.0, 8.0, np.nan],
            }
        )
    )  # fmt: skip
    with open_history(str(tmp_path)) as history:
        history.write("intensity", rows)
        stored = HistoryLoader(history.sql).bars("X", 2, 0, 6, "zlma")
    made = intensity_bars(rows, 2)
    assert [STATES[int(state)] for state in made["state"]] == ["active", "burst", "quiet"]
    for name, values in made.items():
        np.testing.assert_array_equal(stored[name], values, err_msg=name)
