"""The priced chain of one underlying at one moment: published once, read by every screen.

The exposure engine prices the contracts of an underlying on its timer. What it priced is published on the board as a
``PricedChain``. Screens select from it: levels, the band over the sign models, exposures by strike. Each of these is
computed once per chain, for all sessions; what was asked of the chain before is ready when the next one is published.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workstation.exposure.band import common_curves
from workstation.exposure.book import contract_exposures, exposure, ledger
from workstation.exposure.levels import KeyLevels, key_levels
from workstation.exposure.open_interest import open_interest
from workstation.exposure.scenario import forced_flow
from workstation.exposure.signs import SIGN_MODELS, positions
from workstation.flow.taker_flow_monitor import FlowSeen
from workstation.market.errors import WorkstationError
from workstation.market.instruments import REGISTRY
from workstation.pricing.across_venues import across_venues
from workstation.pricing.contracts import ContractArrays, Floats
from workstation.pricing.surface import greek_surface, surface

Made = TypeVar("Made")
Part = tuple[tuple[int, ...], str]
"""Expiries and venue of a part of a chain; none and empty: all."""
Question = tuple[Part, str, tuple[str, ...]]
"""Part, name of the method and its arguments."""
WHOLE: Part = ((), "")
Answers = Callable[[Part, tuple[Any, ...]], Any]
"""Gives what another process computed of a chain: of the part, what is asked (see ``PricedChain.answer``)."""
_SELECTED = frozenset({"expiries", "venues", "across venues", "of", "position", "by_strike", "ledger"})
"""What follows from priced contracts without pricing anything."""


class ChainPending(WorkstationError):
    """What is asked of a chain is priced by another process, which has been asked for it."""


class Band(NamedTuple):
    """What the sign models span together; of each pair the lowest and the highest."""

    sign_models: tuple[str, ...]
    """The models that are known: ``flow`` only where prints had a side."""
    net_gex: tuple[float, float]
    """USD per 1 % move."""
    zero_gamma: tuple[float, float]
    """USD; NaN where no model has one."""
    curve_spot: Floats
    """Spots of the curves, shape (s,), USD."""
    curves: dict[str, Floats]
    """Net gex over ``curve_spot`` by sign model, each of shape (s,)."""
    curve_low: Floats
    curve_high: Floats


class ByStrike(NamedTuple):
    """An exposure by strike, summed over the expiries; arrays of shape (k,)."""

    strikes: Floats
    call: Floats
    put: Floats


class PricedChain:
    """Priced contracts of one underlying at one moment, and what follows from them.

    Immutable for readers: every result is computed at most once and must not be changed by the caller. Safe to read from
    any thread.

    Parameters
    ----------
    contracts
        As the exposure engine priced them.
    make_dataset
        Gives contracts as a Dataset; called once, when it is first asked for.
    flow
        Signed taker flow of each of the contracts, in their order.
    answers
        Where another process prices: gives what it computed, or raises ``ChainPending``. None: it is computed here.

    Attributes
    ----------
    underlying, asof_ns, spot
        Name, instant (UTC ns), USD.
    marks_ns
        When the newest price or vol among the contracts happened (UTC ns); 0 when none is priced.
    pending
        Whether something was asked of it that another process has not answered.
    """

    def __init__(
        self,
        contracts: ContractArrays,
        make_dataset: Callable[[ContractArrays], xr.Dataset],
        flow: FlowSeen,
        answers: Answers | None = None,
    ) -> None:
        self.contracts, self.flow, self._answers = contracts, flow, answers
        self.underlying, self.asof_ns, self.spot = contracts.underlying, contracts.asof_ns, contracts.spot
        self.marks_ns = int(contracts.event_ns.max(initial=0))
        self.pending = False
        self._make_dataset = make_dataset
        self._lock = threading.RLock()
        self._made: dict[tuple[Any, ...], Any] = {}
        self._part = WHOLE
        self._asked: set[Question] = set()

    # -- what is selected -------------------------------------------------------------------------------------

    @property
    def expiries(self) -> list[int]:
        """``expiry_ns`` of the expiries with a priced contract, ascending."""
        found: list[int] = self._once(("expiries",), lambda: np.unique(self.contracts.expiry_ns).tolist())
        return found

    @property
    def venues(self) -> list[str]:
        """Venues with a priced contract, by name; none where rows name no venue."""
        found: list[str] = self._once(
            ("venues",), lambda: sorted(name for name in set(self.contracts.venue.tolist()) if name)
        )
        return found

    @property
    def across_venues(self) -> pd.DataFrame:
        """Contracts that several venues list: ``workstation.pricing.across_venues.across_venues``."""
        return self._once(("across venues",), lambda: across_venues(self.contracts))

    def of(self, expiries: Sequence[int], venue: str = "") -> PricedChain:
        """The chain of these expiries and of one venue alone; the whole chain where none of its contracts is such.

        Spot stays that of the whole chain. Where several venues list one contract, its taker flow is not told apart: the chain of
        one venue has none.
        """
        wanted = (tuple(sorted(set(expiries))), venue)
        if wanted == WHOLE or self._part != WHOLE:
            return self
        return self._once(("of", wanted), lambda: self._some(wanted))

    def _some(self, wanted: Part) -> PricedChain:
        expiries, venue = wanted
        priced = self.contracts
        kept = np.isin(priced.expiry_ns, expiries) if expiries else np.ones(len(priced), dtype=bool)
        if venue:
            kept &= priced.venue == venue
        if not kept.any():
            return self
        flow = self.flow._replace(signed=self.flow.signed[kept])
        if venue and np.unique(priced.codes).size < priced.codes.size:
            flow = flow._replace(signed=np.zeros_like(flow.signed), prints=0, unsided=0)
        some = PricedChain(_masked(priced, kept), self._dataset_of(wanted), flow, self._answers)
        some._part, some._asked = wanted, self._asked
        return some

    def _dataset_of(self, wanted: Part) -> Callable[[ContractArrays], xr.Dataset]:
        expiries, venue = wanted
        if venue:
            return self._make_dataset
        return lambda _: self.dataset.isel(expiry=np.isin(self.dataset["expiry_ns"].to_numpy(), expiries))

    @property
    def sign_models(self) -> tuple[str, ...]:
        """The sign models that can be told: ``flow`` only where prints had a side."""
        return tuple(name for name in SIGN_MODELS if name != "flow" or self.flow.known)

    @property
    def dataset(self) -> xr.Dataset:
        """The chain by expiry, strike and right, as ``workstation.pricing.chain.chain`` gives it."""
        return self._once(("dataset",), lambda: self._make_dataset(self.contracts))

    @property
    def surface(self) -> xr.Dataset:
        """The fitted surface, as ``workstation.pricing.surface.surface`` gives it."""
        return self._once(("surface",), lambda: surface(self.dataset))

    def greek_surface(self, name: str, on: str) -> xr.DataArray:
        """A greek over the grid of the surface (``moneyness`` or ``delta``), as ``greek_surface`` of the surface gives it."""
        return self._once(("greek surface", name, on), lambda: greek_surface(self.surface, name, on=on))

    def levels(self, sign_model: str, basis: str) -> KeyLevels:
        """Net gex, zero gamma and the walls; ``ValueError`` for ``flow`` where no print had a side."""
        found: KeyLevels = self._ask("levels", sign_model, basis)
        return found

    def band(self, basis: str) -> Band:
        """What the sign models span together."""
        found: Band = self._ask("band", basis)
        return found

    def by_strike(self, measure: str, sign_model: str, basis: str) -> ByStrike:
        """Call and put part of an exposure (``gex``, ``dex``, ``vanna_exposure``, ``charm_exposure``) by strike."""
        found: ByStrike = self._ask("by_strike", measure, sign_model, basis)
        return found

    def book(self, sign_model: str, basis: str) -> xr.Dataset:
        """Exposures by expiry and strike, as ``workstation.exposure.book.exposure`` gives them."""
        return self._once(
            ("book", sign_model, basis),
            lambda: exposure(self.dataset, sign_model, basis, self._flow_by_cell(sign_model)),
        )

    def forced_flow(
        self,
        sign_model: str,
        basis: str,
        *,
        spot_moves: tuple[float, ...],
        vol_moves: tuple[float, ...],
        days: tuple[float, ...] = (0.0,),
    ) -> xr.Dataset:
        """What dealers must trade if spot, vol and time move: ``workstation.exposure.scenario.forced_flow``."""
        return self._once(
            ("forced flow", sign_model, basis, spot_moves, vol_moves, days),
            lambda: forced_flow(
                self.dataset, spot_moves=spot_moves, vol_moves=vol_moves, days=days, sign_model=sign_model,
                basis=basis, flow=self._flow_by_cell(sign_model),
            ),
        )  # fmt: skip

    def open_interest(self, walls: int) -> xr.Dataset:
        """Open interest and volume with max pain: ``workstation.exposure.open_interest.open_interest``."""
        return self._once(("open interest", walls), lambda: open_interest(self.dataset, walls=walls))

    def ledger(self, sign_model: str, basis: str) -> dict[str, Any]:
        """Conventions, sources, ages and what was left out, as plain numbers and strings."""
        told: dict[str, Any] = self._ask("ledger", sign_model, basis)
        return told

    def answer(self, part: Part, key: tuple[Any, ...]) -> Any:
        """What a process that does not price asks of the chain.

        Parameters
        ----------
        part
            Expiries and venue; none and empty: the whole chain.
        key
            Name of what is asked (``levels``, ``band``, ``dataset``, ``surface``, ``greek surface``, ``book``, ``forced flow``,
            ``open interest``) and its arguments.

        Raises
        ------
        ValueError
            Nothing of this name is to be asked, or not with these arguments.
        """
        chain, name, arguments = self.of(*part), key[0], key[1:]
        makers: dict[str, Callable[..., Any]] = {
            "levels": chain.levels,
            "band": chain.band,
            "dataset": lambda: chain.dataset,
            "surface": lambda: chain.surface,
            "greek surface": chain.greek_surface,
            "book": chain.book,
            "forced flow": lambda sign, basis, spot, vol, days: chain.forced_flow(
                sign, basis, spot_moves=spot, vol_moves=vol, days=days
            ),
            "open interest": chain.open_interest,
        }
        if name not in makers:
            raise ValueError(f"nothing of a chain is called {name!r}")
        try:
            return makers[name](*arguments)
        except TypeError as error:
            raise ValueError(f"{name!r} of a chain is not asked like this: {error}") from error

    # -- how it is computed -----------------------------------------------------------------------------------

    def prepare(self, before: PricedChain) -> None:
        """Compute what readers asked of the chain ``before``, so that they find it ready."""
        for part, name, arguments in tuple(before._asked):
            chosen = self.of(*part)
            if "flow" not in arguments or chosen.flow.known:
                chosen._answer(name, arguments)

    def _ask(self, name: str, *arguments: str) -> Any:
        self._asked.add((self._part, name, arguments))
        return self._answer(name, arguments)

    def _answer(self, name: str, arguments: tuple[str, ...]) -> Any:
        makers: dict[str, Callable[..., Any]] = {
            "levels": self._levels,
            "band": self._band,
            "by_strike": self._by_strike,
            "ledger": self._ledger,
        }
        make = makers[name]
        return self._once((name, *arguments), lambda: make(*arguments))

    def _once(self, key: tuple[Any, ...], make: Callable[[], Made]) -> Made:
        with self._lock:
            if key not in self._made:
                here = self._answers is None or key[0] in _SELECTED
                self._made[key] = make() if here else self._answered(key)
            found: Made = self._made[key]
            return found

    def _answered(self, key: tuple[Any, ...]) -> Any:
        assert self._answers is not None
        try:
            return self._answers(self._part, key)
        except ChainPending:
            self.pending = True
            raise

    def _position(self, sign_model: str, basis: str) -> Floats:
        flow = self.flow.signed if sign_model == "flow" and self.flow.known else None
        return self._once(
            ("position", sign_model, basis),
            lambda: positions(self.contracts, sign_model=sign_model, basis=basis, flow=flow),
        )

    def _levels(self, sign_model: str, basis: str) -> KeyLevels:
        return key_levels(self.contracts, position=self._position(sign_model, basis))

    def _band(self, basis: str) -> Band:
        names = self.sign_models
        found = [self._answer("levels", (name, basis)) for name in names]
        sizes = [self._position(name, basis) for name in names]
        spots, curves = common_curves(self.contracts, found, sizes)
        return Band(
            sign_models=names,
            net_gex=_ends([model.net_gex for model in found]),
            zero_gamma=_ends([model.zero.nearest for model in found]),
            curve_spot=spots,
            curves=dict(zip(names, curves, strict=True)),
            curve_low=np.fmin.reduce(curves, axis=0),
            curve_high=np.fmax.reduce(curves, axis=0),
        )

    def _by_strike(self, measure: str, sign_model: str, basis: str) -> ByStrike:
        values = contract_exposures(self.contracts, self._position(sign_model, basis))[measure]
        return ByStrike(self.contracts.cells.strikes, *self.contracts.cells.sums_by_strike(values))

    def _ledger(self, sign_model: str, basis: str) -> dict[str, Any]:
        told = ledger(self.contracts, sign_model, basis)
        if venue := self._part[1]:
            told = {name: value for name, value in told.items() if name != "combined"}
            told |= {"venue": venue, "venues": {venue: len(self.contracts)}}
        if sign_model != "flow":
            return told
        return told | {
            "flow_since_ns": self.flow.since_ns,
            "prints_counted": self.flow.prints - self.flow.unsided,
            "prints_without_side": self.flow.unsided,
            "contracts_traded": int(np.count_nonzero(self.flow.signed)),
        }

    def _flow_by_cell(self, sign_model: str) -> xr.DataArray | None:
        if sign_model != "flow" or not self.flow.known:
            return None
        cells = self.dataset["instrument"].transpose("expiry", "strike", "right")
        signed = dict(zip(REGISTRY.names(self.contracts.codes), self.flow.signed.tolist(), strict=True))
        by_cell = np.array([signed.get(name, np.nan) for name in cells.to_numpy().ravel().tolist()])
        return cells.copy(data=by_cell.reshape(cells.shape))


def _ends(values: list[float]) -> tuple[float, float]:
    return float(np.fmin.reduce(values)), float(np.fmax.reduce(values))


def _masked(priced: ContractArrays, kept: npt.NDArray[np.bool_]) -> ContractArrays:
    """The contracts that are kept."""
    arrays = {
        field.name: getattr(priced, field.name)[kept]
        for field in fields(priced)
        if isinstance(getattr(priced, field.name), np.ndarray)
    }
    return replace(priced, **arrays, greeks={name: values[kept] for name, values in priced.greeks.items()})
