"""Exercise boundaries of many options that have few rates, yields and expiries: solved at some vols, interpolated between.

A boundary depends on a = rate x years, b = yield x years and s = vol x sqrt(years) alone: all calls, or all puts, of one expiry
differ in s only. Such a family is solved at Chebyshev points of ln s, in panels over each of which s doubles, and ln(-ln(B/X))
at every node is a polynomial between them. The error is under that of the nodes themselves: 1e-11 of the strike in the median, 5e-7 in 99
of 100 families of 1 day to 3 years, 8 to 100 % vol and rates up to 10 % for ``fast``; 1e-14 and 2e-7 for ``standard``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from workstation.numerics.vectormath import array_kernel, exp, log, use_widest_registers
from workstation.pricing.american_nodes import grid
from workstation.pricing.american_terms import PutTerms, log_boundaries

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

POINTS: Final[dict[str, int]] = {"fast": 6, "standard": 8}
"""Chebyshev points of a panel; an accuracy that is not here is always solved."""
_FEWEST_ROWS: Final = 3
"""Rows per point below which solving each is as cheap."""
_STEEPEST: Final = 4.0
"""Drift over total vol of a panel's lower end above which rows are solved by themselves."""
_PER_DOUBLING: Final = 1.0 / math.log(2.0)
_LOWEST_PANEL, _PANELS = -32, 48
"""A panel is the binary exponent of s."""


