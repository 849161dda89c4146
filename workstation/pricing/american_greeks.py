"""Greeks of American options: of the European option in closed form, and of the early exercise premium on top."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workstation.pricing import black
from workstation.pricing.american_families import Boundaries, boundaries_of
from workstation.pricing.american_terms import (
    DOUBLE,
    EARLY,
    INVALID,
    LIMIT,
    PutTerms,
    kinds,
    premiums,
    put_terms,
    still_value,
)

Floats = NDArray[np.float64]
Greeks = dict[str, Floats]

_VOL_STEP: Final = 2e-3
_VOL_STEP_THIRD: Final = 2e-2
"""Steps of the differences, shares of the total volatility; of the third derivative."""
_RATE_STEP: Final = 1e-3
_RATE_SHARE: Final = 0.02
"""A rate moves by this at most, and by this share of itself, so that it does not cross 0, where exercise ends."""
_NEAR: Final = 0.1
"""Nor does a step take the boundary further than this share of the way to the spot."""
_BY_VOL: Final = frozenset({"vega", "vanna", "vomma", "zomma"})


def spot_greeks(
    spots: Any,
    strikes: Any,
    years: Any,
    vols: Any,
    rates: Any,
    yields: Any,
    is_call: Any,
    *,
    names: tuple[str, ...],
    accuracy: str,
) -> Greeks:
    """All of ``black.GREEKS`` and the price of checked columns; those not named may lack the premium's part."""
    terms = put_terms(spots, strikes, years, vols, rates, yields, is_call)
    kind = kinds(terms, strikes, spots, years, vols)
    found = _european(spots, strikes, years, vols, rates, yields, is_call)
    columns = {
        "spots": spots,
        "strikes": strikes,
        "years": years,
        "vols": vols,
        "rates": rates,
        "yields": yields,
    }
    limit = np.flatnonzero(kind == LIMIT)
    if limit.size:
        _put_limits(
            found, limit, terms.part(limit), is_call[limit], {k: v[limit] for k, v in columns.items()}
        )
    early = np.flatnonzero(kind == EARLY)
    if early.size:
        _add_premium(
            found,
            early,
            terms.part(early),
            is_call[early],
            {k: v[early] for k, v in columns.items()},
            names,
            accuracy,
        )
    nothing = (kind == INVALID) | (kind == DOUBLE)
    for values in found.values():
        values[nothing] = np.nan
    return found


def to_forward(
    found: Greeks, spots: Any, strikes: Any, years: Any, vols: Any, rates: Any, yields: Any, is_call: Any
) -> Greeks:
    """Greeks by the spot as greeks by the forward: theta, charm, color and rho then hold the forward."""
    drift = rates - yields
    ratio = np.exp(-drift * years)
    carried = drift * spots
    delta, gamma, speed = found["delta"], found["gamma"], found["speed"]
    return {
        **found,
        "delta": delta * ratio,
        "gamma": gamma * ratio**2,
        "speed": speed * ratio**3,
        "vanna": found["vanna"] * ratio,
        "zomma": found["zomma"] * ratio**2,
        "theta": found["theta"] + carried * delta,
        "rho": found["rho"] - years * spots * delta,
        "charm": (found["charm"] + carried * gamma + drift * delta) * ratio,
        "color": (found["color"] + carried * speed + 2.0 * drift * gamma) * ratio**2,
    }


def _european(
    spots: Any, strikes: Any, years: Any, vols: Any, rates: Any, yields: Any, is_call: Any
) -> Greeks:
    drift = rates - yields
    ratio = np.exp(drift * years)
    found = black.greeks(
        forwards=spots * ratio,
        strikes=strikes,
        years=years,
        vols=vols,
        is_call=is_call,
        discounts=np.exp(-rates * years),
        names=("price", *black.GREEKS),
    )
    found["delta"] *= ratio
    found["gamma"] *= ratio**2
    found["speed"] *= ratio**3
    found["vanna"] *= ratio
    found["zomma"] *= ratio**2
    delta, gamma, speed = found["delta"], found["gamma"], found["speed"]
    found["theta"] -= drift * spots * delta
    found["rho"] += years * spots * delta
    found["charm"] = found["charm"] * ratio - drift * (spots * gamma + delta)
    found["color"] = found["color"] * ratio**2 - drift * (spots * speed + 2.0 * gamma)
    return found


