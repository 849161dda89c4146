"""Which options a synthetic venue lists: expiries, strikes, terms and the open interest in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from workstation.feeds.synthetic.assets import Asset
from workstation.market import calendar
from workstation.market.instants import HOUR_NS, YEAR_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import render
from workstation.market.symbology.terms import Terms

SHORTEST_LISTED_NS = HOUR_NS
SPAN_SDS = 2.7


@dataclass
class Chain:
    """The listed options of one asset, one array entry per contract."""

    codes: np.ndarray
    expiry_ns: np.ndarray
    strike: np.ndarray
    is_call: np.ndarray
    open_interest: np.ndarray
    volume: np.ndarray
    appetite: np.ndarray
    """Weight with which option flow picks a contract."""
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    """Newest marks (mark, bid, ask, ...) of the contracts at ``live``, written by the marks."""
    live: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    spot: float = np.nan
    """Spot at the newest marks."""


def expiries(pattern: str, start_ns: int) -> list[pd.Timestamp]:
    """Expiry dates (midnight, no zone) listed at ``start_ns`` for a pattern: crypto, daily, weekly or monthly."""
    today = pd.Timestamp(start_ns).normalize()
    if pattern == "crypto":
        days = {today + pd.Timedelta(days=n) for n in range(4)}
        fridays = _fridays(today, 330)
        months = {(f.year, f.month): f for f in fridays if f.month != (f + pd.Timedelta(days=7)).month}
        ends = [months[key] for key in sorted(months)]
        days |= set(fridays[:4]) | set(ends[:3]) | set([e for e in ends if e.month % 3 == 0][:4])
        return sorted(d for d in days if _crypto_ns(d) > start_ns + SHORTEST_LISTED_NS)
    nyse = calendar.sessions("XNYS")
    fridays = _fridays(today, 150)
    thirds = [f for f in fridays if 15 <= f.day <= 21]
    if pattern == "daily":
        wanted = list(nyse.between(today, today + pd.Timedelta(days=7))["session"]) + fridays[:3] + thirds[:3]
    elif pattern == "weekly":
        wanted = fridays[:4] + thirds[:3]
    else:
        wanted = thirds[:3]
    sessions = {pd.Timestamp(nyse.days[nyse.last_on_or_before(day)[0]]) for day in wanted}
    return sorted(d for d in sessions if d > today or (d == today and _before_close(nyse, d, start_ns)))


def _before_close(nyse: calendar.Sessions, day: pd.Timestamp, start_ns: int) -> bool:
    close = nyse.between(day, day + pd.Timedelta(days=1))["close_ns"]
    return bool(len(close)) and int(close.iloc[0]) > start_ns + SHORTEST_LISTED_NS


def _crypto_ns(day: pd.Timestamp) -> int:
    return int(calendar.crypto_expiry_ns([np.datetime64(day.date())])[0])


def _fridays(today: pd.Timestamp, days: int) -> list[pd.Timestamp]:
    first = today + pd.Timedelta(days=(4 - today.day_of_week) % 7)
    return [first + pd.Timedelta(days=n) for n in range(0, days, 7)]


def strikes(asset: Asset, spot: float, years: float) -> np.ndarray:
    """Listed strikes of an expiry: the step among the asset's that gives about ``asset.strikes`` over 2.7 sd."""
    span = min(max(0.035, SPAN_SDS * asset.vol * np.sqrt(years)), 0.85)
    wanted = 2.0 * span * spot / asset.strikes
    step = min(asset.strike_steps, key=lambda candidate: abs(np.log(candidate / wanted)))
    low, high = spot * (1.0 - span), spot * (1.0 + span * 1.25)
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _name(asset: Asset, root: str, day: pd.Timestamp, strike: float, right: str) -> str:
    quote, settle = ("USD", root) if asset.inverse else ("", "")
    terms = Terms("option", root, asset.name, quote, settle, day.date(), strike, right)
    return render(terms)


