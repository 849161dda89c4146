"""The exposure snapshot a session has chosen: the published one, or one computed from the marks as published.

The desk publishes one sign model and basis. Another choice, or a part of the expiries, is computed here with the
same functions from the newest marks; ``Snapshot.published`` says which of both it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from workstation.exposure.band import band
from workstation.exposure.book import exposure
from workstation.exposure.flow_seen import FlowSeen
from workstation.exposure.levels import levels
from workstation.market.instruments import REGISTRY
from workstation.pricing.chain import chain
from workstation.pricing.ledger import from_attrs
from workstation.views.choice import Choice
from workstation.views.exposure import past
from workstation.views.live import Source
from workstation.views.shared import shared

NAN = float("nan")
NO_MARKS = "No marks of these options have arrived yet."
NO_FLOW = (
    "No print of these options with a known taker was seen: who holds what cannot be told from the flow."
)


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
    marks_ns: int = 0
    """When the newest mark of the underlying happened."""
    unknown: str = ""
    """Why nothing is known under the chosen sign model."""
    band_models: tuple[str, ...] = ()
    """The sign models that the band is over."""
    net_gexes: tuple[float, float] = (NAN, NAN)
    """Lowest and highest net gex over the sign models."""
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
    """The session's snapshot, made once per publication and choice for all sessions that ask for the same."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice

    def newest(self, source: Source) -> Snapshot:
        """The newest snapshot of the choice."""
        choice = self.choice
        key = (
            "snapshot", choice.underlying, choice.measure, choice.basis, choice.sign_model, tuple(choice.expiries),
        )  # fmt: skip
        found: Snapshot = shared(source, key, lambda: snapshot(source, choice), "exposures", "levels")
        return found


def snapshot(source: Source, choice: Choice) -> Snapshot:
    """The newest snapshot of a choice; what cannot be known is NaN or empty, with the reason."""
    level = _published_level(source, choice)
    kept = priced(source, choice.underlying)
    changes = past.changes(source, choice)
    if kept is None:
        return _from_level(choice, level, changes=changes)
    some = some_expiries(kept.chain, choice.expiries)
    over = band(some, basis=choice.basis, flow=kept.flow)
    parts: dict[str, Any] = {
        "marks_ns": int(kept.chain.attrs["asof_ns"]),
        "band_models": tuple(over["sign_model"].to_numpy().tolist()),
        "net_gexes": tuple(float(over[f"net_gex_{end}"]) for end in ("low", "high")),
        "zero_gammas": tuple(float(over[f"zero_gamma_{end}"]) for end in ("low", "high")),
    }
    if choice.sign_model not in parts["band_models"]:
        return _unknown_flow(choice, float(kept.chain["spot"]), kept, parts)
    parts |= {
        "changes": changes,
        "curve_spot": over["curve_spot"].to_numpy(),
        "curve": over["net_gex_curve"].sel(sign_model=choice.sign_model).to_numpy(),
        "band": (over["net_gex_curve_low"].to_numpy(), over["net_gex_curve_high"].to_numpy()),
        **_ladder(source, choice, kept, level is not None),
    }
    if level is not None:
        return _from_level(choice, level, **parts)
    chosen = levels(some, sign_model=choice.sign_model, basis=choice.basis, flow=kept.flow)
    return Snapshot(
        underlying=choice.underlying,
        asof_ns=int(chosen.attrs["asof_ns"]),
        published=False,
        **{name: float(chosen[name]) for name in _NUMBERS},
        zero_gamma_reason=str(chosen["zero_gamma_reason"].item()),
        ledger={
            **from_attrs(chosen.attrs),
            **(_flow_ledger(kept.seen) if choice.sign_model == "flow" else {}),
        },
        **parts,
    )


_NUMBERS = ("spot", "net_gex", "zero_gamma", "call_wall", "put_wall", "absolute_wall", "atm_iv")


def _unknown_flow(choice: Choice, spot: float, kept: Priced, parts: dict[str, Any]) -> Snapshot:
    return Snapshot(
        underlying=choice.underlying,
        asof_ns=int(kept.chain.attrs["asof_ns"]),
        published=False,
        spot=spot,
        zero_gamma_reason="no signed prints",
        unknown=NO_FLOW,
        ledger={**from_attrs(kept.chain.attrs), "sign_model": "flow", **_flow_ledger(kept.seen)},
        **parts,
    )


