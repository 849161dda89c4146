"""Prints of options: singles, sweeps, blocks, combos; in the US also late prints and cancels."""

from __future__ import annotations

import numpy as np

from workstation.feeds.synthetic.assets import Asset
from workstation.feeds.synthetic.columns import EXCHANGES, Columns, code
from workstation.feeds.synthetic.listing import Chain
from workstation.feeds.synthetic.ticks import CONDITION_CODES, prints
from workstation.market.instants import MILLISECOND_NS
from workstation.market.tables import TradeFlag

PARENT_EVERY_S = 6.0
OPENING_SHARE = 0.56
QUOTE_LEAD_NS = 15_000_000
_FLOOR = code(EXCHANGES, "C")
_FLAGS = {
    "S": TradeFlag.ISO, "a": TradeFlag.AUCTION, "c": TradeFlag.CROSS, "e": TradeFlag.FLOOR, "f": TradeFlag.MULTI_LEG,
    "g": TradeFlag.MULTI_LEG | TradeFlag.AUCTION, "D": TradeFlag.LATE, "B": TradeFlag.OUT_OF_SEQUENCE,
}  # fmt: skip
_FLAG_OF_CODE = np.zeros(len(CONDITION_CODES), dtype=np.int32)
for _label, _flag in _FLAGS.items():
    _FLAG_OF_CODE[CONDITION_CODES[_label]] = int(_flag)