def boundaries_of(terms: PutTerms, accuracy: str) -> Boundaries:
    """The boundaries of rows with one boundary each: shared where families are large enough, else solved row by row."""
    shared = POINTS.get(accuracy)
    if shared is None:
        return Boundaries(terms, accuracy)
    family, first = _families(terms.a, terms.b, terms.a.size // (shared * _FEWEST_ROWS))
    return SharedBoundaries(terms, accuracy, family, first) if first.size else Boundaries(terms, accuracy)


class Boundaries:
    """Boundaries of rows, each solved by itself."""

    def __init__(self, terms: PutTerms, accuracy: str) -> None:
        self.terms, self.accuracy = terms, accuracy
        self.log_top = terms.log_top

    def nodes(self, s: Floats, rows: Any = slice(None), near: Floats | None = None) -> Floats:
        """ln(B/X) at the grid's nodes of some rows at total vols ``s``, shape (nodes, rows); ``near`` as ``SharedBoundaries``."""
        terms = self.terms.part(rows)
        return log_boundaries(PutTerms(terms.a, terms.b, s, terms.x), self.accuracy)


class SharedBoundaries(Boundaries):
    """Boundaries of rows of few families, interpolated over total vol; panels are solved when they are first asked for."""

    def __init__(self, terms: PutTerms, accuracy: str, family: Places, first: Places) -> None:
        super().__init__(terms, accuracy)
        self._family, self._first = family, first
        self._steepness = np.maximum(np.abs(terms.a - terms.b), np.abs(terms.a))
        self._place = np.full((first.size, _PANELS), -1)
        self._coefficients = np.empty((0, 0, 0))

    def nodes(self, s: Floats, rows: Any = slice(None), near: Floats | None = None) -> Floats:
        """The same; ``near``: total vols whose panels are taken, so that small steps of ``s`` stay on one polynomial."""
        panel = np.frexp(s if near is None else near)[1] - 1
        alone = np.ldexp(_STEEPEST, panel) < self._steepness[rows]
        alone |= (panel < _LOWEST_PANEL) | (panel >= _LOWEST_PANEL + _PANELS)
        if not alone.any():
            return self._shared(s, self._family[rows], panel)
        each = np.arange(self._family.size)[rows]
        found = np.empty((grid(self.accuracy).roots.size, s.size))
        found[:, alone] = super().nodes(s[alone], each[alone])
        if not alone.all():
            found[:, ~alone] = self._shared(s[~alone], self._family[each[~alone]], panel[~alone])
        return found

    def _shared(self, s: Floats, family: Places, panel: NDArray[np.int32]) -> Floats:
        place = self._place[family, panel - _LOWEST_PANEL]
        if (place < 0).any():
            self._solve(family[place < 0], panel[place < 0])
            place = self._place[family, panel - _LOWEST_PANEL]
        return np.asarray(_interpolated(self._coefficients, place, np.ldexp(s, -panel)))

    def _solve(self, family: Places, panel: NDArray[np.int32]) -> None:
        """Make panels of families that are not there yet."""
        both = np.unique(family * _PANELS + (panel - _LOWEST_PANEL))
        pairs = list(zip((both // _PANELS).tolist(), (both % _PANELS + _LOWEST_PANEL).tolist(), strict=True))
        first = self._first[[pair[0] for pair in pairs]]
        a, b = self.terms.a[first], self.terms.b[first]
        keys = [
            (self.accuracy, x, y, pair[1]) for x, y, pair in zip(a.tolist(), b.tolist(), pairs, strict=True)
        ]
        missing = [row for row, key in enumerate(keys) if key not in _KNOWN]
        made = {key: _KNOWN[key] for key in keys if key in _KNOWN}
        if missing:
            panels = np.array([pairs[row][1] for row in missing])
            made |= zip(
                [keys[row] for row in missing],
                _solved(a[missing], b[missing], panels, self.accuracy),
                strict=True,
            )
            _remember(made)
        start = self._coefficients.shape[0]
        for row, pair in enumerate(pairs):
            self._place[pair[0], pair[1] - _LOWEST_PANEL] = start + row
        added = np.stack([made[key] for key in keys])
        self._coefficients = np.concatenate((self._coefficients, added)) if start else added


_KNOWN: Final[dict[tuple[str, float, float, int], Floats]] = {}
"""Coefficients of panels solved lately: the vols, the greeks and the ledger of one chain ask for the same ones."""
_MOST_KNOWN: Final = 4096


def _remember(made: dict[tuple[str, float, float, int], Floats]) -> None:
    if len(_KNOWN) > _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN.update(made)


def _solved(a: Floats, b: Floats, panel: NDArray[np.int64], accuracy: str) -> Floats:
    """Coefficients of ln(-ln(B/X)) over a panel of each family, shape (families, points, nodes)."""
    shares, to_coefficients = _points(POINTS[accuracy])
    s = np.ldexp(shares[:, None], panel)
    every_a, every_b = (np.broadcast_to(column, s.shape).ravel() for column in (a, b))
    solved = log_boundaries(PutTerms(every_a, every_b, s.ravel(), np.zeros(s.size)), accuracy)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(-solved).reshape(-1, shares.size, a.size)
    return np.asarray(np.einsum("cp,npf->fcn", to_coefficients, logs), dtype=np.float64)


@numba.njit(cache=True)
def _families(a: Any, b: Any, most: int) -> Any:
    """Family of each row, and a row of each family; no families where there are more than ``most``."""
    family, first = np.empty(a.size, np.int64), np.empty(max(most, 0), np.int64)
    count = 0
    for row in range(a.size):
        found = -1
        for each in range(count - 1, -1, -1):
            if a[first[each]] == a[row] and b[first[each]] == b[row]:
                found = each
                break
        if found < 0:
            if count >= most:
                return family[:0], first[:0]
            found = count
            first[count] = row
            count += 1
        family[row] = found
    return family, first[:count]


@cache
def _points(count: int) -> tuple[Floats, Floats]:
    """Chebyshev points of log2(s) over a panel as shares of its lower end, and the matrix from values there to coefficients."""
    angle = (np.arange(count) + 0.5) * np.pi / count
    matrix = 2.0 / count * np.cos(np.arange(count)[:, None] * angle)
    matrix[0] *= 0.5
    return np.exp2(0.5 + 0.5 * np.cos(angle)), matrix


@array_kernel
def _interpolated(coefficients: Floats, place: Places, share: Floats) -> Floats:
    """-exp of each row's polynomials at log2(share), shape (nodes, rows)."""
    use_widest_registers()
    orders, nodes = coefficients.shape[1], coefficients.shape[2]
    at, found = np.empty(place.size), np.empty((nodes, place.size))
    for row in range(place.size):
        at[row] = 2.0 * _PER_DOUBLING * log(share[row]) - 1.0
    for row in range(place.size):
        own = coefficients[place[row]]
        for node in range(nodes):
            last, following = 0.0, 0.0
            for order in range(orders - 1, 0, -1):
                last, following = own[order, node] + 2.0 * at[row] * last - following, last
            found[node, row] = own[0, node] + at[row] * last - following
    for node in range(nodes):
        line = found[node]
        for row in range(place.size):
            line[row] = -exp(line[row])
    return found