def _flow_ledger(seen: FlowSeen) -> dict[str, Any]:
    return {
        "flow_since_ns": seen.since_ns,
        "prints_counted": seen.prints - seen.unsided,
        "prints_without_side": seen.unsided,
        "contracts_traded": int(np.count_nonzero(seen.signed)),
    }


def _from_level(choice: Choice, level: pd.Series | None, **parts: Any) -> Snapshot:
    if level is None:
        return Snapshot(choice.underlying, 0, published=False, unknown=NO_MARKS)
    return Snapshot(
        underlying=choice.underlying,
        asof_ns=int(level["event_ns"]),
        published=True,
        **{name: float(level[name]) for name in _NUMBERS},
        zero_gamma_reason=str(level["zero_gamma_reason"]),
        ledger=json.loads(level["ledger"]) if level["ledger"] else {},
        **parts,
    )


def _published_level(source: Source, choice: Choice) -> pd.Series | None:
    rows = past.recorded(source, choice)
    return None if choice.expiries or not len(rows) else rows.iloc[-1]


class Priced(NamedTuple):
    """A chain with what takers did in it."""

    chain: xr.Dataset
    seen: FlowSeen
    flow: xr.DataArray | None
    """Signed taker flow by cell of the chain, in contracts; None when no print had a side."""


def priced(source: Source, underlying: str) -> Priced | None:
    """The newest chain of an underlying as of its own newest mark, priced once per publication; None without marks."""
    found: Priced | None = shared(source, ("priced", underlying), lambda: _price(source, underlying))
    return found


def _price(source: Source, underlying: str) -> Priced | None:
    marks = source.latest("marks")
    names = marks["instrument"].astype("str")
    terms = REGISTRY.describe(names.unique()).set_index("instrument")
    options = terms.index[(terms["underlying"] == underlying) & (terms["kind"] == "option")]
    ours = names.isin(options.astype("str")).to_numpy()
    if not underlying or not ours.any():
        return None
    made = chain(marks, underlying=underlying, asof_ns=int(marks["event_ns"].to_numpy()[ours].max()))
    cells = made["instrument"].transpose("expiry", "strike", "right")
    held = (cells != "").to_numpy()
    seen = source.taker_flow(cells.to_numpy()[held])
    if not seen.known:
        return Priced(made, seen, None)
    signed = np.full(cells.shape, np.nan)
    signed[held] = seen.signed
    return Priced(made, seen, cells.copy(data=signed))


def chain_of(source: Source, underlying: str) -> xr.Dataset | None:
    """The newest chain of an underlying as priced for the newest exposures; None when there are no marks."""
    kept = priced(source, underlying)
    return None if kept is None else kept.chain


def book_of(source: Source, choice: Choice) -> xr.Dataset | str:
    """The exposure book of a choice, else why there is none."""
    kept = priced(source, choice.underlying)
    if kept is None:
        return NO_MARKS
    if choice.sign_model == "flow" and kept.flow is None:
        return NO_FLOW
    some = some_expiries(kept.chain, choice.expiries)
    made: xr.Dataset = shared(
        source,
        ("book", choice.underlying, choice.sign_model, choice.basis, tuple(choice.expiries)),
        lambda: exposure(some, sign_model=choice.sign_model, basis=choice.basis, flow=kept.flow),
    )
    return made


def some_expiries(marks: xr.Dataset, expiries: list[int]) -> xr.Dataset:
    """The chosen expiries of a chain; all when none of the chosen is there."""
    known = marks["expiry_ns"].to_numpy()
    return marks.isel(expiry=np.isin(known, expiries)) if np.isin(known, expiries).any() else marks


def _ladder(source: Source, choice: Choice, kept: Priced, published: bool) -> dict[str, np.ndarray]:
    """Strikes with the call and the put part of the chosen measure, summed over the chosen expiries."""
    if published and choice.measure == "gex":
        rows = source.latest("exposures")
        mask = (rows["underlying"] == choice.underlying) & (rows["sign_model"] == choice.sign_model)
        rows = rows[(mask & (rows["basis"] == choice.basis)).to_numpy()]
        parts = rows.groupby("strike", sort=True)[["call_gex", "put_gex"]].sum()
        columns = (parts.index, parts["call_gex"], parts["put_gex"])
    else:
        book = book_of(source, choice)
        columns = (
            book["strike"],
            *(book[f"{right}_{choice.measure}"].sum("expiry") for right in ("call", "put")),
        )
    return dict(zip(("strikes", "call", "put"), (column.to_numpy() for column in columns), strict=True))
