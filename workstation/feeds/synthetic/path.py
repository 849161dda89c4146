"""How a synthetic price moves: volatility that clusters, bursts of activity with a direction, partial reversion."""

from __future__ import annotations

import math

import numpy as np

from workstation.feeds.synthetic.assets import Asset
from workstation.market.instants import DAY_S, YEAR_DAYS

YEAR_S = float(YEAR_DAYS * DAY_S)
BURST_EVERY_S = 40.0
BURST_LIFE_S = 3.5
OVERSHOOT_LIFE_S = 18.0
CALM_LIFE_S = 600.0
CALM_SD = 0.3
BUSIEST = 9.0


class PricePath:
    """Spot of one asset over slices of event time.

    Activity (trades per second relative to the mean) is a slow log-Gaussian factor times shots that decay in
    seconds. A shot has a direction: it pushes the price, and about half of the push comes back in the
    following quarter of a minute. Variance per second is proportional to activity, so volume and volatility
    cluster together. ``variance`` is the instantaneous annual variance; it answers to returns (leverage).
    """

    def __init__(self, asset: Asset, rng: np.random.Generator) -> None:
        self.asset, self.rng = asset, rng
        self.log_price = math.log(asset.price)
        self.overshoot = 0.0
        self.calm = 0.0
        self.burst = 0.0
        self.direction = 1.0
        self.log_variance = math.log(asset.vol**2)

    @property
    def spot(self) -> float:
        """Price now."""
        return math.exp(self.log_price + self.overshoot)

    @property
    def variance(self) -> float:
        """Instantaneous annual variance."""
        return math.exp(self.log_variance)

    @property
    def activity(self) -> float:
        """Trades per second relative to the long-run mean."""
        return min(math.exp(self.calm - 0.5 * CALM_SD**2) * (0.85 + self.burst), BUSIEST)

    def step(self, seconds: float) -> float:
        """Draw the activity of the next ``seconds`` and give it."""
        keep = math.exp(-seconds / CALM_LIFE_S)
        self.calm = keep * self.calm + CALM_SD * math.sqrt(1.0 - keep * keep) * self.rng.standard_normal()
        self.burst *= math.exp(-seconds / BURST_LIFE_S)
        if self.rng.random() < -math.expm1(-seconds / BURST_EVERY_S):
            self.burst += min(12.0, self.rng.lognormal(0.9, 0.7))
            self.direction = 1.0 if self.rng.random() < 0.5 else -1.0
        return self.activity

    def walk(self, offsets: np.ndarray, seconds: float) -> np.ndarray:
        """Spot at sorted ``offsets`` (seconds into the slice, shape (n,)); moves the state to the slice's end."""
        sd = math.sqrt(self.variance * self.activity / YEAR_S) * self.asset.reprice
        waits = np.diff(offsets, prepend=0.0, append=seconds)
        steps = self.rng.standard_normal(len(waits)) * np.sqrt(np.maximum(waits, 0.0)) * sd
        push = self.direction * self.burst * sd * 0.22
        diffused = np.cumsum(steps)
        start = self.log_price + self.overshoot
        fading = math.expm1(-seconds / OVERSHOOT_LIFE_S) * self.overshoot
        prices = np.exp(start + diffused[:-1] + (push + fading / seconds) * offsets)
        moved = float(diffused[-1]) + 0.5 * push * seconds
        self.log_price += moved
        self.overshoot += fading + 0.5 * push * seconds
        self._answer(moved + 0.5 * push * seconds, seconds)
        return prices

    def _answer(self, log_return: float, seconds: float) -> None:
        """Variance reverts to its mean over a day, falls when the price rises, and has its own noise."""
        mean = 2.0 * math.log(self.asset.vol)
        self.log_variance += (mean - self.log_variance) * seconds / DAY_S
        self.log_variance -= 2.0 * self.asset.leverage * log_return
        noise = self.asset.vol_of_vol * math.sqrt(seconds / YEAR_S)
        self.log_variance += noise * self.rng.standard_normal()
        self.log_variance = min(max(self.log_variance, mean - 1.6), mean + 2.2)
