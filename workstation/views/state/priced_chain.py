"""The priced chain that a session has chosen, selected from what the board published."""

from __future__ import annotations

from typing import Protocol

import xarray as xr

from workstation.board.priced_chain import PricedChain
from workstation.views.state.source import Source

NO_MARKS = "No marks of these options have arrived yet."
NO_FLOW = (
    "No print of these options with a known taker was seen: who holds what cannot be told from the flow."
)


class ChainChoice(Protocol):
    """What of a choice selects a chain."""

    underlying: str
    expiries: list[int]
    sign_model: str
    venue: str


def chosen_chain(source: Source, choice: ChainChoice) -> PricedChain | str:
    """The chain of the chosen underlying and expiries, else why what was chosen cannot be told from it."""
    found = source.priced_chain(choice.underlying)
    if found is None:
        return NO_MARKS
    found = found.of(choice.expiries, choice.venue)
    return found if choice.sign_model in found.sign_models else NO_FLOW


def chain_of(source: Source, underlying: str, venue: str = "") -> xr.Dataset | None:
    """The newest chain of an underlying (of one venue) by expiry, strike and right; None without marks of its options."""
    found = source.priced_chain(underlying)
    return None if found is None else found.of((), venue).dataset
