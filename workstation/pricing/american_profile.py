"""Gamma of many American options over many spots: what a curve of net gamma is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workstation.pricing import black
from workstation.pricing.american_families import boundaries_of
from workstation.pricing.american_kernels import LANES
from workstation.pricing.american_nodes import grid
from workstation.pricing.american_premiums import add_gamma_profiles
from workstation.pricing.american_terms import DOUBLE, EARLY, EUROPEAN, INVALID, PutTerms, kinds, put_terms
from workstation.pricing.arguments import flags, numbers

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def cash_gamma_profile(
    *,
    shifts: Floats,
    spots: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    rates: Floats,
    yields: Floats,
    is_call: Flags,
    weights: Floats,
    accuracy: str = "fast",
) -> Floats:
    """Weighted sum of the contracts' spot**2 x gamma with every spot moved by the same share.

    Parameters
    ----------
    shifts
        Shape (m,), each over -1: 0.01 moves every spot up by 1 %.
    spots, strikes, years, vols, rates, yields, is_call, weights
        The contracts, shape (n,), as in ``american.price``; weights carry open interest, multiplier and sign.

    Returns
    -------
    float64 array (m,): where a contract is exercised its gamma is 0. A contract without volatility beside its drift adds nothing, one
    that is none or has two boundaries makes the profile NaN.

    Examples
    --------
    >>> one = np.ones(2)
    >>> cash_gamma_profile(shifts=np.array([-0.2, 0.0, 0.2]), spots=100.0 * one, strikes=100.0 * one, years=one, vols=0.2 * one,
    ...                    rates=0.06 * one, yields=0.0 * one, is_call=np.array([False, True]), weights=one).round(2).tolist()
    [123.52, 423.04, 215.34]
    """
    moves = numbers("shifts", shifts)
    spots, strikes, years, vols, rates, yields, weights = (
        numbers(name, column)
        for name, column in (
            ("spots", spots), ("strikes", strikes), ("years", years), ("vols", vols), ("rates", rates),
            ("yields", yields), ("weights", weights),
        )
    )  # fmt: skip
    call = flags("is_call", is_call)
    terms = put_terms(spots, strikes, years, vols, rates, yields, call)
    kind = kinds(terms, strikes, spots, years, vols)
    if ((kind == INVALID) | (kind == DOUBLE)).any():
        return np.full(moves.size, np.nan)
    profile = np.zeros(moves.size)
    plain = np.flatnonzero(kind == EUROPEAN)
    if plain.size:
        forwards = (spots * np.exp((rates - yields) * years))[plain]
        held = (weights * np.exp(-rates * years))[plain] * np.square(forwards)
        of_forward = black.gamma_profile(
            shifts=moves, forwards=forwards, strikes=strikes[plain], years=years[plain], vols=vols[plain], weights=held
        )  # fmt: skip
        profile += of_forward * np.square(1.0 + moves)
    early = np.flatnonzero((kind == EARLY) & (weights != 0.0))
    if early.size:
        unit = np.where(call, spots, strikes)[early]
        profile += _early(terms.part(early), unit, call[early], weights[early], np.log1p(moves), accuracy)
    return profile


def _early(
    terms: PutTerms, units: Floats, call: Flags, weights: Floats, log_moves: Floats, accuracy: str
) -> Floats:
    nodes = np.ascontiguousarray(boundaries_of(terms, accuracy).nodes(terms.s))
    at = np.pad(log_moves, (0, -log_moves.size % LANES), mode="edge")
    profile = np.zeros(at.size)
    turns = np.where(call, -1.0, 1.0)
    add_gamma_profiles(
        grid(accuracy), terms.a, terms.b, terms.s, terms.log_top, terms.x, nodes, units, turns, weights, at, profile
    )  # fmt: skip
    return profile[: log_moves.size]
