"""Distribution of open interest, ratios, max pain and walls against plain sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workstation.exposure.open_interest import open_interest
from workstation.pricing.chain import chain

Make = Callable[..., pd.DataFrame]


def parts(frame: pd.DataFrame) -> pd.DataFrame:
    found = frame["instrument"].str.extract(r"-(?P<day>\d{6})-(?P<strike>\d+)-(?P<right>[CP])$")
    return frame.assign(day=found["day"], strike=found["strike"].astype(float), right=found["right"])


def test_sums_are_those_of_the_frame(make_marks: Make) -> None:
    frame = parts(make_marks())
    found = open_interest(chain(make_marks()))
    for name, column in (("open_interest", "open_interest"), ("volume", "volume_24h")):
        for side, right in (("call", "C"), ("put", "P")):
            rows = frame[frame["right"] == right]
            grid = rows.pivot(index="day", columns="strike", values=column)
            np.testing.assert_array_equal(found[f"{side}_{name}"], grid)
            np.testing.assert_array_equal(found[f"{side}_{name}_by_expiry"], grid.sum(axis=1))
            np.testing.assert_array_equal(found[f"{side}_{name}_by_strike"], grid.sum(axis=0))
    by = frame.groupby(["day", "right"])["open_interest"].sum().unstack()
    np.testing.assert_allclose(found["put_call_ratio"], by["P"] / by["C"])
    assert found["total_put_call_ratio"].item() == pytest.approx(by["P"].sum() / by["C"].sum())
    volume = frame.groupby("right")["volume_24h"].sum()
    assert found["total_volume_put_call_ratio"].item() == pytest.approx(volume["P"] / volume["C"])
    assert all("units" in found[name].attrs or name == "expiry" for name in found.variables)
    assert found.attrs["coverage"] == 1.0


def test_max_pain_is_the_settlement_that_pays_least(make_marks: Make) -> None:
    frame = parts(make_marks())
    found = open_interest(chain(make_marks()))
    for expiry, (_, rows) in enumerate(frame.groupby("day")):
        paid = {}
        for settle in sorted(rows["strike"].unique()):
            intrinsic = np.where(rows["right"] == "C", settle - rows["strike"], rows["strike"] - settle)
            paid[settle] = float((np.maximum(intrinsic, 0) * rows["open_interest"]).sum())
        np.testing.assert_allclose(found["payout"].isel(expiry=expiry), list(paid.values()), rtol=1e-12)
        assert found["max_pain"].isel(expiry=expiry).item() == min(paid, key=paid.__getitem__)
    assert found["max_pain"].dims == ("expiry",)


def test_max_pain_by_hand() -> None:
    """Calls 1 at 90, 5 at 100; puts 3 at 110: at 90 holders get 60, at 100 10 + 30, at 110 20 + 50."""
    names = [f"BTC/USD:BTC-261225-{name}" for name in ("90000-C", "100000-C", "110000-P")]
    marks = {"event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": 0.5, "index": 1e5}
    book = chain(pd.DataFrame({**marks, "instrument": names, "open_interest": [1.0, 5.0, 3.0]}))
    found = open_interest(book)
    assert found["payout"].values.tolist() == [[60_000.0, 40_000.0, 70_000.0]]
    assert found["max_pain"].item() == 100_000.0


def test_of_equal_payouts_the_strike_nearer_to_spot() -> None:
    """A call at 90 and a put at 120, alike: every settlement between them pays the same."""
    names = [f"BTC/USD:BTC-261225-{name}" for name in ("90000-C", "100000-C", "110000-C", "120000-P")]
    marks = {"event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": 0.5}
    held = {"instrument": names, "open_interest": [7.3, 0.0, 0.0, 7.3]}
    for spot, pain in ((1.04e5, 1e5), (1.06e5, 1.1e5), (1.05e5, 1e5), (8e4, 9e4)):
        assert open_interest(chain(pd.DataFrame({**marks, **held, "index": spot})))["max_pain"].item() == pain


def test_an_expiry_nobody_holds_has_no_max_pain(make_marks: Make) -> None:
    held = make_marks()["open_interest"].where(make_marks()["instrument"].str.contains("261225"), 0.0)
    found = open_interest(chain(make_marks(open_interest=held)))
    assert np.isnan(found["max_pain"].values[0]) and np.isfinite(found["max_pain"].values[1])
    assert np.isnan(found["put_call_ratio"].values[0])


def test_support_is_the_largest_below_spot_and_resistance_above(make_marks: Make) -> None:
    frame = parts(make_marks())
    found = open_interest(chain(make_marks()), walls=7)
    spot = found["spot"].item()
    for name, right, side in (("support", "P", 1), ("resistance", "C", -1)):
        beyond = (frame["right"] == right) & (side * (spot - frame["strike"]) >= 0)
        held = frame[beyond].groupby("strike")["open_interest"].sum().sort_values(ascending=False)
        assert 0 < len(held) < frame["strike"].nunique()
        assert found[name].values[: len(held)].tolist() == held.index.tolist()
        assert found[f"{name}_open_interest"].values[: len(held)].tolist() == held.tolist()
        assert np.isnan(found[name].values[len(held) :]).all()


def test_a_strike_the_chain_lacks_is_nan_not_zero(make_marks: Make) -> None:
    frame = make_marks()
    found = open_interest(chain(frame[~frame["instrument"].str.contains("261127-80000")]))
    assert found["call_open_interest"].isnull().sum() == 1
    assert np.isnan(found["payout"].values[0, 0]) and found["call_open_interest_by_strike"].values[0] > 0


def test_the_multiplier_weighs_payouts_not_contracts(make_marks: Make) -> None:
    one, tenth = open_interest(chain(make_marks())), open_interest(chain(make_marks(multiplier=0.1)))
    np.testing.assert_allclose(10 * tenth["payout"], one["payout"], rtol=1e-12)
    np.testing.assert_array_equal(tenth["call_open_interest"], one["call_open_interest"])


def test_at_least_one_wall(make_marks: Make) -> None:
    with pytest.raises(ValueError, match="walls must be at least 1"):
        open_interest(chain(make_marks()), walls=0)
