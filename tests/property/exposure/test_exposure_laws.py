"""Laws of exposures and levels over any chain."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.exposure.book import exposure
from workstation.exposure.levels import levels, wall
from workstation.exposure.zero_gamma import crossings
from workstation.pricing.chain import chain

ASOF = pd.Timestamp("2026-11-01", tz="UTC").value
DAY_NS = 86_400_000_000_000
NAMES = ("gex", "dex", "vanna_exposure", "charm_exposure")


@st.composite
def marks_frames(draw: st.DrawFn, smallest: int = 1) -> pd.DataFrame:
    """Up to 24 contracts of up to 3 expiries with any strikes, vols, open interest and volume."""
    spot = draw(st.floats(1.0, 1e6))
    cells = draw(
        st.lists(
            st.tuples(st.sampled_from([1, 7, 40]), st.integers(50, 150), st.sampled_from("CP")),
            min_size=smallest,
            max_size=24,
            unique=True,
        )
    )
    size = len(cells)
    floats = lambda low, high: draw(st.lists(st.floats(low, high), min_size=size, max_size=size))  # noqa: E731
    days, percents, rights = zip(*cells, strict=True)
    return pd.DataFrame(
        {
            "event_ns": ASOF,
            "instrument": [f"any {d} {p} {r}" for d, p, r in cells],
            "mark_iv": floats(0.05, 3.0),
            "open_interest": floats(0.0, 1e5),
            "volume_24h": floats(0.0, 1e5),
            "index": spot,
            "expiry_ns": ASOF + np.array(days) * DAY_NS,
            "strike": spot * np.array(percents) / 100,
            "right": rights,
            "underlying": "ANY",
            "multiplier": 0.1,
        }
    )


def close(left: object, right: object) -> None:
    scale = float(np.nanmax(np.abs(np.asarray(right, dtype=float)), initial=0.0))
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9 * scale + 1e-300)


@effort(30)
@given(marks_frames())
def test_calls_short_is_the_opposite_of_calls_long(frame: pd.DataFrame) -> None:
    book = chain(frame)
    left, right = exposure(book, "calls_long"), exposure(book, "calls_short")
    for name in NAMES:
        np.testing.assert_array_equal(left[name], -right[name])


@effort(30)
@given(marks_frames())
def test_short_all_is_made_of_the_two_parts(frame: pd.DataFrame) -> None:
    book = chain(frame)
    short, long = exposure(book, "short_all"), exposure(book, "calls_long")
    for name in NAMES:
        close(short[name], long[f"put_{name}"] - long[f"call_{name}"])


@effort(30)
@given(marks_frames())
def test_parts_add_up(frame: pd.DataFrame) -> None:
    for sign_model in ("calls_long", "short_all"):
        found = exposure(chain(frame), sign_model, "volume")
        for name in NAMES:
            close(found[f"call_{name}"] + found[f"put_{name}"], found[name])


@effort(30)
@given(marks_frames(), st.sampled_from([0.0, 0.1, 1.0, 7.0, 1e3]))
def test_linear_in_the_open_interest(frame: pd.DataFrame, factor: float) -> None:
    more = exposure(chain(frame.assign(open_interest=frame["open_interest"] * factor)))
    book = exposure(chain(frame))
    for name in NAMES:
        close(more[name], factor * book[name])


@effort(30)
@given(marks_frames(smallest=2), st.integers(0, 2**24 - 1))
def test_additive_over_sub_chains(frame: pd.DataFrame, choice: int) -> None:
    left = np.array([choice >> row & 1 for row in range(len(frame))], dtype=bool)
    parts = [exposure(chain(part)) for part in (frame[left], frame[~left]) if len(part)]
    whole = exposure(chain(frame))
    for name in NAMES:
        summed = sum(part[name].reindex_like(whole[name]).fillna(0.0) for part in parts)
        close(summed.where(whole[name].notnull()), whole[name])


@effort(30)
@given(marks_frames())
def test_flow_of_the_open_interest_is_short_all(frame: pd.DataFrame) -> None:
    book = chain(frame)
    close(exposure(book, "flow", flow=book["open_interest"])["gex"], exposure(book, "short_all")["gex"])


@effort(30)
@given(marks_frames(), st.sampled_from(["calls_long", "short_all"]))
def test_the_curve_passes_through_net_gex_and_zero_gamma_brackets(
    frame: pd.DataFrame, sign_model: str
) -> None:
    book = chain(frame)
    found = levels(book, sign_model)
    spot = found["spot"].item()
    assert found["net_gex_curve"].sel(curve_spot=spot).item() == found["net_gex"].item()
    close(found["net_gex"].item(), float(exposure(book, sign_model)["gex"].sum()))
    zero = found["zero_gamma"].item()
    assert np.isnan(zero) == bool(found["zero_gamma_reason"].item()) == (found["crossings"].size == 0)
    if not np.isnan(zero):
        assert zero in found["crossings"].values
        assert np.abs(found["crossings"].values - spot).min() == abs(zero - spot)


@effort(30)
@given(marks_frames())
def test_opposite_books_share_their_zero_gamma_and_walls(frame: pd.DataFrame) -> None:
    book = chain(frame)
    left, right = levels(book, "calls_long"), levels(book, "calls_short")
    for name in ("zero_gamma", "call_wall", "put_wall", "absolute_wall", "crossings"):
        np.testing.assert_array_equal(left[name], right[name])
    np.testing.assert_array_equal(left["net_gex_curve"], -right["net_gex_curve"])


@effort(30)
@given(marks_frames())
def test_walls_are_on_their_side_of_spot(frame: pd.DataFrame) -> None:
    found = levels(chain(frame))
    spot = found["spot"].item()
    assert not found["call_wall"].item() < spot
    assert not found["put_wall"].item() > spot


curves = st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=30)


@given(curves)
def test_crossings_are_as_many_as_sign_changes_and_between_them(values: list[float]) -> None:
    grid = np.arange(len(values), dtype=float)
    found = crossings(spots=grid, values=values)
    signs = [(at, value > 0) for at, value in enumerate(values) if value]
    pairs = [(a, b) for (a, left), (b, right) in pairwise(signs) if left != right]
    assert found.size == len(pairs)
    for zero, (low, high) in zip(found, pairs, strict=True):
        assert low < zero < high


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 3)), min_size=1, unique_by=lambda pair: pair[0]),
    st.floats(0, 21),
)
def test_wall_is_the_nearest_of_the_largest_whatever_the_order(
    pairs: list[tuple[int, int]], spot: float
) -> None:
    def of(rows: list[tuple[int, int]]) -> float:
        return wall(strikes=[float(k) for k, _ in rows], sizes=[float(s) for _, s in rows], spot=spot)

    found, largest = of(pairs), max(size for _, size in pairs)
    np.testing.assert_equal(found, of(pairs[::-1]))
    if not largest:
        assert np.isnan(found)
        return
    tied = [strike for strike, size in pairs if size == largest]
    assert found in tied
    assert all((abs(found - spot), found) <= (abs(other - spot), other) for other in tied)
