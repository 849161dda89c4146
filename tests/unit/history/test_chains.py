"""Chains over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workstation.history import History, open_history
from workstation.history.chains import chains, chunks_of_chains
from workstation.pricing.chain import chain

MINUTE_NS = 60 * 10**9
START = pd.Timestamp("2026-11-01 00:00").value


@pytest.fixture
def history(make_marks: Callable[..., pd.DataFrame], tmp_path: Path) -> Iterator[History]:
    with open_history(tmp_path / "store", upkeep=False) as made:
        for minute in range(4):
            marks = make_marks(event_ns=START + minute * MINUTE_NS, index=100_300.0 + 10 * minute)
            made.write("marks", marks if minute else marks.iloc[:4])
        yield made


def test_one_dataset_with_a_time_dimension(history: History) -> None:
    found = chains(history, "BTC")
    assert dict(found.sizes) == {"time": 4, "expiry": 2, "strike": 5, "right": 2}
    for name in ("time", "expiry", "strike"):
        assert (np.diff(found[name].to_numpy()).astype(np.float64) > 0).all()
    assert found["gamma"].attrs["units"] == "1/USD" and found.attrs["every"] == "1min"
    assert found["gamma"].isel(time=0).notnull().sum() == 4, "what is not known yet is NaN"
    last = chain(history.read("marks"), asof_ns=START + 3 * MINUTE_NS)
    xr.testing.assert_allclose(found["gamma"].isel(time=3).drop_vars("time"), last["gamma"])
    assert found["spot"].to_numpy().tolist() == [100_300.0, 100_310.0, 100_320.0, 100_330.0]


def test_chunks_are_the_whole(history: History) -> None:
    parts = list(chunks_of_chains(history, "BTC", instants=3, variables=("delta", "mark_iv")))
    assert [part.sizes["time"] for part in parts] == [3, 1]
    whole = chains(history, "BTC", variables=("delta", "mark_iv"))
    joined = xr.concat(parts, dim="time")
    xr.testing.assert_allclose(joined["delta"], whole["delta"])


def test_what_cannot_be_is_told(history: History) -> None:
    with pytest.raises(ValueError, match="chunks_of_chains"):
        chains(history, "BTC", every="100ms", end=START + 5 * MINUTE_NS)
    with pytest.raises(ValueError, match="no chain of ETH"):
        chains(history, "ETH")
    with pytest.raises(ValueError, match="gama unknown"):
        chains(history, "BTC", variables=("gama",))
    with pytest.raises(ValueError, match="'soon' is no time"):
        chains(history, "BTC", every="soon")
