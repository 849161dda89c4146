"""The exposure numbers a session has chosen, selected from the priced chain on the board.

The board computes what a choice of sign model, basis and expiries gives once for all sessions. Before a chain is priced
(after a restart, until the first marks arrive) the newest recorded levels are shown.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workstation.board.priced_chain import PricedChain
from workstation.market.instants import YEAR_DAYS
from workstation.views.exposure import recorded
from workstation.views.state.choice import Choice
from workstation.views.state.priced_chain import NO_FLOW, NO_MARKS
from workstation.views.state.session_cache import shared
from workstation.views.state.source import Source

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Levels, the exposure by strike, and net gex over spot, of one underlying and one moment."""

    underlying: str
    asof_ns: int
    published: bool
    """Whether the desk records this choice; else it was computed for the screen alone."""
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
    ledger: dict[str, Any] = field(default_factory=dict)

    @property
    def daily_sd(self) -> float:
        """One day's standard deviation of log price."""
        return self.atm_iv / math.sqrt(YEAR_DAYS)

    def distance(self, level: float) -> tuple[float, float]:
        """A level's distance from spot, as a fraction and in daily standard deviations."""
        return level / self.spot - 1.0, float(np.log(level / self.spot)) / self.daily_sd


class Snapshots:
    """The session's snapshot, made once per priced chain and choice for all sessions that ask for the same."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice

    def newest(self, source: Source) -> Snapshot:
        """The newest snapshot of the choice."""
        choice = self.choice
        key = (
            "snapshot", choice.underlying, choice.measure, choice.basis, choice.sign_model, tuple(choice.expiries), choice.venue,
        )  # fmt: skip
        found: Snapshot = shared(source, key, lambda: snapshot(source, choice), "priced_chain", "levels")
        return found


def snapshot(source: Source, choice: Choice) -> Snapshot:
    """The newest snapshot of a choice; what cannot be known is NaN or empty, with the reason."""
    found = source.priced_chain(choice.underlying)
    return (
        _recorded(source, choice)
        if found is None
        else _selected(found.of(choice.expiries, choice.venue), choice)
    )


def _selected(chain: PricedChain, choice: Choice) -> Snapshot:
    """What the board has of the choice."""
    band = chain.band(choice.basis)
    parts: dict[str, Any] = {
        "underlying": choice.underlying,
        "asof_ns": chain.asof_ns,
        "published": not choice.expiries and not choice.venue,
        "spot": chain.spot,
        "marks_ns": chain.marks_ns,
        "band_models": band.sign_models,
        "net_gexes": band.net_gex,
        "zero_gammas": band.zero_gamma,
        "ledger": chain.ledger(choice.sign_model, choice.basis),
    }
    if choice.sign_model not in band.sign_models:
        return Snapshot(**parts, zero_gamma_reason="no signed prints", unknown=NO_FLOW)
    found = chain.levels(choice.sign_model, choice.basis)
    strikes, call, put = chain.by_strike(choice.measure, choice.sign_model, choice.basis)
    return Snapshot(
        **parts,
        net_gex=found.net_gex,
        zero_gamma=found.zero.nearest,
        zero_gamma_reason=found.zero.reason,
        call_wall=found.call_wall,
        put_wall=found.put_wall,
        absolute_wall=found.absolute_wall,
        atm_iv=found.atm_iv,
        strikes=strikes,
        call=call,
        put=put,
        curve_spot=band.curve_spot,
        curve=band.curves[choice.sign_model],
        band=(band.curve_low, band.curve_high),
    )


_NUMBERS = ("spot", "net_gex", "zero_gamma", "call_wall", "put_wall", "absolute_wall", "atm_iv")


def _recorded(source: Source, choice: Choice) -> Snapshot:
    """The newest recorded levels of the choice, while no chain is priced."""
    rows = recorded.levels_of(source, choice)
    if choice.expiries or choice.venue or not len(rows):
        return Snapshot(choice.underlying, 0, published=False, unknown=NO_MARKS)
    level = rows.iloc[-1]
    numbers: dict[str, Any] = {name: float(level[name]) for name in _NUMBERS}
    return Snapshot(
        underlying=choice.underlying,
        asof_ns=int(level["event_ns"]),
        published=True,
        **numbers,
        zero_gamma_reason=str(level["zero_gamma_reason"]),
        ledger=json.loads(level["ledger"]) if level["ledger"] else {},
    )
