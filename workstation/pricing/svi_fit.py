"""One smile fitted and repaired: what calibration and the removal of arbitrage give together."""

from __future__ import annotations

import numpy.typing as npt

from workstation.pricing.smile import SVI, calibrate
from workstation.pricing.smile_arbitrage import without_butterflies


def fit_smile(
    *, log_moneyness: npt.ArrayLike, vols: npt.ArrayLike, years: float, weights: npt.ArrayLike = 1.0
) -> SVI:
    """The arbitrage-free smile of one expiry nearest to its quotes; arguments and errors as in ``calibrate``.

    Where the calibrated smile has g < 0, ``smile_arbitrage.without_butterflies`` repairs it.

    Examples
    --------
    >>> from dataclasses import astuple
    >>> import numpy as np
    >>> k = np.linspace(-0.5, 0.5, 11)
    >>> true = SVI(a=0.01, b=0.1, rho=-0.4, m=0.05, sigma=0.2)
    >>> found = fit_smile(log_moneyness=k, vols=true.vol(k, years=0.5), years=0.5)
    >>> [round(value, 6) for value in astuple(found)]
    [0.01, 0.1, -0.4, 0.05, 0.2]
    """
    return without_butterflies(
        calibrate(log_moneyness=log_moneyness, vols=vols, years=years, weights=weights)
    ).svi