def list_chain(asset: Asset, spot: float, start_ns: int, rng: np.random.Generator) -> Chain:
    """The asset's options listed at ``start_ns`` around ``spot``, with open interest and volume."""
    names: list[str] = []
    for root, pattern in asset.roots:
        for day in expiries(pattern, start_ns):
            years = max((day.value - start_ns) / YEAR_NS, 0.0) + 0.001
            names += [
                _name(asset, root, day, strike, right)
                for strike in strikes(asset, spot, years)
                for right in ("C", "P")
            ]
    terms = INSTRUMENT_TERMS.describe(names)
    expiry_ns = terms["expiry_ns"].to_numpy(dtype=np.int64)
    strike = terms["strike"].to_numpy(dtype=np.float64)
    is_call = (terms["right"] == "C").to_numpy()
    terms_years = calendar.years(asof_ns=start_ns, expiry_ns=expiry_ns)
    crowd = _crowd(asset, spot, strike, is_call, terms_years) * rng.lognormal(0.0, 0.75, len(names))
    open_interest = _round(crowd / crowd.sum() * asset.open_interest, asset.option_lot)
    near = np.exp(-0.5 * (np.log(strike / spot) / (0.6 * asset.vol * np.sqrt(terms_years + 0.004))) ** 2)
    appetite = near * (0.05 + np.sqrt(crowd / crowd.max())) / np.sqrt(terms_years + 0.01)
    volume = _round(0.06 * open_interest * near * rng.lognormal(0.0, 0.8, len(names)), asset.option_lot)
    return Chain(
        codes=REGISTRY.codes(names), expiry_ns=expiry_ns, strike=strike, is_call=is_call,
        open_interest=open_interest, volume=volume, appetite=appetite / appetite.sum(),
    )  # fmt: skip


def _round(values: np.ndarray, lot: float) -> np.ndarray:
    return np.round(values / lot) * lot


def _crowd(
    asset: Asset, spot: float, strike: np.ndarray, is_call: np.ndarray, years: np.ndarray
) -> np.ndarray:
    """Where open interest gathers: round strikes, calls above, puts below, the larger expiries."""
    moneyness = np.log(strike / spot)
    width = 0.03 + 0.75 * asset.vol * np.sqrt(years)
    centre = np.where(is_call, 0.55, -0.65) * width
    coarse = asset.strike_steps[-1], asset.strike_steps[-2], asset.strike_steps[-3]
    round_ness = (
        1.0
        + 2.2 * (strike % coarse[0] == 0)
        + 1.2 * (strike % coarse[1] == 0)
        + 0.6 * (strike % coarse[2] == 0)
    )
    term = np.interp(years, [0.0, 0.02, 0.1, 0.3, 1.0], [0.15, 0.35, 1.0, 1.4, 0.8])
    gathered: np.ndarray = round_ness * term * (0.04 + np.exp(-0.5 * ((moneyness - centre) / width) ** 2))
    return gathered


def instruments(assets: tuple[Asset, ...], chains: tuple[Chain, ...], start_ns: int) -> pd.DataFrame:
    """Rows of the ``instruments`` table for every line and contract, registered with the registry."""
    ticks: dict[str, float] = {}
    for asset, chain in zip(assets, chains, strict=True):
        ticks |= {line.name: line.tick for line in asset.lines}
        ticks |= dict.fromkeys(REGISTRY.names(chain.codes), asset.option_tick)
    rows = INSTRUMENT_TERMS.describe(list(ticks))
    rows["tick_size"] = list(ticks.values())
    rows["multiplier"] = rows["multiplier"].fillna(1.0)
    rows["venue_symbol"] = [str(name) for name in ticks]
    rows["venue"] = "synthetic"
    rows["event_ns"] = start_ns
    rows["seen_ns"] = start_ns
    INSTRUMENT_TERMS.register(rows)
    return rows
