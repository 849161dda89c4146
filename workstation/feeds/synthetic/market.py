"""The synthetic market: assets stepped slice by slice, and the batches of each slice."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.synthetic.assets import Asset
from workstation.feeds.synthetic.columns import LATENCY_NS, Columns, batch, joined
from workstation.feeds.synthetic.listing import instruments, list_chain
from workstation.feeds.synthetic.marks import OptionMarks
from workstation.feeds.synthetic.optionflow import OptionFlow
from workstation.feeds.synthetic.path import PricePath
from workstation.feeds.synthetic.ticks import CONDITION_CODES, LineTicks, prints
from workstation.market.tables import TradeFlag

OPTION_QUOTE_SHARE = 0.12
CANCELS_PER_S = 0.06
REMEMBERED = 600
ORDER = ("quotes", "marks", "trades", "liquidations")


class AssetMarket:
    """One asset: its path, its lines, its chain and the flow in it."""

    def __init__(
        self, asset: Asset, rng: np.random.Generator, start_ns: int, share: float, block_base: int
    ) -> None:
        self.asset, self.rng, self.share = asset, rng, share
        self.path = PricePath(asset, rng)
        self.lines = LineTicks(asset, rng)
        self.chain = list_chain(asset, self.path.spot, start_ns, rng)
        self.marks = OptionMarks(asset, self.chain, rng)
        self.flow = OptionFlow(asset, self.chain, rng, block_base)
        self.marks_due_ns = start_ns

    def advance(
        self, start_ns: int, end_ns: int, rate: float, marks_every_ns: int, option_share: float
    ) -> dict[str, list[Columns]]:
        """Everything of [start_ns, end_ns); ``rate`` is trades and quotes per second over all assets."""
        rows: dict[str, list[Columns]] = {"quotes": [], "marks": [], "trades": []}
        seconds = (end_ns - start_ns) / 1e9
        self.marks_due_ns = min(self.marks_due_ns, start_ns + marks_every_ns)
        if start_ns >= self.marks_due_ns:
            self.marks_due_ns = start_ns - start_ns % marks_every_ns + marks_every_ns
            rows["marks"].append(self.marks.refresh(start_ns, self.path.spot, self.path.variance))
        activity = self.path.step(seconds)
        lean = self.path.direction * self.path.burst
        mean = rate * self.share * activity * seconds
        count = int(self.rng.poisson(mean * (1.0 - OPTION_QUOTE_SHARE))) if self.lines.trades else 0
        times = np.sort(self.rng.integers(start_ns, end_ns, count))
        spot = self.path.walk((times - start_ns) / 1e9, seconds)
        if self.lines.trades:
            trades, quotes = self.lines.draw(times, spot, lean)
            rows["trades"].append(trades)
            rows["quotes"].append(quotes)
        if len(self.chain.live):
            trades, quotes = self.flow.draw(start_ns, end_ns, activity * option_share, lean, self.path.spot)
            self.marks.last[self.flow.last_trades[0]] = self.flow.last_trades[1]
            count = int(self.rng.poisson(mean * OPTION_QUOTE_SHARE))
            times = np.sort(self.rng.integers(start_ns, end_ns, count))
            rows["trades"].append(trades)
            rows["quotes"] += [quotes, self.flow.random_quotes(times, self.path.spot)]
        return rows


class SyntheticMarket:
    """A whole market on a grid of event time; its rows are a function of seed, start and grid alone.

    Parameters
    ----------
    assets
        What trades.
    seed
        Every asset has its own child generator of it.
    start_ns
        Event time of the first slice.
    """

    def __init__(self, assets: tuple[Asset, ...], seed: int, start_ns: int) -> None:
        seeds = np.random.SeedSequence(seed).spawn(len(assets) + 1)
        weight = sum(asset.weight for asset in assets)
        self.now_ns = start_ns
        self.assets = [
            AssetMarket(asset, np.random.Generator(np.random.SFC64(child)), start_ns, asset.weight / weight, at * 10_000_000)
            for at, (asset, child) in enumerate(zip(assets, seeds[:-1], strict=True))
        ]  # fmt: skip
        self.rng = np.random.Generator(np.random.SFC64(seeds[-1]))
        self.us = not assets[0].inverse
        self.printed = 0
        self.recent: Columns = {}
        self.rows: dict[str, list[Columns]] = defaultdict(list)

    def instruments(self) -> pd.DataFrame:
        """Rows of the ``instruments`` table, registered."""
        return instruments(
            tuple(a.asset for a in self.assets), tuple(a.chain for a in self.assets), self.now_ns
        )

    def owners(self) -> dict[str, np.ndarray]:
        """Asset name -> codes of its lines and options."""
        return {a.asset.name: np.concatenate([a.lines.codes, a.chain.codes]) for a in self.assets}

    def advance(self, end_ns: int, *, rate: float, marks_every_s: float, option_share: float = 1.0) -> None:
        """Draw the slice from now to ``end_ns``; ``option_share`` thins the flow in options."""
        for asset in self.assets:
            drawn = asset.advance(self.now_ns, end_ns, rate, int(marks_every_s * 1e9), option_share)
            for table, parts in drawn.items():
                self.rows[table] += parts
        if self.us:
            self._cancel(end_ns)
        self.now_ns = end_ns

    def skip(self, end_ns: int) -> None:
        """Move prices to ``end_ns`` without printing anything."""
        for asset in self.assets:
            seconds = (end_ns - self.now_ns) / 1e9
            asset.path.step(seconds)
            asset.path.walk(np.zeros(0), seconds)
        self.now_ns = end_ns

    def drain(self) -> list[Batch]:
        """Batches of what was drawn since the last call: quotes, marks, trades, liquidations, heartbeat."""
        columns = {table: joined(parts) for table, parts in self.rows.items() if parts}
        self.rows.clear()
        if "trades" in columns:
            self._number(columns["trades"])
            columns["liquidations"] = _liquidations(columns["trades"])
        result = [self._batch(table, columns[table]) for table in ORDER if table in columns]
        stamp = np.array([self.now_ns])
        result.append(self._batch("heartbeat", {"arrival_ns": stamp, "event_ns": stamp}))
        return [one for one in result if len(one.frame)]

    def marks(self) -> list[Batch]:
        """Marks of all chains now, outside their rhythm."""
        rows = joined([a.marks.refresh(self.now_ns, a.path.spot, a.path.variance) for a in self.assets])
        return [self._batch("marks", rows)]

    def _batch(self, table: str, columns: Columns) -> Batch:
        jitter = self.rng.exponential(1_500_000.0, len(columns["arrival_ns"])).astype(np.int64)
        return batch(table, columns, LATENCY_NS + jitter)

    def _number(self, trades: Columns) -> None:
        fresh = trades["trade_id"] == 0
        count = int(fresh.sum())
        trades["trade_id"][fresh] = np.arange(self.printed + 1, self.printed + count + 1)
        trades["venue_seq"] = trades["trade_id"]
        self.printed += count
        if self.us:
            keep = np.flatnonzero(fresh & (trades["condition"] != 0))[-REMEMBERED:]
            self.recent = {name: values[keep] for name, values in trades.items()}

    def _cancel(self, end_ns: int) -> None:
        """Cancel a print of the last slice with prints: same terms and id, condition A or C."""
        count = len(self.recent.get("code", ()))
        if not count or self.rng.random() > CANCELS_PER_S * (end_ns - self.now_ns) / 1e9:
            return
        which = int(self.rng.integers(count))
        old = {name: values[which : which + 1] for name, values in self.recent.items()}
        label = CONDITION_CODES["A" if self.rng.random() < 0.5 else "C"]
        time = np.array([end_ns - 1])
        self.rows["trades"].append(
            prints(
                time, old["code"], old["price"], old["size"], side=old["side"], exchange=old["exchange"], index=old["index"],
                flags=np.array([int(TradeFlag.CANCEL)], dtype=np.int32), condition=np.array([label], dtype=np.int8),
                trade_id=old["trade_id"], iv=old["iv"], mark=old["mark"],
            )
        )  # fmt: skip


def _liquidations(trades: Columns) -> Columns:
    forced = (trades["flags"] & int(TradeFlag.LIQUIDATION)) != 0
    rows = {
        name: trades[name][forced] for name in ("arrival_ns", "event_ns", "code", "side", "price", "size")
    }
    rows["usd"] = rows["price"] * rows["size"]
    return rows