def _put_limits(found: Greeks, rows: Any, terms: PutTerms, call: Any, columns: dict[str, Any]) -> None:
    """Without time or volatility: the derivatives of the exercise at the best moment; none of those by volatility."""
    spots, strikes, years = columns["spots"], columns["strikes"], columns["years"]
    rates, yields = columns["rates"], columns["yields"]
    moment = _best_moment(terms)
    sign = np.where(call, 1.0, -1.0)
    stock = np.exp(-yields * moment * years)
    cash = strikes * np.exp(-rates * moment * years)
    value = np.where(call, spots, strikes) * still_value(terms)
    value = np.where(strikes == 0.0, spots * stock * call, value)
    exercised = value > 0.0
    at_money = (terms.x == 0.0) & (moment == 0.0)
    delta = sign * stock * np.where(at_money, 0.5, exercised)
    gain = np.where(moment > 0.0, rates * value - (rates - yields) * spots * delta, 0.0)
    for name in found:
        found[name][rows] = 0.0
    for name in ("gamma", "speed", "color", "zomma"):
        found[name][rows] = np.where(at_money, np.nan, 0.0)
    found["price"][rows], found["delta"][rows], found["theta"][rows] = value, delta, gain
    found["rho"][rows] = np.where(exercised, sign * moment * years * cash, 0.0)


def _best_moment(terms: PutTerms) -> Floats:
    """When a put without volatility is exercised, as a share of its time."""
    a, b, spot = terms.a, terms.b, np.exp(terms.x)
    with np.errstate(all="ignore"):
        turn = np.log(a / (b * spot)) / (a - b)
    turn = np.where((turn > 0.0) & (turn < 1.0), turn, 0.0)
    tried = np.stack((np.zeros_like(a), np.ones_like(a), turn))
    worth = np.exp(-a * tried) - spot * np.exp(-b * tried)
    return np.asarray(np.take_along_axis(tried, worth.argmax(axis=0)[None], axis=0)[0])


def _add_premium(
    found: Greeks,
    rows: Any,
    terms: PutTerms,
    call: Any,
    columns: dict[str, Any],
    names: tuple[str, ...],
    accuracy: str,
) -> None:
    boundaries = boundaries_of(terms, accuracy)
    nodes = boundaries.nodes(terms.s)
    gap = terms.x - boundaries.log_top - nodes[-1]
    _put_exercised(found, rows[gap <= 0.0], terms.part(gap <= 0.0), call[gap <= 0.0], columns, gap <= 0.0)
    held = np.flatnonzero(gap > 0.0)
    if not held.size:
        return
    part, at, is_call = terms.part(held), rows[held], call[held]
    own = {name: values[held] for name, values in columns.items()}
    slopes = _by_spot(premiums(part, nodes[:, held], accuracy, 5), is_call, own)
    _add_by_spot(found, at, slopes, own)
    moving = _Moving(boundaries, held, part, gap[held], is_call, own)
    wanted = set(names)
    if wanted & _BY_VOL:
        _add_by_vol(found, at, moving, slopes)
    if "rho" in wanted:
        _add_by_rate(found, at, moving)
    if "ultima" in wanted:
        _add_third_by_vol(found, at, moving)


class _Moving(NamedTuple):
    """Rows that are held, whose vol and rate are moved."""

    boundaries: Boundaries
    held: Any
    terms: PutTerms
    gap: Floats
    call: Any
    columns: dict[str, Any]

    def step(self, share: float) -> Floats:
        """Steps of total vol: a share of it that takes the boundary no way near the spot."""
        s = self.terms.s
        return np.asarray(np.maximum(np.minimum(share * s, _NEAR * self.gap), 1e-6 * s))

    def at_vol(self, step: Floats, orders: int) -> Floats:
        """Premiums with total vol moved."""
        s = self.terms.s + step
        nodes = self.boundaries.nodes(s, self.held, near=self.terms.s)
        return premiums(self.terms.moved(s=step), nodes, self.boundaries.accuracy, orders)

    def at_rate(self, a: Floats, b: Floats) -> Floats:
        """Premiums with rates and yields moved."""
        terms, accuracy = self.terms.moved(a=a, b=b), self.boundaries.accuracy
        return np.asarray(premiums(terms, boundaries_of(terms, accuracy).nodes(terms.s), accuracy)[0])


