"""The exposure snapshot a session has chosen: the published one, or one computed from the marks as published.

The desk publishes one sign model and basis. Another choice, or a part of the expiries, is computed here with the
same functions from the newest marks; ``Snapshot.published`` says which of both it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import xarray as xr

from workstation.exposure.band import band
from workstation.exposure.book import exposure
from workstation.exposure.levels import levels
from workstation.pricing.chain import chain
from workstation.views.choice import Choice, underlyings_of
from workstation.views.live import Source

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Levels, the exposure by strike, and net gex over spot, of one underlying and one moment."""

    underlying: str
    asof_ns: int
    published: bool
    spot: float = NAN
    net_gex: float = NAN
    zero_gamma: float = NAN
    zero_gamma_reason: str = ""
    call_wall: float = NAN
    put_wall: float = NAN
    absolute_wall: float = NAN
    atm_iv: float = NAN
    strikes: np.ndarray = field(default_factory=lambda: np.empty(0))
    call: np.ndarray = field(default_factory=lambda: np.empty(0))
    put: np.ndarray = field(default_factory=lambda: np.empty(0))
    curve_spot: np.ndarray = field(default_factory=lambda: np.empty(0))
    curve: np.ndarray = field(default_factory=lambda: np.empty(0))
    band: tuple[np.ndarray, np.ndarray] = field(default_factory=lambda: (np.empty(0), np.empty(0)))
    """Lowest and highest net gex over the sign models, on ``curve_spot``."""
    zero_gammas: tuple[float, float] = (NAN, NAN)
    """Lowest and highest zero gamma over the sign models."""
    changes: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Minutes -> change of net gex, strike changed most; empty when none are kept for this choice."""
    ledger: dict[str, Any] = field(default_factory=dict)

    @property
    def daily_sd(self) -> float:
        """One day's standard deviation of log price."""
        return self.atm_iv / np.sqrt(365.0)

    def distance(self, level: float) -> tuple[float, float]:
        """A level's distance from spot, as a fraction and in daily standard deviations."""
        return level / self.spot - 1.0, float(np.log(level / self.spot)) / self.daily_sd


