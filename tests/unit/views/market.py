"""A small market for screens: seeded frames of every table the views read, and a Source over them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from workstation.board.chain_publishing import chain_of_marks
from workstation.board.priced_chain import PricedChain
from workstation.flow.taker_flow_monitor import FlowWatch
from workstation.market.tables import CANDLES, EXPOSURES, HEALTH, LEVELS, MARKS, TABLES, TRADES

NOW_NS = pd.Timestamp("2026-11-20 14:30").value
SECOND = 10**9
LENGTHS_S = (10, 60, 300)
SPOTS = {"BTC": 104_200.0, "ETH": 3_412.0}
STEPS = {"BTC": 2_000.0, "ETH": 50.0}
EXPIRIES = ("2026-11-21", "2026-11-27", "2026-12-25", "2027-03-26")


def instrument(underlying: str) -> str:
    return f"{underlying}/USD:{underlying}"


def marks(rng: np.random.Generator) -> pd.DataFrame:
    frames = []
    for name, spot in SPOTS.items():
        step = STEPS[name]
        centre = round(spot / step) * step
        for expiry in EXPIRIES:
            years = (pd.Timestamp(f"{expiry} 08:00").value - NOW_NS) / (365 * 86_400 * SECOND)
            strikes = centre + step * np.arange(-12, 13)
            moneyness = np.log(strikes / spot)
            vol = 0.48 + 0.05 * np.sqrt(years) - 0.15 * moneyness / np.sqrt(years + 0.05) + 0.6 * moneyness**2
            for right, sign in (("C", 1), ("P", -1)):
                size = 900 * np.exp(-(((moneyness - sign * 0.05) / 0.06) ** 2)) + 40
                stamp = pd.Timestamp(expiry).strftime("%y%m%d")
                frames.append(
                    pd.DataFrame(
                        {
                            "event_ns": NOW_NS - rng.integers(0, 5 * SECOND, strikes.size),
                            "instrument": [
                                f"{name}/USD:{name}-{stamp}-{strike:.0f}-{right}" for strike in strikes
                            ],
                            "mark_iv": vol,
                            "bid_iv": vol - 0.008,
                            "ask_iv": vol + 0.008,
                            "open_interest": size * rng.uniform(0.4, 1.6, strikes.size),
                            "volume_24h": size * rng.uniform(0.0, 0.5, strikes.size),
                            "forward": spot * (1 + 0.06 * years),
                            "index": spot,
                            "venue": "synthetic",
                        }
                    )
                )
    return MARKS.conform(pd.concat(frames, ignore_index=True))


def trades(rng: np.random.Generator, seconds: int = 6 * 3600) -> pd.DataFrame:
    frames = []
    for name, spot in SPOTS.items():
        walk = np.cumsum(rng.normal(0, 0.00004, seconds))
        frames.append(
            pd.DataFrame(
                {
                    "event_ns": NOW_NS + SECOND * np.arange(1 - seconds, 1),
                    "instrument": instrument(name),
                    "price": spot * np.exp(walk - walk[-1]),
                    "size": rng.exponential(0.4, seconds),
                    "side": rng.choice(np.array([-1, 1], dtype=np.int8), seconds),
                    "venue": "synthetic",
                }
            )
        )
    return TRADES.conform(pd.concat(frames, ignore_index=True))


def candles(prints: pd.DataFrame, every_s: int) -> pd.DataFrame:
    """Candles of the prints, the newest still in progress (an oracle of its own: pandas groupby)."""
    every = every_s * SECOND
    begin = prints["event_ns"] // every * every
    grouped = prints.assign(begin=begin, buy=prints["size"].where(prints["side"] > 0, 0.0)).groupby(
        ["instrument", "begin"], observed=True
    )
    frame = grouped.agg(
        open=("price", "first"), high=("price", "max"), low=("price", "min"), close=("price", "last"),
        volume=("size", "sum"), buy_volume=("buy", "sum"), trades=("size", "size"),
    ).reset_index()  # fmt: skip
    frame = frame.rename(columns={"begin": "event_ns"}).assign(every_ns=every)
    frame["sell_volume"] = frame["volume"] - frame["buy_volume"]
    frame["closed"] = frame["event_ns"] + every <= NOW_NS
    return CANDLES.conform(frame)


def levels(rng: np.random.Generator) -> pd.DataFrame:
    frames = []
    for name, spot in SPOTS.items():
        minutes = np.arange(-600, 1)
        net = -1.8e8 + 6e7 * np.sin(minutes / 90) + np.cumsum(rng.normal(0, 2e6, minutes.size))
        frame = pd.DataFrame(
            {
                "event_ns": NOW_NS + 60 * SECOND * minutes,
                "underlying": name,
                "sign_model": "calls_long",
                "basis": "open_interest",
                "spot": spot * np.exp(0.01 * np.sin(minutes / 150)),
                "net_gex": net,
                "zero_gamma": spot * 1.008,
                "zero_gamma_reason": "",
                "call_wall": round(spot * 1.05, -3 if name == "BTC" else -1),
                "put_wall": round(spot * 0.96, -3 if name == "BTC" else -1),
                "absolute_wall": round(spot * 1.05, -3 if name == "BTC" else -1),
                "atm_iv": 0.51,
                "coverage": 0.97,
                "contracts": 400,
                "dropped": 8,
                "ledger": json.dumps(
                    {"sign_model": "calls_long", "dropped": {"stale": 8}, "iv_source": {"mark": 400}}
                ),
            }
        )
        for minute in (1, 5, 10, 15, 30):
            frame[f"change_{minute}m"] = frame["net_gex"].diff(minute)
            frame[f"change_strike_{minute}m"] = frame["call_wall"]
        frames.append(frame)
    return LEVELS.conform(pd.concat(frames, ignore_index=True))


def exposures(quotes: pd.DataFrame) -> pd.DataFrame:
    """Exposure by strike and expiry; gamma by an own Black-76 formula, so that no formula is its own oracle."""
    terms = (
        quotes["instrument"]
        .astype("str")
        .str.extract(r"^(?P<underlying>\w+)/.*-(?P<expiry>\d{6})-(?P<strike>\d+)-(?P<right>[CP])$")
    )
    rows = pd.concat([quotes.drop(columns=["instrument", "event_ns"]), terms], axis=1)
    rows["strike"] = rows["strike"].astype(float)
    rows["expiry_ns"] = (
        (pd.to_datetime(rows["expiry"], format="%y%m%d") + pd.Timedelta(hours=8))
        .astype("datetime64[ns]")
        .astype("int64")
    )
    years = (rows["expiry_ns"] - NOW_NS) / (365 * 86_400 * SECOND)
    total = rows["mark_iv"] * np.sqrt(years)
    d1 = np.log(rows["forward"] / rows["strike"]) / total + total / 2
    gamma = np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi) / (rows["forward"] * total)
    rows["gex"] = (
        np.where(rows["right"] == "C", 1, -1) * gamma * rows["open_interest"] * rows["index"] ** 2 * 0.01
    )
    rows["dex"] = rows["open_interest"] * rows["index"] * 0.5
    key = ["underlying", "expiry_ns", "strike"]
    call, put = (rows[rows["right"] == right].set_index(key) for right in "CP")
    frame = pd.DataFrame(
        {
            "call_gex": call["gex"], "put_gex": put["gex"], "gex": call["gex"] + put["gex"],
            "dex": call["dex"] - put["dex"], "vanna_exposure": 0.1 * call["gex"], "charm_exposure": 0.2 * put["gex"],
            "call_open_interest": call["open_interest"], "put_open_interest": put["open_interest"],
            "call_volume_24h": call["volume_24h"], "put_volume_24h": put["volume_24h"],
        }
    ).reset_index()  # fmt: skip
    return EXPOSURES.conform(frame.assign(event_ns=NOW_NS, sign_model="calls_long", basis="open_interest"))


class Market:
    """A Source whose state a test sets."""

    def __init__(self, seed: int = 7) -> None:
        rng = np.random.default_rng(seed)
        prints = trades(rng)
        quotes = marks(rng)
        self.asof_ns = NOW_NS
        self.past = pd.DataFrame({"event_ns": [], "strike": [], "gex": [], "call_gex": [], "put_gex": []})
        self.flow = FlowWatch()
        self._chains: dict[tuple[str, int], PricedChain | None] = {}
        self._frames = {name: table.empty() for name, table in TABLES.items()}
        self._versions = dict.fromkeys(TABLES, 0)
        self.put("trades", prints)
        self.put("candles", pd.concat([candles(prints, every) for every in LENGTHS_S], ignore_index=True))
        self.put("marks", quotes)
        self.put("levels", levels(rng))
        self.put("exposures", exposures(quotes))
        self.put(
            "health",
            HEALTH.conform(
                pd.DataFrame(
                    {"event_ns": [NOW_NS], "feed": "synthetic", "channel": "trades", "event": "connected"}
                )
            ),
        )
        self._feeds = pd.DataFrame(
            {
                "feed": ["synthetic"], "state": ["live"], "newest_ns": [NOW_NS], "age_s": [0.2],
                "stale_after_s": [5.0], "rows_per_s": [1234.0], "gaps": [0], "drops": [0], "detail": [""],
                "recorder_lag_s": [0.1],
            }
        )  # fmt: skip

    def put(self, table: str, frame: pd.DataFrame) -> None:
        self._frames[table] = frame
        self._versions[table] += 1

    def put_feeds(self, **columns: object) -> None:
        self._feeds = self._feeds.assign(**columns)

    def version(self, table: str) -> int:
        return self._versions["marks" if table == "priced_chain" else table]

    def latest(self, table: str) -> pd.DataFrame:
        return self._frames[table]

    def since(
        self, table: str, instrument: str, seq: int, columns: Sequence[str]
    ) -> tuple[int, dict[str, np.ndarray]]:
        frame = self.latest(table)
        mine = frame[(frame["instrument"] == instrument) & (frame["seq"] > seq)]
        newest = int(frame["seq"].max()) if len(frame) else seq
        return newest, {name: mine[name].to_numpy() for name in columns}

    def candles(self, instrument: str, every_ns: int) -> pd.DataFrame:
        frame = self._frames["candles"]
        return frame[(frame["instrument"] == instrument) & (frame["every_ns"] == every_ns)]

    def traded(self) -> dict[str, int]:
        candles = self._frames["candles"]
        seen = candles.groupby(candles["instrument"].astype("str"))["trades"].sum()
        return {str(name): int(trades) for name, trades in seen.items()}

    def exposure_history(self, underlying: str, sign_model: str, basis: str) -> pd.DataFrame:
        return self.past

    def priced_chain(self, underlying: str) -> PricedChain | None:
        key = underlying, self._versions["marks"]
        if key not in self._chains:
            self._chains[key] = chain_of_marks(self.latest("marks"), underlying, self.flow.of_codes)
        return self._chains[key]

    def parts(self) -> pd.DataFrame:
        return pd.DataFrame(
            [("engine", "Candles", "ok", "3 rows")], columns=["kind", "name", "state", "detail"]
        )

    def feeds(self) -> pd.DataFrame:
        return self._feeds

    def tick(self, underlying: str, price: float, seconds: float = 1.0) -> None:
        """One more print, in the candle in progress or a new one of each length."""
        self.asof_ns += int(seconds * SECOND)
        row = TRADES.conform(
            pd.DataFrame(
                {
                    "seq": [int(self._frames["trades"]["seq"].max()) + 1],
                    "event_ns": [self.asof_ns],
                    "instrument": instrument(underlying),
                    "price": price,
                    "size": 1.0,
                }
            )
        )
        self.put("trades", TRADES.concat([self._frames["trades"], row]))
        prints = self._frames["trades"]
        recent = prints[prints["event_ns"] > self.asof_ns - 6 * 3600 * SECOND]
        self.put("candles", CANDLES.concat([candles(recent, every) for every in LENGTHS_S]))
