"""The synthetic market looks like a market: grids, chains, smiles, flow, clustering."""

from __future__ import annotations

import asyncio
from functools import cache

import numpy as np
import pandas as pd
import pytest

from tests.unit.feeds.scripted import START_NS
from workstation.feeds.synthetic import Synthetic
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES, TradeFlag


@cache
def market(flavour: str) -> dict[str, pd.DataFrame]:
    """Five minutes of history and 20 s live, table by table."""

    async def draw() -> dict[str, list[pd.DataFrame]]:
        feed = Synthetic(
            seed=5,
            flavour=flavour,
            rate=3_000.0,
            start_ns=START_NS,
            speed="max",
            duration_s=20.0,
            history_minutes=5.0,
        )
        await feed.connect()
        await feed.subscribe()
        tables: dict[str, list[pd.DataFrame]] = {"instruments": [await feed.instruments()]}
        for batch in await feed.snapshot():
            tables.setdefault(batch.table, []).append(batch.frame)
        async for batch in feed.batches():
            tables.setdefault(batch.table, []).append(batch.frame)
        return tables

    return {table: pd.concat(frames, ignore_index=True) for table, frames in asyncio.run(draw()).items()}


FLAVOURS = pytest.mark.parametrize("flavour", ["crypto", "us"])


@FLAVOURS
def test_rows_conform_and_time_goes_on(flavour: str):
    tables = market(flavour)
    assert {"instruments", "trades", "quotes", "marks", "heartbeat"} <= set(tables)
    for table, frame in tables.items():
        again = TABLES[table].conform(frame)
        assert list(again.columns) == list(frame.columns)
        assert frame["seen_ns"].ge(frame["event_ns"]).all()
    assert tables["heartbeat"]["event_ns"].is_monotonic_increasing
    trades = tables["trades"]
    on_time = trades[(trades["flags"] & int(TradeFlag.LATE)) == 0]
    assert on_time["event_ns"].is_monotonic_increasing


@FLAVOURS
def test_prices_lie_on_the_tick_grid(flavour: str):
    tables = market(flavour)
    tick = tables["instruments"].set_index(tables["instruments"]["instrument"].astype(str))["tick_size"]
    for table, names in (("trades", ["price"]), ("quotes", ["bid", "ask"]), ("marks", ["bid", "ask"])):
        rows = tables[table]
        if table == "trades":
            rows = rows[(rows["flags"] & int(TradeFlag.OFF_EXCHANGE)) == 0]
        ticks = tick.reindex(rows["instrument"].astype(str)).to_numpy()
        for name in names:
            steps = rows[name].to_numpy() / ticks
            known = ~np.isnan(steps)
            assert np.abs(steps[known] - np.rint(steps[known])).max() < 1e-4
    assert (tables["quotes"]["ask"] > tables["quotes"]["bid"].fillna(0.0)).all()
    assert (tables["trades"]["price"] > 0).all()
    assert (tables["trades"]["size"] > 0).all()


@FLAVOURS
def test_the_chain_is_large_and_its_smile_free_of_arbitrage(flavour: str):
    tables = market(flavour)
    terms = tables["instruments"]
    options = terms[terms["kind"] == "option"]
    assert 600 <= len(options) <= 1_300
    marks = tables["marks"].drop_duplicates("instrument", keep="last")
    assert set(marks["instrument"].astype(str)) == set(options["instrument"].astype(str))
    assert marks["mark_iv"].between(0.03, 4.0).all()
    assert (marks["ask"] > marks["mark"]).all()
    assert (marks["bid"].dropna() <= marks.loc[marks["bid"].notna(), "mark"] + 1e-9).all()
    joined = marks.drop(columns="venue").merge(
        options[["instrument", "underlying", "root", "expiry_ns", "strike", "right", "inverse"]].astype(
            {"instrument": str}
        ),
        left_on=marks["instrument"].astype(str),
        right_on="instrument",
    )
    usd = joined["mark"] * np.where(joined["inverse"], joined["forward"], 1.0)
    calls = joined.assign(usd=usd)[joined["right"] == "C"]
    for _, chain in calls.groupby(["root", "expiry_ns"], observed=True):
        chain = chain.sort_values("strike")
        slopes = np.diff(chain["usd"]) / np.diff(chain["strike"])
        assert (slopes <= 1e-9).all()
        assert (slopes >= -1.0 - 1e-9).all()
        assert (np.diff(slopes) >= -1e-7).all()


