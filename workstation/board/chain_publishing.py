"""Chains on their way to the board: as an engine priced them, or as marks tell them before one has."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy.typing as npt
import pandas as pd

from workstation.board.priced_chain import PricedChain
from workstation.flow.taker_flow_monitor import FlowSeen
from workstation.pricing import by_style
from workstation.pricing.carry import CarryParameters, carry_of
from workstation.pricing.chain_dataset import dataset
from workstation.pricing.contracts import GREEKS, ContractArrays, contracts
from workstation.pricing.latest import OPTION, LatestMarks


def published_chain(latest: LatestMarks, priced: ContractArrays, flow: FlowSeen) -> PricedChain:
    """The chain of contracts that an engine priced; ``latest`` is copied, because the engine goes on with it."""
    seen = copy.copy(latest)
    seen.values, seen.times = latest.values.copy(), latest.times.copy()
    return PricedChain(priced, lambda kept: dataset(seen, _all_greeks(kept)), flow)


def _all_greeks(priced: ContractArrays) -> ContractArrays:
    """The same contracts with the greeks that the engine did not need."""
    missing = tuple(name for name in GREEKS if name not in priced.greeks)
    if not missing:
        return priced
    more = by_style.greeks(
        forwards=priced.forward,
        strikes=priced.strike,
        years=priced.years,
        vols=priced.vol,
        is_call=priced.is_call,
        discounts=priced.discount,
        american=priced.american,
        yields=priced.yields,
        names=missing,
    )
    return replace(priced, greeks={**priced.greeks, **more})


def chain_of_marks(
    marks: pd.DataFrame,
    underlying: str,
    taker_flow: Callable[[npt.NDArray[Any]], FlowSeen],
    carry: CarryParameters | None = None,
) -> PricedChain | None:
    """The chain of an underlying as of its own newest mark; None without a mark of one of its options.

    For the time before an engine has published one.

    Parameters
    ----------
    marks
        Rows of ``marks``, conformed.
    underlying
        Which one.
    taker_flow
        Gives the flow of contracts by their registry codes.
    carry
        Dividends and rates that American chains are priced with; None: of their own quotes alone.
    """
    latest = LatestMarks(by_venue=True)
    latest.take(marks)
    if not underlying or underlying not in latest.underlyings:
        return None
    ours = latest.underlying == latest.underlyings.index(underlying)
    options = ours & (latest.kind == OPTION) & latest.seen
    if not options.any():
        return None
    asof_ns = int(latest.times[:, options].max())
    told = carry_of(latest, carry or CarryParameters(), underlying=underlying, asof_ns=asof_ns)
    priced = contracts(latest, underlying=underlying, asof_ns=asof_ns, **told)
    return PricedChain(priced, lambda kept: dataset(latest, kept), taker_flow(priced.codes))
