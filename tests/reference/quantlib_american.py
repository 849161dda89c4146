"""American options priced by QuantLib, and options of all kinds to price: no formula of ours.

QuantLib counts time in days: with Actual/365 (Fixed) and whole days a year fraction is exactly days / 365.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import QuantLib as ql

TODAY = ql.Date(2, 1, 2025)
DAY_COUNT = ql.Actual365Fixed()


class Options(NamedTuple):
    """Columns of options, shape (n,)."""

    spots: Any
    strikes: Any
    days: Any
    vols: Any
    rates: Any
    yields: Any
    is_call: Any

    def arguments(self) -> dict[str, Any]:
        """Named as the functions under test name them."""
        named = self._asdict()
        return {**{name: named[name] for name in named if name != "days"}, "years": self.days / 365.0}


def options(count: int, seed: int) -> Options:
    """1 day to 5 years, 5 % to 200 % vol, rates and yields of both signs, three standard deviations in and out."""
    draw = np.random.default_rng(seed)
    days = np.exp(draw.uniform(0.0, np.log(1826.0), count)).round().astype(int)
    vols = np.exp(draw.uniform(np.log(0.05), np.log(2.0), count))
    rates, yields = draw.uniform(-0.05, 0.15, count), draw.uniform(-0.05, 0.15, count)
    away = draw.uniform(-3.0, 3.0, count) * vols * np.sqrt(days / 365.0)
    spots = np.full(count, 100.0)
    return Options(
        spots, spots * np.exp(np.clip(away, -2.0, 2.0)), days, vols, rates, yields, draw.random(count) < 0.5
    )


class QuantLibAmerican:
    """One engine of QuantLib whose market is moved from option to option."""

    def __init__(self, scheme: Any) -> None:
        ql.Settings.instance().evaluationDate = TODAY
        self.spot, self.vol, self.rate, self.pays = (ql.SimpleQuote(0.1) for _ in range(4))
        rates, yields = (
            ql.YieldTermStructureHandle(ql.FlatForward(TODAY, ql.QuoteHandle(quote), DAY_COUNT))
            for quote in (self.rate, self.pays)
        )
        vols = ql.BlackVolTermStructureHandle(
            ql.BlackConstantVol(TODAY, ql.NullCalendar(), ql.QuoteHandle(self.vol), DAY_COUNT)
        )
        self.process = ql.BlackScholesMertonProcess(ql.QuoteHandle(self.spot), yields, rates, vols)
        self.engine = ql.QdFpAmericanEngine(self.process, scheme)

    def option(self, strike: float, days: int, call: bool) -> Any:
        """An option on the engine's market."""
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if call else ql.Option.Put, float(strike))
        made = ql.VanillaOption(payoff, ql.AmericanExercise(TODAY, TODAY + int(days)))
        made.setPricingEngine(self.engine)
        return made

    def move(self, spot: float, vol: float, rate: float, pays: float) -> None:
        """Set the market."""
        for quote, value in ((self.spot, spot), (self.vol, vol), (self.rate, rate), (self.pays, pays)):
            quote.setValue(float(value))

    def prices(self, of: Options) -> Any:
        """Price of each option; NaN where QuantLib has none: two boundaries."""
        found = np.full(len(of.spots), np.nan)
        for row, (spot, strike, days, vol, rate, pays, call) in enumerate(zip(*of, strict=True)):
            self.move(spot, vol, rate, pays)
            try:
                found[row] = self.option(strike, days, bool(call)).NPV()
            except RuntimeError as error:
                if "double-boundary" not in str(error):
                    raise
        return found


def high_precision() -> Any:
    """QuantLib's most precise ready-made scheme; its own error is up to 1e-7 of the spot at high vol."""
    return ql.QdFpAmericanEngine.highPrecisionScheme()