@FLAVOURS
def test_open_interest_gathers_at_round_strikes_and_volume_moves(flavour: str):
    tables = market(flavour)
    marks = tables["marks"]
    first = marks.drop_duplicates("instrument", keep="first").set_index("instrument")
    last = marks.drop_duplicates("instrument", keep="last").set_index("instrument").reindex(first.index)
    assert (last["volume_24h"] >= first["volume_24h"]).all()
    assert (last["volume_24h"] > first["volume_24h"]).sum() > 20
    assert ((last["open_interest"] != first["open_interest"]).any()) == (flavour == "crypto")
    strike = tables["instruments"].set_index("instrument")["strike"].reindex(first.index)
    asset = "BTC" if flavour == "crypto" else "SPX"
    chain = first[[str(name).startswith(asset) for name in first.index]]
    step = 10_000.0 if flavour == "crypto" else 100.0
    round_strikes = strike.reindex(chain.index) % step == 0
    assert chain["open_interest"][round_strikes].mean() > 1.3 * chain["open_interest"][~round_strikes].mean()


def test_crypto_prints_carry_sides_blocks_combos_and_liquidations():
    tables = market("crypto")
    trades = tables["trades"]
    assert set(trades["side"].unique()) == {-1, 1}
    flags = trades["flags"]
    blocks = trades[(flags & int(TradeFlag.BLOCK)) != 0]
    combos = trades[(flags & int(TradeFlag.COMBO)) != 0]
    assert len(blocks)
    assert (blocks["block_id"] != "").all()
    assert combos.groupby("block_id").size().eq(2).all()
    forced = trades[(flags & int(TradeFlag.LIQUIDATION)) != 0]
    assert len(forced) == len(tables.get("liquidations", ()))
    assert trades["trade_id"].is_unique


def test_us_prints_carry_conditions_sweeps_late_prints_and_cancels():
    trades = market("us")["trades"]
    flags, condition = trades["flags"], trades["condition"].astype(str)
    assert (trades["side"] == 0).all()
    sweeps = trades[condition == "S"]
    assert len(sweeps) > 50
    assert ((sweeps["flags"] & int(TradeFlag.ISO)) != 0).all()
    assert sweeps["exchange"].nunique() > 5
    assert ((flags & int(TradeFlag.OFF_EXCHANGE)) != 0).sum() > 1_000
    late = trades[condition == "D"]
    assert (late["seen_ns"] - late["event_ns"]).gt(2_000_000_000).all()
    cancels = trades[(flags & int(TradeFlag.CANCEL)) != 0]
    assert len(cancels)
    for _, cancel in cancels.iterrows():
        named = trades[(trades["trade_id"] == cancel["trade_id"]) & ((flags & int(TradeFlag.CANCEL)) == 0)]
        assert len(named) == 1
        assert (
            named.iloc[0][["instrument", "price", "size"]].tolist()
            == cancel[["instrument", "price", "size"]].tolist()
        )


def test_volatility_and_activity_cluster():
    trades = market("crypto")["trades"]
    perpetual = trades[trades["instrument"].astype(str) == "BTC/USD:BTC"]
    second = perpetual[perpetual["event_ns"] < START_NS].groupby(perpetual["event_ns"] // 2_000_000_000)
    counts, last = second.size(), second["price"].last()
    moves = np.abs(np.diff(np.log(last)))
    assert counts.var() > 3.0 * counts.mean()
    assert np.corrcoef(counts.to_numpy()[:-1], counts.to_numpy()[1:])[0, 1] > 0.3
    assert np.corrcoef(counts.to_numpy()[1:], moves)[0, 1] > 0.15


def test_channels_choose_tables_and_underlyings():
    async def chosen() -> tuple[object, set[str], set[str]]:
        feed = Synthetic(start_ns=START_NS, speed="max", duration_s=1.0, history_minutes=0.0, rate=500.0)
        await feed.connect()
        said = await feed.subscribe(["marks.ETH", "trades.BTC", "trades.DOGE", "books"])
        batches = [batch async for batch in feed.batches()]
        names = {n for b in batches if b.table == "marks" for n in b.frame["instrument"].astype(str)}
        return said, {b.table for b in batches}, names

    said, tables, names = asyncio.run(chosen())
    assert said.accepted == ("marks.ETH", "trades.BTC")
    assert "unknown underlying 'DOGE'" in said.rejected["trades.DOGE"]
    assert "no table 'books'" in said.rejected["books"]
    assert tables == {"marks", "trades", "heartbeat"}
    assert names
    assert all(name.startswith("ETH/") for name in names)


def test_an_unknown_flavour_is_refused():
    with pytest.raises(FeedError, match="known are crypto, us"):
        Synthetic(flavour="tulips")