class Snapshots:
    """The session's snapshot, made once per publication and choice."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self._key: tuple[Any, ...] = ()
        self._made: Snapshot | None = None

    def newest(self, source: Source) -> Snapshot:
        """The newest snapshot of the choice."""
        choice = self.choice
        key = (
            source.version("exposures"), source.version("levels"), choice.underlying, choice.measure,
            choice.basis, choice.sign_model, tuple(choice.expiries),
        )  # fmt: skip
        if self._made is None or not self._made.asof_ns or key != self._key:
            self._key, self._made = key, snapshot(source, choice)
        return self._made


def snapshot(source: Source, choice: Choice) -> Snapshot:
    """The newest snapshot of a choice; what cannot be known is NaN or empty."""
    level = _published_level(source, choice)
    marks = _chain(source, choice.underlying)
    if marks is None:
        return _from_level(choice, level)
    some = some_expiries(marks, choice.expiries)
    over = band(some, basis=choice.basis)
    chosen = levels(some, sign_model=choice.sign_model, basis=choice.basis)
    strikes, call, put = _ladder(source, choice, marks, level is not None)
    parts = {
        "strikes": strikes,
        "call": call,
        "put": put,
        "curve_spot": over["curve_spot"].to_numpy(),
        "curve": over["net_gex_curve"].sel(sign_model=choice.sign_model).to_numpy(),
        "band": (over["net_gex_curve_low"].to_numpy(), over["net_gex_curve_high"].to_numpy()),
        "zero_gammas": tuple(float(over[f"zero_gamma_{end}"]) for end in ("low", "high")),
    }
    if level is not None:
        return _from_level(choice, level, **parts)
    return Snapshot(
        underlying=choice.underlying,
        asof_ns=int(chosen.attrs["asof_ns"]),
        published=False,
        **{name: float(chosen[name]) for name in ("spot", "net_gex", "zero_gamma", "call_wall", "put_wall", "absolute_wall", "atm_iv")},
        zero_gamma_reason=str(chosen["zero_gamma_reason"].item()),
        ledger=dict(chosen.attrs),
        **parts,
    )  # fmt: skip


def _from_level(choice: Choice, level: pd.Series | None, **parts: Any) -> Snapshot:
    if level is None:
        return Snapshot(choice.underlying, 0, published=False, **parts)
    names = ("spot", "net_gex", "zero_gamma", "call_wall", "put_wall", "absolute_wall", "atm_iv")
    return Snapshot(
        underlying=choice.underlying,
        asof_ns=int(level["event_ns"]),
        published=True,
        **{name: float(level[name]) for name in names},
        zero_gamma_reason=str(level["zero_gamma_reason"]),
        changes={
            minutes: (float(level[f"change_{minutes}m"]), float(level[f"change_strike_{minutes}m"]))
            for minutes in (1, 5, 10, 15, 30)
        },
        ledger=json.loads(level["ledger"]) if level["ledger"] else {},
        **parts,
    )


def level_rows(source: Source, choice: Choice) -> pd.DataFrame:
    """Published levels of the chosen underlying, sign model and basis, in time order."""
    rows = source.latest("levels")
    mask = (
        (rows["underlying"] == choice.underlying)
        & (rows["sign_model"] == choice.sign_model)
        & (rows["basis"] == choice.basis)
    )
    return rows[mask.to_numpy()]


def _published_level(source: Source, choice: Choice) -> pd.Series | None:
    rows = level_rows(source, choice)
    return None if choice.expiries or not len(rows) else rows.iloc[-1]


_CHAINS: WeakKeyDictionary[Any, dict[str, tuple[int, xr.Dataset | None]]] = WeakKeyDictionary()
"""Newest chain per source and underlying, so that all sessions price it once."""


def _chain(source: Source, underlying: str) -> xr.Dataset | None:
    kept = _CHAINS.setdefault(source, {})
    version = source.version("exposures")
    if kept.get(underlying, (-1, None))[0] != version or kept[underlying][1] is None:
        kept[underlying] = (version, _price(source, underlying))
    return kept[underlying][1]


def _price(source: Source, underlying: str) -> xr.Dataset | None:
    marks = source.latest("marks")
    if not underlying or underlying not in underlyings_of(marks):
        return None
    return chain(marks, underlying=underlying)


def chain_of(source: Source, underlying: str) -> xr.Dataset | None:
    """The newest chain of an underlying as priced for the newest exposures; None when there are no marks."""
    return _chain(source, underlying)


def some_expiries(marks: xr.Dataset, expiries: list[int]) -> xr.Dataset:
    """The chosen expiries of a chain; all when none of the chosen is there."""
    known = marks["expiry_ns"].to_numpy()
    return marks.isel(expiry=np.isin(known, expiries)) if np.isin(known, expiries).any() else marks


def _ladder(
    source: Source, choice: Choice, marks: xr.Dataset, published: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strikes with the call and the put part of the chosen measure, summed over the chosen expiries."""
    if published and choice.measure == "gex":
        rows = source.latest("exposures")
        mask = (rows["underlying"] == choice.underlying) & (rows["sign_model"] == choice.sign_model)
        rows = rows[(mask & (rows["basis"] == choice.basis)).to_numpy()]
        by_strike = rows.groupby("strike", sort=True)[["call_gex", "put_gex"]].sum()
        return by_strike.index.to_numpy(), by_strike["call_gex"].to_numpy(), by_strike["put_gex"].to_numpy()
    book = exposure(some_expiries(marks, choice.expiries), sign_model=choice.sign_model, basis=choice.basis)
    call, put = (book[f"{right}_{choice.measure}"].sum("expiry").to_numpy() for right in ("call", "put"))
    return book["strike"].to_numpy(), call, put
