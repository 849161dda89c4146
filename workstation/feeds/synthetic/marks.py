"""Option tickers of one asset: the smile, its prices and greeks, and the market made around them."""

from __future__ import annotations

import numpy as np

from workstation.feeds.synthetic.assets import Asset
from workstation.feeds.synthetic.columns import Columns
from workstation.feeds.synthetic.listing import Chain
from workstation.feeds.synthetic.smile import vols
from workstation.market import calendar
from workstation.market.instants import DAY_NS
from workstation.market.tables import NO_TIME
from workstation.pricing.black import greeks, price

SMALLEST_VEGA_SHARE = 1e-4
MORNING_NS = 37_800_000_000_000
"""Open interest of US options is published before the open, about 10:30 UTC."""


class OptionMarks:
    """Marks of a chain at a moment, from spot and instantaneous variance; the newest stay in ``chain.columns``."""

    def __init__(self, asset: Asset, chain: Chain, rng: np.random.Generator) -> None:
        self.asset, self.chain, self.rng = asset, chain, rng
        count = len(chain.codes)
        self.last = np.full(count, np.nan)
        self.half_vol = 0.006 * rng.lognormal(0.0, 0.35, count)
        self.published = chain.open_interest.copy()
        self.published_ns = NO_TIME

    def refresh(self, now_ns: int, spot: float, variance: float) -> Columns:
        """Columns of ``marks`` for every contract not yet expired."""
        asset, chain = self.asset, self.chain
        live = np.flatnonzero(chain.expiry_ns > now_ns)
        self._publish(now_ns)
        years = calendar.years(asof_ns=now_ns, expiry_ns=chain.expiry_ns[live])
        strike, is_call = chain.strike[live], chain.is_call[live]
        forward = spot * np.exp(asset.carry * years)
        iv = vols(
            log_moneyness=np.log(strike / forward), years=years, variance=variance,
            long_run=asset.vol**2, rho=asset.smile_rho, eta=asset.smile_eta,
        )  # fmt: skip
        discounts = np.exp(-asset.rate * years)
        value = price(
            forwards=forward, strikes=strike, years=years, vols=iv, is_call=is_call, discounts=discounts
        )
        greek = greeks(
            forwards=forward, strikes=strike, years=years, vols=iv, is_call=is_call, discounts=discounts,
            names=("delta", "gamma", "vega", "theta", "rho"),
        )  # fmt: skip
        unit = forward if asset.inverse else np.ones_like(forward)
        bid, ask = self._market(live, value / unit, greek["vega"] / unit)
        solid = greek["vega"] > SMALLEST_VEGA_SHARE * forward
        columns: Columns = {
            "code": chain.codes[live],
            "bid": bid,
            "ask": ask,
            "bid_size": self._sizes(len(live)),
            "ask_size": self._sizes(len(live)),
            "last": self.last[live],
            "mark": value / unit,
            "bid_iv": _shifted_vol(iv, (bid - value / unit) * unit, greek["vega"], solid),
            "ask_iv": _shifted_vol(iv, (ask - value / unit) * unit, greek["vega"], solid),
            "mark_iv": iv,
            "delta": greek["delta"],
            "gamma": greek["gamma"],
            "vega": greek["vega"],
            "theta": greek["theta"],
            "rho": greek["rho"],
            "open_interest": self.published[live],
            "open_interest_ns": np.full(len(live), self.published_ns),
            "volume_24h": chain.volume[live],
            "forward": forward,
            "index": np.full(len(live), spot),
        }
        chain.live = live
        chain.columns = columns
        chain.spot = spot
        stamp = np.full(len(live), now_ns, dtype=np.int64)
        return {"arrival_ns": stamp, "event_ns": stamp, **columns}

    def _publish(self, now_ns: int) -> None:
        """Crypto publishes open interest with every mark, US venues once a morning."""
        if self.asset.inverse:
            self.published, self.published_ns = self.chain.open_interest.copy(), now_ns
            return
        morning = (now_ns - MORNING_NS) // DAY_NS * DAY_NS + MORNING_NS
        if morning > self.published_ns:
            self.published, self.published_ns = self.chain.open_interest.copy(), morning

    def _market(self, live: np.ndarray, value: np.ndarray, vega: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tick = self.asset.option_tick
        half = np.maximum(0.6 * tick, vega * self.half_vol[live] + 0.004 * value)
        bid = np.floor((value - half) / tick + 1e-9) * tick
        ask = np.ceil((value + half) / tick - 1e-9) * tick
        return np.where(bid >= tick * 0.5, np.round(bid, 10), np.nan), np.round(ask, 10)

    def _sizes(self, count: int) -> np.ndarray:
        return np.ceil(self.rng.lognormal(2.5, 0.9, count)) * self.asset.option_lot


def _shifted_vol(iv: np.ndarray, usd: np.ndarray, vega: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Vol of a price ``usd`` away from the mark, to first order; NaN where vega is too small to say."""
    vol = iv + usd / np.where(solid, vega, np.nan)
    return np.where(vol > 0.01, vol, np.nan)
