"""Delta exposure and premium-adjusted delta beside the venues' own fields, on every recorded chain and ticker that has them.

Deribit's ``greeks.delta`` is the Black-76 delta of the USD value; its coin premium ``mark_price`` taken off gives the
premium-adjusted one. OKX publishes both: ``deltaBS`` and, as ``delta``, the premium-adjusted. Bybit's options are paid in USD and
have the first alone. The sums on the venue's side are made of its columns here, with nothing of ours but the reading of the file.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.optimize import brentq

from workstation.exposure.book import exposure
from workstation.feeds.deribit.decode import decode
from workstation.feeds.files import Rejections, read
from workstation.pricing.black import greeks, premium_adjusted_delta
from workstation.pricing.chain import chain

pytestmark = pytest.mark.recorded

YEAR_MS = 365 * 86_400e3
SIGNS = {"calls_long": (1.0, -1.0), "short_all": (-1.0, -1.0)}


@pytest.fixture(scope="module")
def crypto(sample_data: Path) -> Path:
    return sample_data / "crypto_options"


def marks_of(path: Path, mapping: str) -> pd.DataFrame:
    batches = read("table", path, Rejections(), mapping=mapping)
    return pd.concat([batch.frame for batch in batches if batch.table == "marks"], ignore_index=True)


def own_columns(marks: pd.DataFrame, underlying: str) -> pd.DataFrame:
    """The venue's newest row of every contract of an underlying that has not expired at the newest row."""
    rows = marks.assign(instrument=marks["instrument"].astype(str))
    parts = rows["instrument"].str.extract(
        r"^(?P<coin>\w+)/USD:\w+-(?P<day>\d{6})-(?P<strike>\d+)-(?P<right>[CP])$"
    )
    expiry = pd.to_datetime(parts["day"], format="%y%m%d", utc=True) + pd.Timedelta(hours=8)
    live = expiry > pd.Timestamp(int(rows["event_ns"].max()), tz="UTC")
    rows = rows.assign(right=parts["right"])[live & (parts["coin"] == underlying)]
    return rows.sort_values("event_ns", kind="stable").drop_duplicates("instrument", keep="last")


def beside(given: xr.Dataset, rows: pd.DataFrame) -> pd.DataFrame:
    """Our delta, premium-adjusted delta and gamma times forward of each contract, beside the venue's columns."""
    forward, shape = given["forward"].values[:, None, None], given["delta"].shape
    adjusted = premium_adjusted_delta(
        forwards=forward,
        strikes=given["strike"].values[:, None],
        years=given["years"].values[:, None, None],
        vols=given["mark_iv"].values,
        is_call=(given["right"] == "C").values,
    )
    ours = {
        "our_delta": given["delta"].values,
        "our_adjusted": adjusted,
        "per_move": given["gamma"].values * np.broadcast_to(forward, shape),
    }
    names = given["instrument"].values.ravel().astype(str)
    return rows.set_index("instrument").join(
        pd.DataFrame({name: values.ravel() for name, values in ours.items()}, index=names)
    )


