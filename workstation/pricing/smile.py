"""The smile of one expiry: raw SVI in total variance over log-moneyness, its calibration and its other names."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import hypot, log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from workstation.pricing.arguments import numbers
from workstation.pricing.smile_kernels import (
    PARAMETERS,
    fill_g,
    fill_total_variance,
    least_g,
    raw_of,
)
from workstation.pricing.smile_search import descend, search

__all__ = ["FEWEST", "SVI", "Calibration", "JumpWings", "calibrate"]

Floats = npt.NDArray[np.float64]

FEWEST: Final = PARAMETERS
"""Strikes under which no smile is fitted: fewer quotes than parameters say nothing."""
_OUTLIER: Final = 2.5 * 1.4826
"""Residuals beyond so many medians of their size count linearly, not squared (Huber)."""
_NOTHING: Final = np.empty(0)
_NO_FENCE: Final = (_NOTHING, 0.0, 0.0, _NOTHING, _NOTHING, _NOTHING, _NOTHING)


@dataclass(frozen=True)
class JumpWings:
    """SVI by what a trader sees (Gatheral, Jacquier 2014, section 3.3).

    ``variance`` at the money per year, ``skew`` of sqrt(w) at the money, slopes ``put`` and ``call`` of the wings
    over sqrt(w) at the money, ``least`` variance per year.
    """

    variance: float
    skew: float
    put: float
    call: float
    least: float


@dataclass(frozen=True)
class SVI:
    """Total variance w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)) over k = ln(K / F).

    Source: J. Gatheral, A. Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14 (2014).

    Examples
    --------
    >>> smile = SVI(a=0.01, b=0.1, rho=-0.4, m=0.0, sigma=0.2)
    >>> smile.total_variance([-0.2, 0.0, 0.2]).round(6).tolist()
    [0.046284, 0.03, 0.030284]
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    @classmethod
    def of(cls, raw: npt.ArrayLike) -> SVI:
        """From an array (a, b, rho, m, sigma)."""
        return cls(*(float(value) for value in np.asarray(raw, dtype=np.float64)))

    @property
    def raw(self) -> Floats:
        """As an array (a, b, rho, m, sigma)."""
        return np.array(astuple(self), dtype=np.float64)

    def total_variance(self, log_moneyness: npt.ArrayLike) -> Floats:
        """w(k), in the shape of ``log_moneyness``."""
        k = numbers("log_moneyness", log_moneyness)
        out = np.empty(k.size)
        fill_total_variance(self.raw, np.ascontiguousarray(k).reshape(-1), out)
        return out.reshape(k.shape)

    def vol(self, log_moneyness: npt.ArrayLike, *, years: float) -> Floats:
        """Annual volatility sqrt(w(k) / years); NaN where total variance is negative."""
        with np.errstate(invalid="ignore"):
            vol: Floats = np.sqrt(self.total_variance(log_moneyness) / years)
        return vol

    def g(self, log_moneyness: npt.ArrayLike) -> Floats:
        """Durrleman's g(k): negative where the smile sells a butterfly for less than nothing.

        g = (1 - k w' / 2w)^2 - w'^2 / 4 (1/w + 1/4) + w'' / 2.
        """
        k = numbers("log_moneyness", log_moneyness)
        out = np.empty(k.size)
        fill_g(self.raw, np.ascontiguousarray(k).reshape(-1), out)
        return out.reshape(k.shape)

    def least_g(self, low: float = -1.0, high: float = 1.0) -> float:
        """The least g over a dense grid of ``low`` to ``high`` and far beyond both, refined between its points."""
        return float(least_g(self.raw, low, high)[0])

    def jump_wings(self, *, years: float) -> JumpWings:
        """The same smile by its variance, skew, wings and least variance."""
        w = self.a + self.b * (hypot(self.m, self.sigma) - self.rho * self.m)
        root = sqrt(w)
        return JumpWings(
            variance=w / years,
            skew=0.5 * self.b / root * (self.rho - self.m / hypot(self.m, self.sigma)),
            put=self.b * (1.0 - self.rho) / root,
            call=self.b * (1.0 + self.rho) / root,
            least=(self.a + self.b * self.sigma * sqrt(1.0 - self.rho**2)) / years,
        )


