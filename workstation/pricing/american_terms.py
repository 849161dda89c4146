"""American options in the units of their kernels: every option a put with a strike of 1 over a time of 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workstation.pricing.american_kernels import LANES, fill_boundary
from workstation.pricing.american_nodes import MOST_STEPS, SETTLED, Grid, grid, workspace
from workstation.pricing.american_premiums import fill_premiums

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

INVALID, LIMIT, EUROPEAN, EARLY, DOUBLE = range(5)
"""What an option is: no option; without time or vol; never exercised early; with one boundary; with two."""
_NARROWEST: Final = 1e-6
"""Total volatility under which the option is priced as if there were none."""
_STEEPEST: Final = 30.0
"""Drift over total volatility above which it is, too: the density of the spot at the boundary is then below 1e-190."""
_ROWS_AT_ONCE: Final = 4096


@dataclass(frozen=True)
class PutTerms:
    """Rows as puts: a = rate x years, b = yield x years, s = vol x sqrt(years), x = ln(spot/strike), of calls exchanged."""

    a: Floats
    b: Floats
    s: Floats
    x: Floats

    @property
    def log_top(self) -> Floats:
        """ln of the boundary just before the expiry over the strike."""
        found = np.zeros(self.a.shape)
        below = np.nonzero((self.a > 0.0) & (self.a < self.b))
        found[below] = np.log(self.a[below] / self.b[below])
        return found

    def part(self, rows: Any) -> PutTerms:
        """Some of the rows."""
        return PutTerms(self.a[rows], self.b[rows], self.s[rows], self.x[rows])

    def moved(self, *, a: Any = 0.0, b: Any = 0.0, s: Any = 0.0) -> PutTerms:
        """The same with other rates or volatilities."""
        return PutTerms(self.a + a, self.b + b, self.s + s, self.x)


def put_terms(
    spots: Floats, strikes: Floats, years: Floats, vols: Floats, rates: Floats, yields: Floats, is_call: Flags
) -> PutTerms:
    """Rows in the kernels' units; a call is the put with spot and strike, rate and yield exchanged."""
    with np.errstate(all="ignore"):
        x = np.log(spots / strikes)
        return PutTerms(
            a=np.where(is_call, yields, rates) * years,
            b=np.where(is_call, rates, yields) * years,
            s=vols * np.sqrt(years),
            x=np.where(is_call, -x, x),
        )


def kinds(terms: PutTerms, strikes: Floats, spots: Floats, years: Floats, vols: Floats) -> NDArray[np.int8]:
    """What each row is (``INVALID`` to ``DOUBLE``)."""
    a, b, s = terms.a, terms.b, terms.s
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        kind = np.where((a <= 0.0) & (a <= b), EUROPEAN, np.where(a < 0.0, DOUBLE, EARLY))
        kind = np.where(is_still(terms, s) | (strikes == 0.0), LIMIT, kind)
        valid = (spots > 0.0) & (strikes >= 0.0) & (years >= 0.0) & (vols >= 0.0) & np.isfinite(a + b + s)
        valid &= np.isfinite(spots) & np.isfinite(strikes)
    return np.where(valid, kind, INVALID).astype(np.int8)


def is_still(terms: PutTerms, s: Floats) -> Flags:
    """Whether rows are priced as if there were no volatility: next to none, or next to none beside the drift."""
    return (s < _NARROWEST) | (np.maximum(np.abs(terms.a - terms.b), np.abs(terms.a)) > _STEEPEST * s)


def log_boundaries(terms: PutTerms, accuracy: str) -> Floats:
    """ln(B/X) at the grid's nodes, shape (nodes, rows), of rows with one boundary; the last node has all time left.

    Where the last of the usual Newton steps still went far, the start was far off (rate and yield next to 0 beside the variance): those rows
    are solved with more of them.
    """
    rule = grid(accuracy)
    found, moved = _solved(terms, rule)
    unsettled = np.flatnonzero(moved > SETTLED[accuracy])
    if unsettled.size:
        found[:, unsettled] = _solved(terms.part(unsettled), rule._replace(newton_steps=MOST_STEPS))[0]
    return found


def _solved(terms: PutTerms, rule: Grid) -> tuple[Floats, Floats]:
    """The boundaries and how far the last Newton step of each row went."""
    size = terms.a.size
    nodes = np.empty((rule.roots.size, size + -size % LANES))
    moved = np.empty(nodes.shape[1])
    a, b, s, log_top = (_filled(column) for column in (terms.a, terms.b, terms.s, terms.log_top))
    fill_boundary(rule, workspace(rule), a, b, s, log_top, nodes, moved)
    return nodes[:, :size], moved[:size]


def premiums(terms: PutTerms, nodes: Floats, accuracy: str, orders: int = 1) -> Floats:
    """What early exercise adds to the European value of each row and its derivatives by x: shape (``orders``, rows), 1 or 5."""
    size = terms.a.size
    full = [_filled(column) for column in (terms.a, terms.b, terms.s, terms.log_top, terms.x)]
    nodes = (
        nodes if nodes.shape[1] == full[0].size else np.pad(nodes, ((0, 0), (0, -size % LANES)), mode="edge")
    )
    nodes = np.ascontiguousarray(nodes)
    out = np.empty((orders, full[0].size))
    a, b, s, log_top, x = full
    fill_premiums(grid(accuracy), a, b, s, log_top, x, nodes, out)
    return out[:, :size]


def still_value(terms: PutTerms) -> Floats:
    """Value without volatility, strike 1: the best moment to exercise is now, at the expiry, or where the gain turns."""
    a, b, spot = terms.a, terms.b, np.exp(terms.x)
    best = np.maximum(np.maximum(1.0 - spot, np.exp(-a) - spot * np.exp(-b)), 0.0)
    with np.errstate(all="ignore"):
        share = np.log(a / (b * spot)) / (a - b)
        inside = np.exp(-a * share) - spot * np.exp(-b * share)
    return np.asarray(np.where((share > 0.0) & (share < 1.0), np.fmax(best, inside), best))


def _filled(column: Floats) -> Floats:
    """A column with its last value repeated up to a multiple of ``LANES``."""
    missing = -column.size % LANES
    return np.ascontiguousarray(
        column if not missing else np.concatenate((column, np.repeat(column[-1:], missing)))
    )