@pytest.fixture(scope="module")
def snapshots(crypto: Path) -> dict[str, list[tuple[xr.Dataset, pd.DataFrame]]]:
    """Every recorded snapshot of both underlyings: our chain, and each contract beside the venue's columns."""
    paths = sorted((crypto / "deribit_chain_snapshots").glob("*.csv.gz"))
    assert len(paths) == 64
    found: dict[str, list[tuple[xr.Dataset, pd.DataFrame]]] = {"BTC": [], "ETH": []}
    for path in paths:
        marks = marks_of(path, "deribit_snapshots")
        for underlying, kept in found.items():
            given = chain(marks, underlying=underlying)
            rows = own_columns(marks, underlying)
            assert given.attrs["contracts"] == len(rows)
            kept.append((given, beside(given, rows)))
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("underlying", ["BTC", "ETH"])
def test_delta_exposure_of_every_deribit_snapshot(
    snapshots: dict[str, list[tuple[xr.Dataset, pd.DataFrame]]], underlying: str
) -> None:
    for sign_model, (call, put) in SIGNS.items():
        gaps = []
        for given, rows in snapshots[underlying]:
            ours = float(exposure(given, sign_model=sign_model)["dex"].sum())
            days = pd.to_datetime(given["expiry"].values).strftime("%y%m%d")
            forward = (
                rows.index.to_series()
                .str.extract(r"-(\d{6})-")[0]
                .map(dict(zip(days, given["forward"].values, strict=True)))
            )
            each = rows["delta"] * rows["open_interest"] * forward
            theirs = float((each * np.where(rows["right"] == "C", call, put)).sum())
            gaps.append((ours - theirs) / float(each.abs().sum()))
        apart = np.abs(gaps)
        print(
            f"\n{underlying} {sign_model}: |our dex - venue's| / gross over {len(gaps)} snapshots: p50 {np.median(apart):.1e}, "
            f"p90 {np.quantile(apart, 0.9):.1e}, max {apart.max():.1e}; mean with its sign {np.mean(gaps):.1e}"
        )
        assert np.median(apart) < 2e-3 and np.quantile(apart, 0.9) < 1e-2 and apart.max() < 3e-2
        assert abs(np.mean(gaps)) < 1e-3, "no lean to one side"


@pytest.mark.parametrize("underlying", ["BTC", "ETH"])
def test_what_is_left_is_the_instant_of_recording(
    snapshots: dict[str, list[tuple[xr.Dataset, pd.DataFrame]]], underlying: str
) -> None:
    """The recorder took prices and deltas seconds apart: one small move of all forwards explains the gaps of a snapshot."""
    moves, before, after = [], [], []
    for _, rows in snapshots[underlying]:
        gap, slope = rows["delta"] - rows["our_delta"], rows["per_move"]
        move = float((gap * slope).sum() / (slope * slope).sum())
        left, size = gap - move * slope, float((rows["delta"].abs() * rows["open_interest"]).sum())
        moves.append(1e4 * abs(move))
        before.append(abs(float((gap * rows["open_interest"]).sum())) / size)
        after.append(abs(float((left * rows["open_interest"]).sum())) / size)
    print(
        f"\n{underlying}: move of the forwards p50 {np.median(moves):.2f}, max {max(moves):.1f} basis points; gap of the sum "
        f"p50 {np.median(before):.1e} -> {np.median(after):.1e}, max {max(before):.1e} -> {max(after):.1e}"
    )
    assert np.median(moves) < 5.0 and max(moves) < 40.0
    assert np.median(after) < 0.4 * np.median(before) and max(after) < 0.4 * max(before)


@pytest.mark.parametrize("underlying", ["BTC", "ETH"])
def test_premium_adjusted_delta_of_every_deribit_snapshot(
    snapshots: dict[str, list[tuple[xr.Dataset, pd.DataFrame]]], underlying: str
) -> None:
    gaps, sums = [], []
    for _, rows in snapshots[underlying]:
        theirs = rows["delta"] - rows["mark"]
        gap = rows["our_adjusted"] - theirs
        gaps.append(gap.abs().to_numpy())
        held = rows["open_interest"]
        sums.append(abs(float((gap * held).sum())) / float((theirs.abs() * held).sum()))
    every = np.concatenate(gaps)
    p50, p90, p99, largest = np.quantile(every, [0.5, 0.9, 0.99, 1.0])
    print(
        f"\n{underlying} |PA delta - (venue's delta - mark)| over {every.size} contracts: p50 {p50:.1e}, p90 {p90:.1e}, "
        f"p99 {p99:.1e}, max {largest:.1e}; of the open interest's sum: p50 {np.median(sums):.1e}, max {max(sums):.1e}"
    )
    assert not np.isnan(every).any() and every.size > 40_000
    assert p50 < 1e-3 and p99 < 3e-2
    assert np.median(sums) < 3e-3 and max(sums) < 5e-2


