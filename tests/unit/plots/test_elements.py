"""Elements hold the numbers of the frames and Datasets they are made of, with units, ranges and hover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bokeh.models import ColorBar, DatetimeTickFormatter, HoverTool, WheelZoomTool

import workstation
from workstation import plots
from workstation.exposure import band, exposure, forced_flow
from workstation.plots.candle_element import Candles
from workstation.plots.palette import DARK, LIGHT
from workstation.portfolio.explain import PARTS

START = pd.Timestamp("2026-11-01").value


@pytest.fixture(scope="module")
def trades() -> pd.DataFrame:
    draw = np.random.default_rng(7)
    many = 20_000
    return pd.DataFrame({
        "event_ns": START + np.cumsum(draw.integers(1, 2 * 10**8, many)), "instrument": "BTC/USD:BTC",
        "price": 1e5 + np.cumsum(draw.normal(0, 5, many)), "size": draw.exponential(1, many), "side": draw.choice([1, -1], many),
    })  # fmt: skip


@pytest.fixture
def chain(make_marks: Callable[..., pd.DataFrame]) -> xr.Dataset:
    return workstation.chain(make_marks())


def element(made: Any, kind: type, label: str = "") -> Any:
    found = [each for each in made.traverse(lambda it: it, [kind]) if not label or each.label == label]
    assert found, f"no {kind.__name__} {label} in {made!r}"
    return found[0]


def figure(made: Any) -> Any:
    return hv.render(made)


def tooltips(drawn: Any) -> dict[str, str]:
    return {words: text for tool in drawn.select({"type": HoverTool}) for words, text in tool.tooltips}


def test_candles_hold_the_rows(trades: pd.DataFrame) -> None:
    rows = workstation.candles(trades, "10s")
    made = plots.candles(rows)
    assert isinstance(made, Candles)
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(made.dimension_values(name), rows[name])
    middle = (rows["event_ns"] + 5 * 10**9).to_numpy().astype("datetime64[ns]")
    np.testing.assert_array_equal(made.dimension_values("time"), middle)
    drawn = figure(made)
    source = drawn.renderers[0].data_source.data
    rising = (rows["close"] >= rows["open"]).to_numpy()
    np.testing.assert_array_equal(source["ink"] == LIGHT.up, rising)
    np.testing.assert_array_equal(source["fill"] == LIGHT.down, ~rising)
    np.testing.assert_array_equal(source["high"], rows["high"])
    assert drawn.y_range.start < rows["low"].min() and drawn.y_range.end > rows["high"].max()
    assert isinstance(drawn.xaxis[0].formatter, DatetimeTickFormatter)
    assert tooltips(drawn)["high"] == "@high{custom}"


def test_many_candles_are_joined_until_one_zooms_in(trades: pd.DataFrame) -> None:
    rows = workstation.candles(trades, "1s")
    assert len(rows) > 1_000
    made = plots.candles(rows)
    assert isinstance(made, hv.DynamicMap)
    joined = made[()]
    assert len(joined) <= 1_000
    assert joined.dimension_values("high").max() == rows["high"].max()
    assert joined.dimension_values("volume").sum() == pytest.approx(rows["volume"].sum())
    begin = rows["event_ns"].to_numpy()
    made.event(x_range=(pd.Timestamp(begin[100]), pd.Timestamp(begin[199])))
    near = made[()]
    inside = (near.dimension_values("time") >= begin[100].astype("datetime64[ns]")) & (
        near.dimension_values("time") < (begin[199] + 10**9).astype("datetime64[ns]")
    )
    np.testing.assert_array_equal(near.dimension_values("open")[inside], rows["open"].to_numpy()[100:200])


def test_candles_of_two_timeframes_are_refused(trades: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="2 timeframes"):
        plots.candles(workstation.candles(trades, ("10s", "1min")))


def test_candles_read_with_an_index_of_times_are_told_how_to_read_them() -> None:
    at = pd.DatetimeIndex(["2026-11-20 14:00"], name="time")
    readable = pd.DataFrame(
        {"every": "1min", "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0}, index=at
    )
    with pytest.raises(
        ValueError, match=r"no column event_ns, every_ns.*read the rows without time_index=True"
    ):
        plots.candles(readable)


def test_signals_and_levels_stand_on_the_candles(trades: pd.DataFrame) -> None:
    rows, signals = workstation.candles(trades, "10s"), workstation.reversals(trades)
    middle = float(rows["close"].median())
    made = plots.candles(rows, signals, {"spot": middle, "call_wall": 1e9})
    shown = pd.concat([each.dframe() for each in made.traverse(lambda it: it, [hv.Points])])
    strongest = signals.nlargest(60, "strength")
    assert sorted(shown["signal_price"]) == sorted(strongest["price"])
    assert [line.data for line in made.traverse(lambda it: it, [hv.HLine])] == [middle], (
        "the wall is far out of sight"
    )
    assert "Spot" in element(made, hv.Labels).dimension_values("words")[0]


def test_ticks_keep_the_extremes(trades: pd.DataFrame) -> None:
    made = plots.ticks(trades)
    first = made[()]
    assert len(first) < len(trades)
    assert first.range("price") == (trades["price"].min(), trades["price"].max())
    assert set(first.dimension_values("price")) <= set(trades["price"])


def test_intensity_has_its_buffer(trades: pd.DataFrame) -> None:
    rows = workstation.intensity(trades).head(3_000)
    made = plots.intensity(rows)
    band_ = element(made, hv.Area)
    np.testing.assert_allclose(band_.dimension_values("high"), rows["mean_base"] + rows["buffer"])
    np.testing.assert_array_equal(
        element(made, hv.Curve, "smoothed").dimension_values("smoothed"), rows["smoothed"]
    )


def test_gex_by_strike_is_that_of_the_exposures(chain: xr.Dataset) -> None:
    book, levels = exposure(chain), workstation.levels(chain)
    made = plots.gex_by_strike(book, levels, reach=0.3)
    calls = element(made, hv.Rectangles, "calls")
    np.testing.assert_allclose(calls.dimension_values("call"), book["call_gex"].sum("expiry"))
    np.testing.assert_allclose(calls.dimension_values("to"), np.maximum(book["call_gex"].sum("expiry"), 0))
    assert element(made, hv.Curve, "net").dimension_values("net").sum() == pytest.approx(
        float(levels["net_gex"])
    )
    lines = {line.data for line in made.traverse(lambda it: it, [hv.HLine])}
    assert {float(levels[name]) for name in ("spot", "call_wall", "put_wall")} <= lines
    drawn = figure(made)
    assert drawn.xaxis[0].axis_label == "GEX, USD per 1 % move"
    assert tooltips(drawn)["net"] == "@net{custom}"
    spot = float(book["spot"])
    assert (drawn.y_range.start, drawn.y_range.end) == pytest.approx((0.7 * spot, 1.3 * spot))


def test_gamma_profile_marks_zero_gamma(chain: xr.Dataset) -> None:
    levels = workstation.levels(chain)
    made = plots.gamma_profile(levels, band(chain))
    curve = element(made, hv.Curve, "net GEX")
    np.testing.assert_array_equal(curve.dimension_values("net_gex"), levels["net_gex_curve"])
    assert float(levels["zero_gamma"]) in {line.data for line in made.traverse(lambda it: it, [hv.VLine])}


def test_exposure_map_has_a_cell_per_strike_and_expiry(chain: xr.Dataset) -> None:
    book = exposure(chain)
    made = plots.exposure_map(book)
    cells = element(made, hv.Rectangles)
    assert len(cells) == book["gex"].size
    np.testing.assert_allclose(
        np.sort(cells.dimension_values("value")), np.sort(book["gex"].to_numpy().ravel())
    )
    drawn = figure(made)
    bar = drawn.select_one({"type": ColorBar})
    assert bar.color_mapper.low == -bar.color_mapper.high, "zero is in the middle of the colours"


def test_exposure_over_time_is_sorted_whatever_the_order_of_rows() -> None:
    rows = pd.DataFrame({
        "event_ns": np.repeat([START, START + 60 * 10**9], 3)[::-1], "strike": [110.0, 90.0, 100.0] * 2, "gex": np.arange(6.0),
    })  # fmt: skip
    made = plots.exposure_over_time(rows)
    values = made.dimension_values("gex", flat=False)
    assert values.tolist() == [[4.0, 1.0], [5.0, 2.0], [3.0, 0.0]]


def test_scenario_numbers_are_written_into_the_cells(chain: xr.Dataset) -> None:
    grid = forced_flow(chain, spot_moves=[-0.05, 0.0, 0.05], vol_moves=[-0.05, 0.0])
    made = plots.scenario(grid)
    cells = element(made, hv.Rectangles)
    np.testing.assert_allclose(
        cells.dimension_values("value"), grid["forced_flow"].isel(days=0).to_numpy().ravel()
    )
    assert len(element(made, hv.Labels)) == 6
    with pytest.raises(ValueError, match="days: 3"):
        plots.scenario(grid, days=3)


def test_smiles_show_quotes_and_fit(chain: xr.Dataset) -> None:
    surface = workstation.surface(chain)
    made = plots.smiles(surface, reach=0.5)
    drawn = pd.concat([each.dframe() for each in made.traverse(lambda it: it, [hv.Points])])
    quoted = surface["quoted_vol"].to_numpy()
    out_of_the_money = surface["left_out_reason"].to_numpy() != "in_the_money"
    expected = quoted[np.isfinite(quoted) & out_of_the_money]
    np.testing.assert_allclose(np.sort(drawn["vol"]), np.sort(expected))
    with pytest.raises(ValueError, match="2030-01-01"):
        plots.smiles(surface, ["2030-01-01"])


def test_surface_and_term_structure(chain: xr.Dataset) -> None:
    surface = workstation.surface(chain)
    cells = element(plots.surface(surface, reach=0.1), hv.Rectangles)
    shown = surface["implied_vol"].sel(moneyness=slice(0.9, 1.1)).to_numpy()
    np.testing.assert_allclose(np.sort(cells.dimension_values("value")), np.sort(shown[np.isfinite(shown)]))
    points = element(plots.term_structure(surface), hv.Points)
    np.testing.assert_allclose(points.dimension_values("days"), 365 * surface["years"])
    np.testing.assert_allclose(points.dimension_values("atm_iv"), surface["atm_iv"])


def test_contours_lie_where_the_vol_is(chain: xr.Dataset) -> None:
    surface = workstation.surface(chain)
    level = float(surface["implied_vol"].mean())
    lines = element(plots.contours(surface, [level]), hv.Contours).split(datatype="dataframe")
    assert lines
    for line in lines:
        at = surface["implied_vol"].assign_coords(expiry=np.log(365 * surface["years"].to_numpy()))
        found = at.interp(
            moneyness=xr.DataArray(line["moneyness"]), expiry=xr.DataArray(np.log(line["days"]))
        )
        known = found.to_numpy()[np.isfinite(found.to_numpy())]
        np.testing.assert_allclose(known, level, atol=1e-6)


def test_explain_adds_up_to_its_total() -> None:
    amounts = dict(zip(PARTS, np.linspace(-300, 500, len(PARTS)), strict=True))
    row = pd.Series(amounts | {"total": sum(amounts.values())})
    bars = element(plots.explain(row), hv.Rectangles).dframe()
    np.testing.assert_allclose(bars["amount"], [*amounts.values(), row["total"]])
    heights = (bars["top"] - bars["bottom"]).to_numpy()
    np.testing.assert_allclose(heights, np.abs([*amounts.values(), row["total"]]))
    with pytest.raises(ValueError, match="vega not known"):
        plots.explain(row.drop("vega"))


def test_themes_share_the_palette_and_the_wheel_scrolls(chain: xr.Dataset) -> None:
    levels = workstation.levels(chain)
    for theme, palette in (("light", LIGHT), ("dark", DARK)):
        drawn = figure(plots.gamma_profile(levels, theme=theme))
        assert drawn.background_fill_color == palette.card
        assert drawn.title.text_color == palette.text
        assert drawn.toolbar.logo is None
        assert all(tool.modifiers == {"ctrl": True} for tool in drawn.select({"type": WheelZoomTool}))
    with pytest.raises(ValueError, match="theme: 'blue'"):
        plots.gamma_profile(levels, theme="blue")


def test_elements_compose(chain: xr.Dataset, trades: pd.DataFrame) -> None:
    rows = workstation.candles(trades, "10s")
    over = plots.candles(rows) * plots.ticks(trades.head(3_000))
    assert isinstance(over, hv.Overlay)
    assert figure(over).background_fill_color == LIGHT.card
    both = plots.candles(rows) + plots.intensity(workstation.intensity(trades).head(3_000))
    first, second = (figure_ for figure_, *_ in figure(both.cols(1)).children)
    assert first.x_range is second.x_range, "one time axis"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: plots.candles(pd.DataFrame({"event_ns": [1]})), "no column every_ns"),
        (lambda: plots.ticks(pd.DataFrame({"price": [1.0]})), "event_ns"),
        (lambda: plots.ticks(pd.DataFrame({"event_ns": [1, 2], "price": 1.0, "instrument": ["a", "b"]})), "several instruments"),
        (lambda: plots.gex_by_strike(xr.Dataset()), "workstation.exposure.exposure"),
        (lambda: plots.gamma_profile(3), "got int"),
    ],
)  # fmt: skip
def test_bad_input_is_told_with_its_remedy(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_greek_datasets_work_with_hvplot(chain: xr.Dataset) -> None:
    import hvplot.xarray  # noqa: F401

    gamma = chain["gamma"].sel(right="C")
    assert (np.diff(gamma["strike"]) > 0).all()
    mesh = gamma.hvplot.quadmesh(x="strike", y="expiry")
    np.testing.assert_array_equal(mesh.dimension_values("gamma", flat=False), gamma)
    lines = workstation.surface(chain)["implied_vol"].hvplot.line(x="moneyness", by="expiry")
    assert len(lines) == 2
    figure(exposure(chain).hvplot.heatmap(x="strike", y="expiry", C="gex"))
