"""Whom the open interest belongs to: one signed position per contract, the same for every greek."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from workstation.pricing.contracts import ContractArrays, Floats

SignModel = Literal["calls_long", "calls_short", "short_all", "flow"]
Basis = Literal["open_interest", "volume"]

SIGN_MODELS: tuple[str, ...] = get_args(SignModel)
BASES: tuple[str, ...] = get_args(Basis)
_SIGNS = {"calls_long": (1.0, -1.0), "calls_short": (-1.0, 1.0), "short_all": (-1.0, -1.0)}
"""Sign of a call and of a put."""
_UNKNOWN = {
    "open_interest": "the open interest of no contract is known",
    "volume": "the 24 h volume of no contract is known",
}


def check(sign_model: str, basis: str) -> None:
    """``ValueError`` unless both are known."""
    if sign_model not in SIGN_MODELS:
        raise ValueError(f"no sign model {sign_model!r}; known are {', '.join(SIGN_MODELS)}")
    if basis not in BASES:
        raise ValueError(f"no basis {basis!r}; known are {', '.join(BASES)}")


def signs(*, is_call: npt.ArrayLike, sign_model: str) -> Floats:
    """+1 where dealers are long the contract, -1 where short, shape of ``is_call``.

    Examples
    --------
    >>> signs(is_call=[True, False], sign_model="calls_long").tolist()
    [1.0, -1.0]
    """
    if sign_model not in _SIGNS:
        raise ValueError(
            f"sign model {sign_model!r} has no fixed signs; those that have: {', '.join(_SIGNS)}"
        )
    call, put = _SIGNS[sign_model]
    return np.where(np.asarray(is_call, dtype=bool), call, put)


def positions(
    contracts: ContractArrays, *, sign_model: str, basis: str, flow: npt.ArrayLike | None = None
) -> Floats:
    """Dealers' signed position in each contract, in underlying units, shape (n,); NaN where the amount is unknown.

    For ``flow`` it is minus the signed taker ``flow`` (contracts, aligned with ``contracts``) and the basis
    has no part in it; for the other models the sign times open interest or 24 h volume.
    """
    check(sign_model, basis)
    if sign_model == "flow":
        if flow is None:
            raise ValueError(
                "sign model 'flow' needs flow=: the signed taker flow of each contract since its open interest "
                "was last published (buys less sells, in contracts)"
            )
        amount = -np.asarray(flow, dtype=np.float64)
        if amount.shape != contracts.multiplier.shape:
            raise ValueError(f"flow has shape {amount.shape}, the chain holds {len(contracts)} contracts")
    else:
        held = contracts.open_interest if basis == "open_interest" else contracts.volume_24h
        amount = signs(is_call=contracts.is_call, sign_model=sign_model) * held
    return np.asarray(amount * contracts.multiplier, dtype=np.float64)


def unknown_reason(position: Floats, basis: str) -> str:
    """Why nothing can be said of a whole book: not one contract's amount is known; empty where one is or there is none."""
    return _UNKNOWN[basis] if position.size and np.isnan(position).all() else ""