def test_delta_exposure_of_the_full_tickers_of_2021(crypto: Path) -> None:
    marks = marks_of(crypto / "deribit_btc_full_ticker_20210211.csv", "deribit_order_books")
    rows = own_columns(marks, "BTC")
    priced = rows[rows["mark_iv"] > 0]
    given = chain(marks, underlying="BTC", stale_after_s=1e9)
    assert given.attrs["contracts"] + sum(given.attrs["dropped"].values()) == marks["instrument"].nunique()
    both = exposure(given, sign_model="calls_long")["dex"]
    theirs = priced["delta"].abs() * priced["open_interest"] * priced["forward"]
    gap = float(both.sum()) / float(theirs.sum()) - 1.0
    print(f"\n2021: our dex / venue's - 1 = {gap:.1e} over {len(priced)} contracts")
    assert abs(gap) < 2e-3


def deribit_tickers(crypto: Path) -> pd.DataFrame:
    """Option tickers recorded from the socket in 2021 and by REST in 2026."""
    with gzip.open(crypto / "raw_ws" / "DERIBIT.ws.1.0.gz", "rb") as capture:
        lines = [line.partition(b": ")[2] for line in capture if b'"greeks"' in line and b" <- " not in line]
    told = [json.loads(line)["params"]["data"] for line in lines]
    told += list(
        json.loads((crypto / "deribit_rest_2026-09-20" / "option_tickers.json").read_bytes()).values()
    )
    payloads = [json.dumps(ticker).encode() for ticker in told]
    batches = decode(pd.DataFrame({"payload": payloads, "channel": "public/ticker"}))
    return next(batch.frame for batch in batches if batch.table == "marks")


def test_each_deribit_ticker_by_itself(crypto: Path) -> None:
    """Price, vol and greeks of one ticker are of one instant; what is left is the rounding of the vol to 0.01 points."""
    marks = deribit_tickers(crypto)
    gaps, adjusted = [], []
    for at in range(len(marks)):
        given = chain(marks.iloc[[at]].reset_index(drop=True))
        row = marks.iloc[at]
        gaps.append(abs(float(given["delta"].sum()) - row["delta"]))
        if not bool(given["inverse"].values.any()):
            continue
        terms: dict[str, Any] = {name: float(given[name].sum()) for name in ("forward", "years", "mark_iv")}
        ours = premium_adjusted_delta(
            forwards=terms["forward"],
            strikes=given["strike"].item(),
            years=terms["years"],
            vols=terms["mark_iv"],
            is_call=str(row["instrument"]).endswith("C"),
        )
        adjusted.append(abs(float(ours) - (row["delta"] - row["mark"])))
    print(
        f"\n{len(marks)} tickers, {len(adjusted)} paid in coin: |delta - venue's| p50 {np.median(gaps):.1e}, max {max(gaps):.1e}; "
        f"|PA delta - (venue's delta - mark)| p50 {np.median(adjusted):.1e}, max {max(adjusted):.1e}"
    )
    assert len(marks) > 50 and len(adjusted) > 50
    assert np.median(gaps) < 2e-5 and max(gaps) < 1e-3
    assert np.median(adjusted) < 2e-5 and max(adjusted) < 1e-3


def okx_summaries(crypto: Path) -> pd.DataFrame:
    """Rows of OKX's option summary, recorded in 2020 (premium-adjusted delta and mark) and 2021 (both deltas).

    Of two rows of the last hour of an expiry the delta is empty or infinite: they are left out.
    """
    rows = []
    for line in (crypto / "ws_messages_tardis" / "okex_options_messages.jsonl").read_text().splitlines():
        message = json.loads(line)
        if message.get("table") == "option/summary" or "opt-summary" in str(message.get("arg", "")):
            rows += message.get("data", [])
    found = []
    for row in rows:
        if row["delta"] in ("", "-∞", "∞"):
            continue
        name = str(row.get("instId") or row["instrument_id"]).split("-")
        told = int(row["ts"]) if "ts" in row else pd.Timestamp(row["timestamp"]).value / 1e6
        expiry = (pd.to_datetime(name[2], format="%y%m%d", utc=True) + pd.Timedelta(hours=8)).value / 1e6
        found.append(
            {
                "strikes": float(name[3]),
                "is_call": name[4] == "C",
                "years": (expiry - told) / YEAR_MS,
                "vols": float(row.get("markVol") or row["mark_vol"]),
                "adjusted": float(row["delta"]),
                "delta": float(row.get("deltaBS", "nan")),
                "gamma": float(row.get("gammaBS", "nan")),
                "vega": 100 * float(row.get("vegaBS", "nan")),
                "mark": float(row.get("mark_price", "nan")),
            }
        )
    return pd.DataFrame(found)