@dataclass(frozen=True, eq=False)
class Calibration:
    """A fitted smile and what it was fitted to, as the repairs need it.

    Attributes
    ----------
    point
        Coordinates of the search (see ``smile_kernels``).
    bounds
        Shape (2, 5): least and greatest coordinates.
    years
        ACT/365 years to expiry.
    log_moneyness, total_variance, scale
        The quotes; ``scale`` turns a residual of total variance into a weighted one of volatility.
    """

    point: Floats
    bounds: Floats
    years: float
    log_moneyness: Floats
    total_variance: Floats
    scale: Floats

    @property
    def svi(self) -> SVI:
        """The smile."""
        raw = np.empty(PARAMETERS)
        raw_of(self.point, raw)
        return SVI.of(raw)

    @property
    def data(self) -> tuple[Floats, Floats, Floats]:
        """What the kernels take."""
        return self.log_moneyness, self.total_variance, self.scale


def calibrate(
    *, log_moneyness: npt.ArrayLike, vols: npt.ArrayLike, years: float, weights: npt.ArrayLike = 1.0
) -> Calibration:
    """Raw SVI by weighted, robust least squares of volatility; no arbitrage is looked for yet.

    The vertex (m, sigma) is searched coarsely with the linear rest solved (De Marco, Martini), then all five
    coordinates descend by Levenberg-Marquardt from the three best, with analytic derivatives, within bounds that
    keep variance positive and the wings under Lee's slope 2. Quotes whose weighted residual is beyond 2.5 robust
    standard deviations count linearly (Huber). No random numbers: the same quotes give the same smile.

    Parameters
    ----------
    log_moneyness, vols
        Shape (n,), n >= 5, ln(K / F) and annual decimals, both finite, vols positive.
    years
        ACT/365 years to expiry.
    weights
        Of squared residuals of volatility; only their ratios matter.

    Raises
    ------
    ValueError
        Too few strikes, or quotes that are not finite.
    """
    k = np.ascontiguousarray(numbers("log_moneyness", log_moneyness))
    vol = np.ascontiguousarray(numbers("vols", vols))
    weight = np.broadcast_to(numbers("weights", weights), k.shape)
    if k.ndim != 1 or vol.shape != k.shape or np.unique(k).size < FEWEST:
        raise ValueError(f"a smile needs vols at {FEWEST} different strikes at least, got {k.size}")
    if not (np.isfinite(k) & (vol > 0) & (weight > 0) & np.isfinite(vol * weight)).all() or not years > 0:
        raise ValueError("a smile needs finite log-moneyness, positive vols, weights and years")
    w = vol * vol * years
    scale = np.sqrt(weight / weight.mean()) / (2.0 * vol * years)
    bounds = _bounds(k, w)
    point = search(bounds, (k, w, scale), _NO_FENCE)
    model, robust = np.empty(k.size), scale
    for _ in range(2):
        raw = np.empty(PARAMETERS)
        raw_of(point, raw)
        fill_total_variance(raw, k, model)
        size = scale * np.abs(model - w)
        limit = max(_OUTLIER * float(np.median(size)), 1e-6)
        if not (size > limit).any():
            break
        robust = scale * np.sqrt(np.minimum(limit / np.maximum(size, limit), 1.0))
        descend(point, bounds, (k, w, robust), _NO_FENCE, 40, 1e-10)
    return Calibration(point, bounds, float(years), k, w, robust)


def _bounds(k: Floats, w: Floats) -> Floats:
    low, high = float(k.min()), float(k.max())
    span, width = high - low, sqrt(float(np.median(w)))
    least = [log(0.01 * float(w.min())), -14.0, -14.0, low - span, log(0.02 * width)]
    greatest = [log(float(w.max())), 9.0, 9.0, high + span, log(10.0 * max(span, width))]
    return np.array([least, greatest])