def _put_exercised(
    found: Greeks, rows: Any, terms: PutTerms, call: Any, columns: dict[str, Any], of: Any
) -> None:
    """Intrinsic value: delta 1 or -1, the rest 0."""
    for name in found:
        found[name][rows] = 0.0
    unit = np.where(call, columns["spots"][of], columns["strikes"][of])
    found["price"][rows] = -unit * np.expm1(terms.x)
    found["delta"][rows] = np.where(call, 1.0, -1.0)


def _by_spot(slopes: Floats, call: Any, columns: dict[str, Any]) -> Floats:
    """Derivatives by x of the premium in strikes, shape (5, n), as S**n times those by the spot of the premium in money."""
    h = slopes * np.where(call, np.array([1.0, -1.0, 1.0, -1.0, 1.0])[:, None], 1.0)
    of_call = (h[0], h[0] + h[1], h[1] + h[2], h[3] - h[1], h[4] - 2.0 * h[3] - h[2] + 2.0 * h[1])
    of_put = (
        h[0],
        h[1],
        h[2] - h[1],
        h[3] - 3.0 * h[2] + 2.0 * h[1],
        h[4] - 6.0 * h[3] + 11.0 * h[2] - 6.0 * h[1],
    )
    return np.asarray(
        np.where(call, columns["spots"] * np.stack(of_call), columns["strikes"] * np.stack(of_put))
    )


def _add_by_spot(found: Greeks, rows: Any, u: Floats, columns: dict[str, Any]) -> None:
    """Derivatives by spot, and those by time from the equation that the premium obeys."""
    spots, rates = columns["spots"], columns["rates"]
    drift, half = rates - columns["yields"], 0.5 * columns["vols"] ** 2
    found["price"][rows] += u[0]
    found["delta"][rows] += u[1] / spots
    found["gamma"][rows] += u[2] / spots**2
    found["speed"][rows] += u[3] / spots**3
    found["theta"][rows] += rates * u[0] - drift * u[1] - half * u[2]
    found["charm"][rows] += (rates * u[1] - drift * (u[1] + u[2]) - half * (2.0 * u[2] + u[3])) / spots
    found["color"][rows] += (
        rates * u[2] - drift * (2.0 * u[2] + u[3]) - half * (2.0 * u[2] + 4.0 * u[3] + u[4])
    ) / spots**2


def _add_by_vol(found: Greeks, rows: Any, moving: _Moving, here: Floats) -> None:
    columns = moving.columns
    step, root, spots = moving.step(_VOL_STEP), np.sqrt(columns["years"]), columns["spots"]
    up, down = (_by_spot(moving.at_vol(move, 5), moving.call, columns) for move in (step, -step))
    slope = (up - down) / (2.0 * step) * root
    found["vega"][rows] += slope[0]
    found["vanna"][rows] += slope[1] / spots
    found["zomma"][rows] += slope[2] / spots**2
    found["vomma"][rows] += (up[0] - 2.0 * here[0] + down[0]) / step**2 * columns["years"]


def _add_third_by_vol(found: Greeks, rows: Any, moving: _Moving) -> None:
    step, columns = moving.step(_VOL_STEP_THIRD), moving.columns
    unit = np.where(moving.call, columns["spots"], columns["strikes"])
    far_up, up, down, far_down = (moving.at_vol(share * step, 1)[0] for share in (2.0, 1.0, -1.0, -2.0))
    third = (far_up - 2.0 * up + 2.0 * down - far_down) / (2.0 * step**3)
    found["ultima"][rows] += unit * third * columns["years"] ** 1.5


def _add_by_rate(found: Greeks, rows: Any, moving: _Moving) -> None:
    columns, call = moving.columns, moving.call
    step = np.minimum(_RATE_STEP, np.where(call, np.inf, _RATE_SHARE * np.abs(columns["rates"])))
    step = np.maximum(step, 1e-9)
    shift = step * columns["years"]
    of_put, of_call = np.where(call, 0.0, shift), np.where(call, shift, 0.0)
    unit = np.where(call, columns["spots"], columns["strikes"])
    up, down = moving.at_rate(of_put, of_call), moving.at_rate(-of_put, -of_call)
    found["rho"][rows] += unit * (up - down) / (2.0 * step)