def test_both_deltas_of_okx(crypto: Path) -> None:
    """OKX does not tell the forward here: it is what makes one field ours, and then the others must agree."""
    rows = okx_summaries(crypto)
    assert len(rows) == 7 and rows["delta"].notna().sum() == 3
    gaps = []
    for row in rows.to_dict("records"):
        terms: dict[str, Any] = {name: row[name] for name in ("strikes", "is_call", "years", "vols")}
        if np.isnan(row["delta"]):

            def miss(forward: float, row: dict[str, Any] = row, terms: dict[str, Any] = terms) -> float:
                price = greeks(forwards=forward, **terms, names=("price",))["price"]
                return float(price) / forward - row["mark"]
        else:

            def miss(forward: float, row: dict[str, Any] = row, terms: dict[str, Any] = terms) -> float:
                return float(greeks(forwards=forward, **terms, names=("delta",))["delta"]) - row["delta"]

        forward = brentq(miss, 50.0, 20_000.0, xtol=1e-9)
        found = greeks(forwards=forward, **terms, names=("gamma", "vega"))
        adjusted = float(premium_adjusted_delta(forwards=forward, **terms))
        gaps.append(abs(adjusted - row["adjusted"]))
        if not np.isnan(row["delta"]):
            assert float(found["gamma"]) == pytest.approx(row["gamma"], rel=0.02)
            assert float(found["vega"]) == pytest.approx(row["vega"], rel=0.02)
        # without the premium taken off it would be as far as that
        premium = row["mark"] if np.isnan(row["delta"]) else abs(row["delta"] - row["adjusted"])
        assert gaps[-1] < 0.1 * premium
    print(f"\nOKX |PA delta - venue's|: {np.array(gaps).round(6).tolist()}")
    assert max(gaps) < 1e-3


def test_delta_of_bybit(crypto: Path) -> None:
    """Premiums in USD: one delta, the Black-76 one; mark and vega of the same ticker agree as well."""
    told = []
    for line in (crypto / "ws_messages_tardis" / "bybit_options_messages.jsonl").read_text().splitlines():
        message = json.loads(line)
        if message["topic"].startswith("tickers."):
            told.append((message["ts"], message["data"]))
    message = json.loads((crypto / "venue_fixtures_nautilus" / "bybit_ws_ticker_option.json").read_bytes())
    told.append((message["ts"], message["data"]))
    gaps = []
    for ts, row in told:
        _, day, strike, right = row["symbol"].split("-")
        expiry = (pd.to_datetime(day, format="%d%b%y", utc=True) + pd.Timedelta(hours=8)).value / 1e6
        found = greeks(
            forwards=float(row["underlyingPrice"]),
            strikes=float(strike),
            years=(expiry - ts) / YEAR_MS,
            vols=float(row["markPriceIv"]),
            is_call=right == "C",
            names=("delta", "vega", "price"),
        )
        gaps.append(abs(float(found["delta"]) - float(row["delta"])))
        assert float(found["vega"]) / 100 == pytest.approx(float(row["vega"]), rel=2e-3)
        assert float(found["price"]) == pytest.approx(float(row["markPrice"]), rel=2e-3)
    print(f"\nBybit |delta - venue's|: {np.array(gaps).round(7).tolist()}")
    assert len(gaps) == 3 and max(gaps) < 1e-4
