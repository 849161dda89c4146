"""The derived tables: what engines make of the raw ones."""

from __future__ import annotations

from collections.abc import Mapping

from workstation.market.tables.columns import Column
from workstation.market.tables.flow import FLOW
from workstation.market.tables.raw import INSTRUMENT, SEEN, SEQ, STAMP
from workstation.market.tables.schema import Table

UNDERLYING = Column("underlying", "category", required=True, doc="what the options are on")
SIGN_MODEL = Column("sign_model", "category", doc="calls_long, calls_short, short_all or flow")
BASIS = Column("basis", "category", doc="open_interest or volume")

CANDLES = Table(
    "candles",
    (
        SEQ,
        Column("event_ns", "int64", "ns", required=True, doc="begin of the candle"),
        SEEN,
        INSTRUMENT,
        Column("every_ns", "int64", "ns", required=True, doc="length of the candle"),
        Column("open", "float64", "as price", doc="price of its first print"),
        Column("high", "float64", "as price", doc="highest price"),
        Column("low", "float64", "as price", doc="lowest price"),
        Column("close", "float64", "as price", doc="price of its last print"),
        Column("volume", "float64", "as trades.size", doc="size of its prints"),
        Column("buy_volume", "float64", "as trades.size", doc="taker buys"),
        Column("sell_volume", "float64", "as trades.size", doc="taker sells"),
        Column("vwap", "float64", "as price", doc="price averaged by size"),
        Column("trades", "int64", "1", doc="prints in it"),
        Column("revision", "int32", doc="0 first, n = amended n times; the highest is the truth"),
        Column("closed", "bool", doc="False for the candle in progress"),
        Column("venue", "category", doc="of whose prints it is; empty: of all venues together"),
    ),
    key=("instrument", "every_ns", "event_ns", "venue"),
    raw=False,
    doc="Open, high, low, close and volume of every candle that holds a trade.",
)
INTENSITY = Table(
    "intensity",
    (
        *STAMP,
        INSTRUMENT,
        Column("smoothing", "category", doc="sma, ema or zlma: of smoothed and the buffer"),
        Column("intensity", "float64", "bps/s", doc="path over seconds of the last ticks"),
        Column("velocity", "float64", "bps/s", doc="move over seconds of the last ticks, signed"),
        Column("efficiency", "float64", "1", doc="size of the move over the path, 0 to 1"),
        Column("smoothed", "float64", "bps/s", doc="intensity smoothed"),
        Column("mean_base", "float64", "bps/s", doc="mean of the baseline of smoothed values"),
        Column("sd_base", "float64", "bps/s", doc="standard deviation of the baseline"),
        Column(
            "buffer",
            "float64",
            "bps/s",
            doc="adaptive buffer around the mean; NaN until the baseline is whole",
        ),
        Column(
            "burst_above", "float64", "bps/s", doc="mean_base + buffer: above it a burst begins (reversals)"
        ),
        Column(
            "spike_above", "float64", "bps/s", doc="mean_base + spike_sd sd_base: above it a spike begins"
        ),
    ),
    raw=False,
    doc="Price path over time, smoothed, with its adaptive buffer.",
)
SPIKES = Table(
    "spikes",
    (
        *STAMP,
        INSTRUMENT,
        Column("start_ns", "int64", "ns", doc="when it began"),
        Column("peak_ns", "int64", "ns", doc="when it was highest"),
        Column("end_ns", "int64", "ns", doc="when it ended"),
        Column(
            "height_sd",
            "float64",
            "sd",
            doc="height of the peak over the mean, in standard deviations of the baseline",
        ),
        Column("peak", "float64", "bps/s", doc="highest smoothed intensity"),
        Column("threshold", "float64", "bps/s", doc="what smoothed intensity crossed when the spike began"),
        Column("direction", "int8", doc="sign of the move: +1 up, -1 down"),
    ),
    raw=False,
    doc="Bursts of intensity.",
)
REVERSALS = Table(
    "reversals",
    (
        *STAMP,
        INSTRUMENT,
        Column("price", "float64", "as price", doc="price when it fired"),
        Column("side", "int8", doc="+1 up, -1 down"),
        Column("version", "int8", doc="which rule, 1 to 4"),
        Column("strength", "float64", doc="how far beyond its threshold; comparable within a version"),
        Column(
            "threshold",
            "float64",
            doc="what was crossed: v1 smoothed intensity, bps/s; v2 pull-back, bps; v3 and v4 volume",
        ),
        Column("evidence", "str", doc="the numbers that fired it, as JSON"),
    ),
    raw=False,
    doc="Reversal signals; never repainted.",
)
EXPOSURES = Table(
    "exposures",
    (
        *STAMP,
        UNDERLYING,
        Column("expiry_ns", "int64", "ns", doc="when the contract expires"),
        Column("strike", "float64", "USD", required=True, doc="strike"),
        SIGN_MODEL,
        BASIS,
        Column("call_gex", "float64", "USD per 1 % move", doc="signed by the sign model"),
        Column("put_gex", "float64", "USD per 1 % move", doc="signed by the sign model"),
        Column("gex", "float64", "USD per 1 % move", doc="call_gex and put_gex together"),
        Column("dex", "float64", "USD", doc="delta exposure"),
        Column("vanna_exposure", "float64", "USD per vol point", doc="change of delta with vol"),
        Column("charm_exposure", "float64", "USD per day", doc="change of delta with a day"),
        Column("call_open_interest", "float64", "contracts", doc="open interest of calls"),
        Column("put_open_interest", "float64", "contracts", doc="open interest of puts"),
        Column("call_volume_24h", "float64", "contracts", doc="calls traded in 24 h"),
        Column("put_volume_24h", "float64", "contracts", doc="puts traded in 24 h"),
    ),
    key=("event_ns", "underlying", "expiry_ns", "strike", "sign_model", "basis"),
    raw=False,
    doc="Exposure of open interest by strike and expiry, one group of rows per snapshot.",
)
LEVELS = Table(
    "levels",
    (
        *STAMP,
        UNDERLYING,
        SIGN_MODEL,
        BASIS,
        Column("spot", "float64", "USD", doc="price of the underlying"),
        Column("net_gex", "float64", "USD per 1 % move", doc="gamma exposure summed"),
        Column("zero_gamma", "float64", "USD", doc="spot at which net gex, priced anew, changes sign; NaN with its reason"),
        Column("zero_gamma_reason", "category", doc="why zero_gamma is NaN; empty when it is a number"),
        Column("call_wall", "float64", "USD", doc="strike at or above spot with the largest call gex"),
        Column("put_wall", "float64", "USD", doc="strike at or below spot with the largest put gex"),
        Column("absolute_wall", "float64", "USD", doc="strike with the largest sum of call and put gex in size"),
        Column("atm_iv", "float64", "annual decimal", doc="of the nearest expiry of at least a day"),
        *(Column(f"change_{m}m", "float64", "USD per 1 % move", doc=f"net gex less that of {m} min ago") for m in (1, 5, 10, 15, 30)),
        *(Column(f"change_strike_{m}m", "float64", "USD", doc=f"strike whose gex changed most in {m} min") for m in (1, 5, 10, 15, 30)),
        Column("coverage", "float64", "1", doc="share of open interest that carries a greek"),
        Column("contracts", "int64", "1", doc="contracts priced"),
        Column("dropped", "int64", "1", doc="contracts left out"),
        Column("ledger", "str", doc="conventions, sources, ages and what was left out, as JSON"),
    ),
    key=("event_ns", "underlying", "sign_model", "basis"),
    raw=False,
    doc="Key levels of a chain, one row per snapshot, with their ledger.",
)  # fmt: skip
CASCADE_PARTS: Mapping[str, str] = {
    "below_zero_gamma": "daily sd",
    "forced_selling_1pct": "minutes of median volume",
    "forced_selling_3pct": "minutes of median volume",
    "put_wall_distance": "daily sd",
    "liquidations": "times the day's median",
    "open_interest_fall": "1",
}
"""Parts of the cascade risk and the unit of each one's raw number."""
CASCADE = Table(
    "cascade",
    (
        *STAMP,
        UNDERLYING,
        SIGN_MODEL,
        BASIS,
        Column("spot", "float64", "USD", doc="price of the underlying at the snapshot"),
        Column("score", "float64", "1", doc="0-1; NaN without any part"),
        Column("known", "float64", "1", doc="share of the parts' weight that is known"),
        *(Column(part, "float64", unit, doc="the number as measured; NaN when missing") for part, unit in CASCADE_PARTS.items()),
        *(Column(f"{part}_score", "float64", "1", doc="0-1; NaN when missing") for part in CASCADE_PARTS),
        Column("unwind", "category", doc="long liquidation, short squeeze or empty"),
        Column("missing", "str", doc="parts that are missing and why; empty when none is"),
        Column("ledger", "str", doc="inputs, scales, conventions and sources, as JSON"),
    ),
    key=("event_ns", "underlying", "sign_model", "basis"),
    raw=False,
    doc="Cascade risk with its parts, one row per snapshot.",
)  # fmt: skip
_VOL = "annual decimal"
SURFACES = Table(
    "surfaces",
    (
        *STAMP,
        UNDERLYING,
        Column("expiry_ns", "int64", "ns", required=True, doc="when the contract expires"),
        Column("forward", "float64", "USD", doc="forward of the expiry"),
        Column("years", "float64", "years, ACT/365", doc="years to expiry, ACT/365"),
        Column("atm_iv", "float64", _VOL, doc="of the smile at K = F; NaN outside the strikes fitted to, as the next four"),
        *(Column(f"{kind}{delta}", "float64", _VOL, doc=f"{name} of {delta} delta (forward delta)")
          for delta in (25, 10) for kind, name in (("rr", "risk reversal, call less put vol,"), ("bf", "butterfly, mean less atm_iv,"))),
        *(Column(f"svi_{name}", "float64", unit, doc="raw SVI over ln(K/F)")
          for name, unit in (("a", "total variance"), ("b", "total variance"), ("rho", "1"), ("m", "1"), ("sigma", "1"))),
        Column("first_log_moneyness", "float64", "1", doc="ln(K/F) of the least strike fitted to"),
        Column("last_log_moneyness", "float64", "1", doc="highest log-moneyness that was fitted"),
        Column("rmse", "float64", _VOL, doc="root mean square of the residuals"),
        Column("within_spread", "float64", "1", doc="share of the fitted quotes with the smile inside bid and ask"),
        Column("contracts", "int64", "1", doc="fitted to"),
        Column("left_out", "int64", "1", doc="priced and not fitted to; reasons in the ledger"),
        Column("butterfly_violations", "int64", "1", doc="points of the grid with g < 0 before repair"),
        Column("calendar_violations", "int64", "1", doc="points of the grid under the expiry before, before repair"),
        Column("refused", "category", doc="why there is no smile; empty when there is one"),
        Column("ledger", "str", doc="conventions, sources, ages and what was left out, as JSON"),
    ),
    key=("event_ns", "underlying", "expiry_ns"),
    raw=False,
    doc="Smiles of a surface, one row per expiry and snapshot.",
)  # fmt: skip
PNL = Table(
    "pnl",
    (
        *STAMP,
        Column("instrument", "instrument", doc="missing in the row of the whole book"),
        Column("venue", "category", doc="venue it is held at; empty: the whole book"),
        Column("account", "category", doc="account at the venue; empty where there is one"),
        Column("total", "float64", "USD", doc="since the first fill, as all the others: realised + unrealised + funding + fees"),
        Column("realised", "float64", "USD", doc="trades and settlements, at the index of their moment"),
        Column("unrealised", "float64", "USD", doc="at the index"),
        *(
            Column(part, "float64", "USD", doc="these and funding and fees add up to total")
            for part in (
                "delta_pnl", "gamma_pnl", "vega_pnl", "theta_pnl", "vanna_pnl", "charm_pnl", "currency", "new_trades",
                "settlement", "residual",
            )
        ),
        Column("funding", "float64", "USD", doc="positive = received"),
        Column("fees", "float64", "USD", doc="negative = paid"),
    ),
    raw=False,
    doc="PnL snapshots and what explains them; a period's explain is the difference of two rows.",
)  # fmt: skip
DERIVED = (
    CANDLES, INTENSITY, SPIKES, REVERSALS, EXPOSURES, LEVELS, CASCADE, SURFACES, *FLOW, PNL,
)  # fmt: skip