class OptionFlow:
    """Draws what is traded in a chain; parents (sweeps, blocks, combos) may reach into later slices."""

    def __init__(self, asset: Asset, chain: Chain, rng: np.random.Generator, block_base: int) -> None:
        self.asset, self.chain, self.rng, self.us = asset, chain, rng, not asset.inverse
        self.blocks = block_base
        self.pending: list[dict[str, np.ndarray]] = []
        self.cumulative = np.zeros(0)
        self.priced_for: object = None

    def draw(
        self, start_ns: int, end_ns: int, activity: float, lean: float, spot: float
    ) -> tuple[Columns, Columns]:
        """Prints of [start_ns, end_ns) and the quotes that stood just before them."""
        self._weigh()
        seconds = (end_ns - start_ns) / 1e9
        singles = int(self.rng.poisson(self.asset.option_trades_per_s * activity * seconds))
        parents = self.rng.integers(start_ns, end_ns, self.rng.poisson(activity * seconds / PARENT_EVERY_S))
        every = self.pending + [self._singles(singles, start_ns, end_ns, lean)]
        every += [self._parent(time, lean) for time in parents.tolist()]
        order = {name: np.concatenate([part[name] for part in every]) for name in every[-1]}
        due = order["time"] < end_ns
        self.pending = [{name: values[~due] for name, values in order.items()}] if not due.all() else []
        return self._printed({name: values[due] for name, values in order.items()}, spot)

    def _weigh(self) -> None:
        if self.priced_for is not self.chain.columns:
            self.priced_for = self.chain.columns
            weights = self.chain.appetite[self.chain.live] * (self.chain.columns["mark"] > 0.0)
            self.cumulative = np.cumsum(weights) / weights.sum()

    def _pick(self, count: int) -> np.ndarray:
        """Positions in ``chain`` (not in ``live``), by appetite."""
        at = np.searchsorted(self.cumulative, self.rng.random(count), side="right")
        return self.chain.live[np.minimum(at, len(self.chain.live) - 1)]

    def _order(
        self, time: np.ndarray, contract: np.ndarray, side: np.ndarray, size: np.ndarray
    ) -> dict[str, np.ndarray]:
        count = len(time)
        return {
            "time": time, "contract": contract, "side": side.astype(np.int8), "size": size, "block": np.zeros(count, dtype=np.int64),
            "condition": np.full(count, CONDITION_CODES["I" if self.us else ""], dtype=np.int8), "flags": np.zeros(count, dtype=np.int32),
            "exchange": self.rng.integers(1, code(EXCHANGES, "D"), count).astype(np.int8) if self.us else np.zeros(count, dtype=np.int8),
            "late": np.zeros(count, dtype=np.int64), "depth": np.zeros(count),
        }  # fmt: skip

    def _sizes(self, count: int, median: float) -> np.ndarray:
        lot = self.asset.option_lot
        return np.round(np.maximum(1.0, np.rint(median * self.rng.lognormal(0.0, 1.1, count))) * lot, 6)

    def _singles(self, count: int, start_ns: int, end_ns: int, lean: float) -> dict[str, np.ndarray]:
        rng = self.rng
        contract = self._pick(count)
        times = np.sort(rng.integers(start_ns, end_ns, count))
        tilt = 0.5 + np.where(self.chain.is_call[contract], 1.0, -1.0) * np.clip(0.04 * lean, -0.3, 0.3)
        order = self._order(
            times, contract, np.where(rng.random(count) < tilt, 1, -1), self._sizes(count, 5.0)
        )
        if self.us:
            kind = rng.random(count)
            order["condition"][kind < 0.12] = CONDITION_CODES["a"]
            order["condition"][kind < 0.03] = CONDITION_CODES["f"]
            order["condition"][kind > 0.95] = CONDITION_CODES["S"]
            order["condition"][kind > 0.996] = CONDITION_CODES["D"]
            order["late"][kind > 0.996] = (
                rng.integers(3_000, 45_000, int((kind > 0.996).sum())) * MILLISECOND_NS
            )
            order["flags"] = _FLAG_OF_CODE[order["condition"]]
        return order

    def _parent(self, time: int, lean: float) -> dict[str, np.ndarray]:
        kind = self.rng.random()
        if kind < 0.6:
            return self._sweep(time, lean)
        return self._block(time) if kind < 0.75 else self._combo(time)

    def _sweep(self, time: int, lean: float) -> dict[str, np.ndarray]:
        """One contract bought or sold in 4 to 14 prints within 0.4 s, walking through the market."""
        rng = self.rng
        count = int(rng.integers(4, 15))
        contract = np.repeat(self._pick(1), count)
        with_burst = rng.random() < 0.5 + min(0.4, 0.1 * abs(lean))
        up = (lean >= 0) == bool(self.chain.is_call[contract[0]])
        side = 1 if (up if with_burst else rng.random() < 0.6) else -1
        times = time + np.sort(rng.integers(0, 400 * MILLISECOND_NS, count))
        order = self._order(times, contract, np.full(count, side), self._sizes(count, 22.0))
        order["depth"] = np.linspace(0.0, 1.0, count)
        if self.us:
            order["condition"][:] = CONDITION_CODES["S"]
            order["flags"] = _FLAG_OF_CODE[order["condition"]]
        return order

    def _block(self, time: int) -> dict[str, np.ndarray]:
        """One large negotiated print inside the market."""
        side = 1 if self.rng.random() < 0.5 else -1
        order = self._order(
            np.array([time]), self._pick(1), np.array([side]), self._sizes(1, 400.0 if self.us else 250.0)
        )
        order["depth"][:] = -0.6
        self._mark_block(order, TradeFlag.BLOCK, "e" if self.rng.random() < 0.5 else "c")
        return order

    def _combo(self, time: int) -> dict[str, np.ndarray]:
        """Two legs of one expiry (vertical, straddle, strangle, risk reversal) printed at once under one id."""
        chain, rng = self.chain, self.rng
        first = int(self._pick(1)[0])
        same = chain.live[chain.expiry_ns[chain.live] == chain.expiry_ns[first]]
        near = same[np.argsort(np.abs(chain.strike[same] - chain.strike[first]), kind="stable")[:9]]
        second = int(rng.choice(near[near != first])) if len(near) > 1 else first
        opposite = chain.is_call[first] == chain.is_call[second]
        side = 1 if rng.random() < 0.5 else -1
        legs = np.array([first, second])
        sides = np.array([side, -side if opposite or rng.random() < 0.35 else side])
        order = self._order(np.full(2, time), legs, sides, np.repeat(self._sizes(1, 60.0), 2))
        self._mark_block(order, TradeFlag.COMBO, "g" if rng.random() < 0.4 else "f")
        return order

    def _mark_block(self, order: dict[str, np.ndarray], flag: TradeFlag, condition: str) -> None:
        self.blocks += 1
        order["block"][:] = 0 if self.us else self.blocks
        order["flags"][:] = int(flag)
        if self.us:
            order["condition"][:] = CONDITION_CODES[condition]
            order["exchange"][:] = _FLOOR
            order["flags"][:] = _FLAG_OF_CODE[order["condition"]]

    def _printed(self, order: dict[str, np.ndarray], spot: float) -> tuple[Columns, Columns]:
        chain, marks = self.chain, self.chain.columns
        at = np.searchsorted(chain.live, order["contract"])
        kept = (at < len(chain.live)) & (chain.live[np.minimum(at, len(chain.live) - 1)] == order["contract"])
        order = {name: values[kept] for name, values in order.items()}
        at, contract = at[kept], order["contract"]
        unit = marks["forward"][at] if self.asset.inverse else 1.0
        shift = marks["delta"][at] * (spot - chain.spot) / unit
        half = np.maximum(0.5 * (marks["ask"][at] - np.nan_to_num(marks["bid"][at])), self.asset.option_tick)
        price = marks["mark"][at] + shift + order["side"] * half * (1.0 + 0.8 * order["depth"])
        price = self._grid(np.maximum(price, self.asset.option_tick))
        self._trade(contract, order["size"], price)
        count, time = len(contract), order["time"]
        trades = prints(
            time - order["late"], chain.codes[contract], price, order["size"],
            side=np.zeros(count, dtype=np.int8) if self.us else order["side"], arrival_ns=time, flags=order["flags"],
            exchange=order["exchange"], condition=order["condition"], block_id=order["block"], iv=marks["mark_iv"][at],
            mark=marks["mark"][at] + shift, index=np.full(count, spot),
        )  # fmt: skip
        return trades, self._quotes(at, time, shift)

    def _quotes(self, at: np.ndarray, time: np.ndarray, shift: np.ndarray) -> Columns:
        """The quote each print met, a few milliseconds before it."""
        marks, tick = self.chain.columns, self.asset.option_tick
        bid = np.floor((marks["bid"][at] + shift) / tick + 1e-9) * tick
        ask = np.ceil((marks["ask"][at] + shift) / tick - 1e-9) * tick
        before = time - self.rng.integers(1, QUOTE_LEAD_NS, len(time))
        return {
            "arrival_ns": before, "event_ns": before, "code": marks["code"][at],
            "bid": np.where(bid >= 0.5 * tick, np.round(bid, 10), np.nan), "ask": np.round(np.maximum(ask, tick), 10),
            "bid_size": marks["bid_size"][at], "ask_size": marks["ask_size"][at],
        }  # fmt: skip

    def _grid(self, prices: np.ndarray) -> np.ndarray:
        tick = self.asset.option_tick
        return np.round(np.rint(prices / tick) * tick, 10)

    def _trade(self, contract: np.ndarray, size: np.ndarray, price: np.ndarray) -> None:
        """Open interest and volume move with what is printed; some prints open, some close."""
        opens = np.where(self.rng.random(len(contract)) < OPENING_SHARE, 1.0, -1.0)
        np.add.at(self.chain.open_interest, contract, opens * size)
        np.maximum(self.chain.open_interest, 0.0, out=self.chain.open_interest)
        np.add.at(self.chain.volume, contract, size)
        self.last_trades = contract, price

    def random_quotes(self, times: np.ndarray, spot: float) -> Columns:
        """Quotes of contracts picked by appetite at ``times``."""
        at = np.searchsorted(self.chain.live, self._pick(len(times)))
        unit = self.chain.columns["forward"][at] if self.asset.inverse else 1.0
        columns = self._quotes(at, times, self.chain.columns["delta"][at] * (spot - self.chain.spot) / unit)
        columns["arrival_ns"] = columns["event_ns"] = times
        return columns
