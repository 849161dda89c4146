"""What the synthetic markets trade: assets, the lines they trade by, and how their options are listed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A spot, perpetual, equity or index by which an asset trades.

    Attributes
    ----------
    share
        Share of the asset's trades and quotes; 0 for an index, which does not trade.
    basis
        Price over the asset's spot, a fraction.
    spread_ticks
        Bid to ask in ticks when the market is calm.
    size
        Median trade size in ``lot``.
    """

    name: str
    kind: str
    tick: float
    lot: float
    share: float
    basis: float = 0.0
    spread_ticks: int = 1
    size: float = 20.0


@dataclass(frozen=True)
class Asset:
    """One underlying with its price, its volatility, its smile and how its options are listed.

    Attributes
    ----------
    vol, vol_of_vol, leverage
        Long-run annual vol; annual vol of log variance; fall of log vol for a rise of one log unit of spot.
    smile_rho, smile_eta
        Skew and curvature of the SSVI surface (eta (1 + \\|rho\\|) < 2: free of butterfly arbitrage).
    carry, rate
        Annual drift of the forward; annual discount rate (0 for coin-margined options).
    strike_steps
        Steps in which strikes may be listed; each expiry takes the one that gives about ``strikes``.
    open_interest
        Total of the chain in contracts.
    roots
        Trading roots of the options: (root, expiry pattern) pairs.
    """

    name: str
    price: float
    vol: float
    vol_of_vol: float
    leverage: float
    smile_rho: float
    smile_eta: float
    carry: float
    rate: float
    lines: tuple[Line, ...]
    weight: float
    inverse: bool
    style: str
    multiplier: float
    option_tick: float
    option_lot: float
    strike_steps: tuple[float, ...]
    strikes: int
    open_interest: float
    roots: tuple[tuple[str, str], ...]
    option_trades_per_s: float
    reprice: float = 1.0
    """Factor on ``vol`` at which the price path moves: over 1 when a year's variance falls into the session."""


CRYPTO = (
    Asset(
        name="BTC", price=104_000.0, vol=0.46, vol_of_vol=1.6, leverage=1.2, smile_rho=-0.12, smile_eta=0.75,
        carry=0.06, rate=0.0, weight=0.62, inverse=True, style="european", multiplier=1.0,
        option_tick=0.0001, option_lot=0.1, strike_steps=(250.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0), strikes=17,
        open_interest=310_000.0, roots=(("BTC", "crypto"),), option_trades_per_s=5.0,
        lines=(
            Line("BTC/USD:BTC", "perpetual", tick=0.5, lot=0.001, share=0.7, basis=0.0003, spread_ticks=1, size=25.0),
            Line("BTC/USD", "spot", tick=0.01, lot=0.0001, share=0.3, spread_ticks=60, size=60.0),
        ),
    ),
    Asset(
        name="ETH", price=3_400.0, vol=0.66, vol_of_vol=1.6, leverage=1.0, smile_rho=-0.06, smile_eta=0.7,
        carry=0.05, rate=0.0, weight=0.38, inverse=True, style="european", multiplier=1.0,
        option_tick=0.0001, option_lot=1.0, strike_steps=(10.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0), strikes=15,
        open_interest=2_100_000.0, roots=(("ETH", "crypto"),), option_trades_per_s=3.0,
        lines=(
            Line("ETH/USD:ETH", "perpetual", tick=0.05, lot=0.01, share=0.7, basis=0.0002, spread_ticks=1, size=40.0),
            Line("ETH/USD", "spot", tick=0.01, lot=0.001, share=0.3, spread_ticks=8, size=200.0),
        ),
    ),
)  # fmt: skip

US = (
    Asset(
        name="SPX", price=6_650.0, vol=0.165, vol_of_vol=2.0, leverage=6.0, smile_rho=-0.68, smile_eta=1.05,
        carry=0.03, rate=0.042, weight=0.06, inverse=False, style="european", multiplier=100.0,
        option_tick=0.05, option_lot=1.0, strike_steps=(5.0, 10.0, 25.0, 50.0, 100.0, 200.0), strikes=16,
        open_interest=5_200_000.0, roots=(("SPXW", "daily"), ("SPX", "monthly")), option_trades_per_s=40.0, reprice=2.0,
        lines=(Line("SPX", "index", tick=0.01, lot=1.0, share=0.0),),
    ),
    Asset(
        name="SPY", price=663.0, vol=0.165, vol_of_vol=2.0, leverage=6.0, smile_rho=-0.66, smile_eta=1.0,
        carry=0.03, rate=0.042, weight=0.5, inverse=False, style="american", multiplier=100.0,
        option_tick=0.01, option_lot=1.0, strike_steps=(1.0, 2.0, 5.0, 10.0, 20.0), strikes=13,
        open_interest=9_000_000.0, roots=(("SPY", "daily"),), option_trades_per_s=35.0, reprice=2.0,
        lines=(Line("SPY", "equity", tick=0.01, lot=1.0, share=1.0, size=100.0),),
    ),
    Asset(
        name="NVDA", price=182.0, vol=0.42, vol_of_vol=1.6, leverage=2.0, smile_rho=-0.3, smile_eta=0.8,
        carry=0.04, rate=0.042, weight=0.26, inverse=False, style="american", multiplier=100.0,
        option_tick=0.01, option_lot=1.0, strike_steps=(1.0, 2.5, 5.0, 10.0, 20.0), strikes=12,
        open_interest=6_000_000.0, roots=(("NVDA", "weekly"),), option_trades_per_s=15.0, reprice=2.0,
        lines=(Line("NVDA", "equity", tick=0.01, lot=1.0, share=1.0, size=100.0),),
    ),
    Asset(
        name="AAPL", price=268.0, vol=0.27, vol_of_vol=1.6, leverage=2.5, smile_rho=-0.35, smile_eta=0.8,
        carry=0.035, rate=0.042, weight=0.18, inverse=False, style="american", multiplier=100.0,
        option_tick=0.01, option_lot=1.0, strike_steps=(1.0, 2.5, 5.0, 10.0, 20.0), strikes=12,
        open_interest=3_500_000.0, roots=(("AAPL", "weekly"),), option_trades_per_s=10.0, reprice=2.0,
        lines=(Line("AAPL", "equity", tick=0.01, lot=1.0, share=1.0, size=100.0),),
    ),
)  # fmt: skip

FLAVOURS = {"crypto": CRYPTO, "us": US}
