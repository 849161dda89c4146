"""Scenario, band, open interest, cascade and smart money on recorded Deribit data."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from workstation.exposure.band import band
from workstation.exposure.cascade_engine import Cascade
from workstation.exposure.open_interest import open_interest
from workstation.exposure.scenario import PARTS, forced_flow
from workstation.exposure.wall_alerts import WallAlerts
from workstation.feeds.deribit.decode import decode
from workstation.flow.large_trades import LargeTrades
from workstation.market.tables import HEARTBEAT, MARKS, TRADES, TradeFlag
from workstation.pricing.chain import chain

pytestmark = pytest.mark.recorded

YEAR_NS = 365 * 86_400e9
MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def crypto(sample_data: Path) -> Path:
    return sample_data / "crypto_options"


def snapshots(crypto: Path) -> list[Path]:
    found = sorted((crypto / "deribit_chain_snapshots").glob("*.csv.gz"))
    assert len(found) == 64
    return found


def snapshot_marks(path: Path, currency: str) -> pd.DataFrame:
    """A snapshot as conformed marks, under unified names; one row per instrument."""
    with gzip.open(path, "rt") as file:
        raw = pd.read_csv(file)
    raw = raw[raw["currency"] == currency].drop_duplicates("instrument_name").reset_index(drop=True)
    day = pd.to_datetime(raw["expiry_datetime"]).dt.strftime("%y%m%d")
    names = (
        f"{currency}/USD:{currency}-"
        + day
        + "-"
        + raw["strike"].map("{:.0f}".format)
        + "-"
        + raw["option_type"].str[0].str.upper()
    )
    columns = {
        "event_ns": pd.to_datetime(raw["timestamp"]).astype("datetime64[ns, UTC]").astype("int64"),
        "instrument": names,
        "mark": raw["mark_price"],
        "mark_iv": raw["implied_volatility"],
        "delta": raw["delta"],
        "open_interest": raw["open_interest"],
        "volume_24h": raw["volume"],
        "forward": raw["underlying"],
        "index": raw["index_price"],
    }
    return MARKS.conform(pd.DataFrame(columns))


def plain_delta(frame: pd.DataFrame, move: float, vol: float, days: float) -> float:
    """Calls less puts, delta times open interest, of one snapshot moved; each expiry at its median forward."""
    parts = frame["instrument"].astype("str").str.extract(r"-(?P<day>\d{6})-(?P<strike>\d+)-(?P<right>[CP])$")
    expiry = (
        (pd.to_datetime(parts["day"], format="%y%m%d") + pd.Timedelta(hours=8))
        .astype("datetime64[ns]")
        .astype("int64")
    )
    asof = frame["event_ns"].max()
    kept = expiry > asof
    left_ns = expiry - asof - days * 86_400e9
    years = np.where(left_ns > 0, np.maximum(left_ns / YEAR_NS, 5 / (365 * 1440)), 1e-12)
    now = frame["forward"].where(kept).groupby(expiry).transform("median")
    forward, per_spot = now * (1 + move), np.where(left_ns > 0, now / frame["index"].median(), 1.0)
    sigma = np.maximum(frame["mark_iv"] + vol, np.minimum(frame["mark_iv"], 0.01))
    spread = sigma * np.sqrt(years)
    strike, call = parts["strike"].astype(float), parts["right"] == "C"
    delta = norm.cdf(np.log(forward / strike) / spread + spread / 2) - ~call
    held = frame["open_interest"] * np.where(call, 1, -1)
    return float((delta * per_spot * held)[kept & (frame["mark_iv"] > 0)].sum())


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_forced_flow_is_the_plain_sum_on_recorded_chains(crypto: Path, currency: str) -> None:
    for path in snapshots(crypto)[::16]:
        frame = snapshot_marks(path, currency)
        grid = {"spot_moves": [-0.1, -0.01, 0.05], "vol_moves": [-0.1, 0.0, 0.1], "days": [0.0, 1.0, 7.0]}
        found = forced_flow(chain(frame), **grid)  # type: ignore[arg-type]
        spot = float(found["spot"])
        now = plain_delta(frame, 0.0, 0.0, 0.0)
        gross = float((frame["open_interest"]).sum()) * spot
        for cell in found["forced_flow"].stack(cell=("days", "vol_move", "spot_move")):
            days, vol, move = cell["cell"].item()
            want = -(plain_delta(frame, move, vol, days) - now) * spot * (1 + move)
            assert cell.item() == pytest.approx(want, rel=1e-6, abs=1e-9 * gross)
        np.testing.assert_allclose(
            sum(found[name] for name in PARTS), found["forced_flow"], rtol=1e-9, atol=1e-3
        )
        print(
            f"{path.name[26:42]} {currency} -10 %: {found['forced_flow'].sel(days=0, vol_move=0, spot_move=-0.1).item() / 1e6:9.1f} M USD"
        )


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_open_interest_and_the_band_of_recorded_chains(crypto: Path, currency: str) -> None:
    for path in snapshots(crypto)[::8]:
        frame = snapshot_marks(path, currency)
        book = chain(frame)
        found, span = open_interest(book), band(book)
        rights = frame["instrument"].astype("str").str[-1]
        expiry = frame["instrument"].astype("str").str.extract(r"-(\d{6})-")[0]
        asof = pd.Timestamp(frame["event_ns"].max())
        alive = pd.to_datetime(expiry, format="%y%m%d") + pd.Timedelta(hours=8) > asof
        priced = alive & (frame["mark_iv"] > 0)
        held = frame[priced].groupby(rights[priced])["open_interest"].sum()
        assert found["total_put_call_ratio"].item() == pytest.approx(held["P"] / held["C"], rel=1e-9)
        assert np.isfinite(found["max_pain"]).sum() >= found.sizes["expiry"] - 1
        ratio = found["max_pain"] / book["forward"]
        assert 0.5 < float(ratio.median()) < 1.5
        assert span["net_gex_low"].item() < 0 < span["net_gex_high"].item()
        assert (span["net_gex_curve_low"] <= span["net_gex_curve_high"]).all()
        walls = [found[name].values[:3].tolist() for name in ("support", "resistance")]
        print(
            f"{path.name[26:42]} {currency} spot {float(book['spot']):9.1f} support {walls[0]} resistance {walls[1]}"
        )


def test_cascade_and_walls_on_the_recorded_snapshots(crypto: Path) -> None:
    """Six hours lie between snapshots: what a day of trades would say is missing, and named."""
    cascade, watch = Cascade(every="10s"), WallAlerts(every="1min")
    risks, walls = [], []
    frames = [snapshot_marks(path, "BTC") for path in snapshots(crypto)[14:24]]
    for frame in frames:
        beat = HEARTBEAT.conform(pd.DataFrame({"event_ns": [int(frame["event_ns"].max()) + 2 * MINUTE]}))
        for table, rows in (("marks", frame), ("heartbeat", beat)):
            risks.append(cascade.update(rows, table))
            walls.append(watch.update(rows, table))
    rows = pd.concat(risks, ignore_index=True)
    assert len(rows) == len(frames) and rows["score"].between(0, 1).all()
    assert rows["missing"].str.contains("forced_selling_1pct: 0 of 10 whole minutes").all()
    told = pd.concat(walls, ignore_index=True)
    assert len(told) and (told["kind"] == "oi_wall_change").all() and told["alert_id"].is_unique
    for evidence in map(json.loads, told["evidence"]):
        frame = next(
            one
            for one in frames
            if one["event_ns"].max() < evidence["asof_ns"] <= one["event_ns"].max() + 2 * MINUTE
        )
        names = frame["instrument"].astype("str")
        for change in evidence["changes"]:
            same = names.str.contains(f"-{change['strike']:.0f}-{evidence['right']}$")
            days = pd.to_datetime(names.str.extract(r"-(\d{6})-")[0], format="%y%m%d") + pd.Timedelta(hours=8)
            alive = days > pd.Timestamp(evidence["asof_ns"])
            assert change["now"] == pytest.approx(frame["open_interest"][same & alive].sum())
    print(told["explanation"].to_string())


def answer(crypto: Path, name: str, method: str) -> pd.DataFrame:
    payload = (crypto / name).read_bytes()
    frames = pd.DataFrame({"payload": [payload], "channel": [f"public/{method}"], "seen_ns": [1]})
    return next(batch.frame for batch in decode(frames) if batch.table == "trades")


def test_recorded_trades_of_a_quiet_hour_raise_nothing(crypto: Path) -> None:
    trades = answer(crypto, "deribit_rest_2026-09-20/trades_currency.json", "get_last_trades_by_currency")
    engine = LargeTrades()
    assert len(trades) == 5 and not len(engine.update(trades))
    low = LargeTrades(block_usd=3000.0).update(trades)
    premium = trades["price"] * trades["size"] * trades["index"]
    assert low["premium_usd"].tolist() == [pytest.approx(premium.max())]
    assert json.loads(low["evidence"].item())["legs"][0]["trade_id"] == "445682189"


def test_a_recorded_block_leg_is_told_under_its_block(crypto: Path) -> None:
    raw = json.loads((crypto / "deribit_block_trade_example.json").read_text())
    payload = json.dumps({"trades": raw, "has_more": False}).encode()
    frames = pd.DataFrame(
        {"payload": [payload], "channel": ["public/get_last_trades_by_currency"], "seen_ns": [1]}
    )
    trades = next(batch.frame for batch in decode(frames) if batch.table == "trades")
    engine = LargeTrades()
    engine.update(trades)
    row = engine.update(HEARTBEAT.conform(trades[["event_ns"]] + 2 * 10**9), "heartbeat").iloc[0]
    assert row["alert_id"] == "block:deribit:BLOCK-282155" and row["direction"] == 1
    assert row["premium_usd"] == pytest.approx(0.0008 * 12.5 * 62892.69)
    leg = json.loads(row["evidence"])["legs"][0]
    assert (leg["trade_id"], leg["side"]) == ("439435597", 1) and leg["flags"] & TradeFlag.BLOCK


def test_recorded_block_rfqs_are_one_alert_each(crypto: Path) -> None:
    """The RFQs' legs as the trades they became: legs of one RFQ share its id."""
    raw = json.loads((crypto / "deribit_rest_2026-09-20" / "block_rfq_trades.json").read_text())["block_rfqs"]
    printed = []
    for rfq in raw:
        (index,) = rfq["index_prices"].values()
        for number, leg in enumerate(rfq["legs"]):
            printed.append(
                {
                    "trade_seq": number + 1, "trade_id": f"{rfq['id']}-{number}", "timestamp": rfq["timestamp"], "price": leg["price"],
                    "mark_price": leg["price"], "iv": 40.0, "instrument_name": leg["instrument_name"], "index_price": index,
                    "direction": leg["direction"], "amount": rfq["amount"] * leg["ratio"], "block_trade_id": f"BLOCK-{rfq['id']}",
                }
            )  # fmt: skip
    printed.sort(key=lambda trade: trade["timestamp"])
    payload = json.dumps({"trades": printed, "has_more": False}).encode()
    frames = pd.DataFrame(
        {"payload": [payload], "channel": ["public/get_last_trades_by_currency"], "seen_ns": [1]}
    )
    trades = next(batch.frame for batch in decode(frames) if batch.table == "trades")
    assert len(trades) == sum(len(rfq["legs"]) for rfq in raw)
    engine = LargeTrades()
    end = HEARTBEAT.conform(pd.DataFrame({"event_ns": [int(trades["event_ns"].max()) + MINUTE]}))
    rows = TRADES.conform(trades)
    found = pd.concat([engine.update(rows), engine.update(end, "heartbeat")], ignore_index=True).set_index(
        "parent_id"
    )
    assert set(found.index) == {f"BLOCK-{rfq['id']}" for rfq in raw} and found.index.is_unique
    for rfq in raw:
        row, (index,) = found.loc[f"BLOCK-{rfq['id']}"], rfq["index_prices"].values()
        gross = sum(leg["price"] * leg["ratio"] for leg in rfq["legs"]) * rfq["amount"] * index
        assert row["premium_usd"] == pytest.approx(gross, rel=1e-9)
        signs = {"buy": 1, "sell": -1}
        net = (
            sum(signs[leg["direction"]] * leg["price"] * leg["ratio"] for leg in rfq["legs"])
            * rfq["amount"]
            * index
        )
        evidence = json.loads(row["evidence"])
        assert evidence["net_usd"] == pytest.approx(net, rel=1e-9) and len(evidence["legs"]) == len(
            rfq["legs"]
        )
    print(found[["score", "severity", "explanation"]].to_string())


def test_recorded_messages_pass(crypto: Path) -> None:
    """Liquidations and prints of the perpetual as pushed: a handful, so none is large yet; with a low bar one is."""
    lines = (crypto / "ws_messages_tardis" / "deribit_messages.jsonl").read_bytes().splitlines()
    batches = {batch.table: batch.frame for batch in decode(pd.DataFrame({"payload": lines, "seen_ns": 1}))}
    trades = batches["trades"]
    engine = LargeTrades()
    for table in ("marks", "trades"):
        assert not len(engine.update(batches[table], table))
    eager = LargeTrades(samples=2, z=0.5, robust_z=0.5, large_usd=100.0)
    rows = eager.update(trades)
    usd = (
        trades["price"]
        * trades["size"]
        * np.where(trades["instrument"].astype("str").str.count("-") == 3, trades["index"], 1.0)
    )
    assert set(rows["kind"]) <= {"large_print", "block"} and rows["premium_usd"].isin(usd).all()
