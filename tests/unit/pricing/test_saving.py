"""Datasets in files: what is loaded is what was saved, the ledger too, and goes on where the saved one did."""

from __future__ import annotations

import copy
import importlib.util
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workstation.exposure.band import band
from workstation.exposure.book import exposure
from workstation.exposure.levels import levels
from workstation.exposure.open_interest import open_interest
from workstation.exposure.scenario import forced_flow
from workstation.pricing.chain import chain
from workstation.pricing.ledger import NETCDF4, Told, from_attrs
from workstation.pricing.surface import surface

MARKS = pd.DataFrame(
    {
        "event_ns": pd.Timestamp("2026-11-01T00:00:00.001").value,
        "mark_iv": np.linspace(0.4, 0.6, 12),
        "open_interest": np.linspace(1.0, 12.0, 12),
        "index": 1e5,
        "venue": "deribit",
        "instrument": [f"BTC/USD:BTC-261225-{k}-{r}" for k in range(80_000, 140_000, 10_000) for r in "CP"],
    }
)
BOOK = chain(MARKS)
MADE: dict[str, Callable[[], xr.Dataset]] = {
    "chain": lambda: BOOK,
    "exposure": lambda: exposure(BOOK),
    "levels": lambda: levels(BOOK),
    "band": lambda: band(BOOK),
    "forced_flow": lambda: forced_flow(BOOK, spot_moves=[-0.01, 0.01], vol_moves=[0.0]),
    "open_interest": lambda: open_interest(BOOK),
    "surface": lambda: surface(BOOK),
}


def saved(found: xr.Dataset, path: Path) -> xr.Dataset:
    if path.suffix == ".zarr":
        found.to_zarr(path, consolidated=False)
        return xr.open_zarr(path, consolidated=False).load()
    found.to_netcdf(path)
    return xr.load_dataset(path)


FILES = ["kept.nc", *(["kept.zarr"] if importlib.util.find_spec("zarr") else [])]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", list(MADE))
def test_what_is_loaded_is_what_was_saved(name: str, file: str, tmp_path: Path) -> None:
    found = MADE[name]()
    again = saved(found, tmp_path / file)
    assert set(again.variables) == set(found.variables) and again.sizes == found.sizes
    for variable in found.variables:
        old, new = found[variable].to_numpy(), again[variable].to_numpy()
        if old.dtype.kind in "fi":
            np.testing.assert_allclose(new.astype(float), old.astype(float), rtol=1e-15)
        else:
            assert new.astype(old.dtype).tolist() == old.tolist(), variable
    assert _same(from_attrs(again.attrs), from_attrs(found.attrs))
    assert from_attrs(again.attrs)["asof_ns"] == MARKS["event_ns"][0]
    if NETCDF4:
        assert type(found.attrs["asof_ns"]) is int and isinstance(again.attrs["asof_ns"], int | np.integer)
        assert again["event_ns"].equals(found["event_ns"]) if "event_ns" in found else True


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return set(one) == set(other) and all(_same(one[key], other[key]) for key in one)
    return bool(np.all((np.asarray(one) == np.asarray(other)) | (np.asarray(one) != np.asarray(one))))


def test_a_loaded_chain_gives_the_same_exposure(tmp_path: Path) -> None:
    again = saved(BOOK, tmp_path / "kept.nc")
    xr.testing.assert_equal(levels(again), levels(BOOK))
    assert exposure(again).attrs["iv_source"] == {"mark_iv": 12} == exposure(BOOK).attrs["iv_source"]
    xr.testing.assert_allclose(surface(again)["implied_vol"], surface(BOOK)["implied_vol"])


def test_a_ledger_is_read_as_what_it_says() -> None:
    told = Told.of({"a": 1, "b": {"c": [1, 2]}})
    assert (told["a"], told["b"], told.get("z", 7), "a" in told, list(told)) == (
        1,
        {"c": [1, 2]},
        7,
        True,
        ["a", "b"],
    )
    for same in (copy.deepcopy(told), pickle.loads(pickle.dumps(told))):
        assert isinstance(same, Told) and same == told == {"a": 1, "b": {"c": [1, 2]}} and same != {"a": 2}
    assert BOOK.attrs["dropped"]["stale"] == 0 and sum(BOOK.attrs["dropped"].values()) == 0
    assert {**BOOK.attrs["dropped"]} == BOOK.attrs["dropped"]


def test_coordinates_are_plain_numpy() -> None:
    for make in MADE.values():
        for name, coordinate in make().coords.items():
            assert isinstance(coordinate.variable.data, np.ndarray), name


@pytest.mark.parametrize(
    "said",
    ["2026-11-01T00:00:00.001", "2026-11-01T01:00:00.001+01:00", pd.Timestamp("2026-11-01T00:00:00.001")],
)
def test_an_instant_may_be_text(said: Any) -> None:
    xr.testing.assert_identical(chain(MARKS, asof_ns=said), chain(MARKS, asof_ns=int(MARKS["event_ns"][0])))


@pytest.mark.parametrize("said", ["yesterday noon", "", "NaT", 1.5, True, [1]])
def test_an_instant_that_is_none_is_named(said: Any) -> None:
    with pytest.raises(ValueError, match=r"asof_ns: .* is no instant; give UTC ns, ISO text"):
        chain(MARKS, asof_ns=said)


@pytest.mark.parametrize("function", [levels, exposure, band, open_interest])
@pytest.mark.parametrize("wrong", [MARKS, None, "chain", xr.Dataset()])
def test_what_is_no_chain_is_told(function: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"not a chain.*; make one with workstation.pricing.chain.chain"):
        function(wrong)
