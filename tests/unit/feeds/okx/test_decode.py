"""OKX's decoder: hand-checked values, contract sizes, greeks, what is set aside and why; recorded frames against a reading of their own."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.wire.okx_server import CALL, FUTURE, LINEAR, PUT, SPOT, SWAP, OKXServer, listing, summary, ticker
from workstation.feeds.okx.decode import decode

PRINT = {
    "instId": CALL,
    "tradeId": "38",
    "px": "0.045",
    "sz": "2",
    "side": "sell",
    "ts": "1672286551080",
    "fillVol": "0.5066",
    "markPx": "0.0469",
    "idxPx": "16537.2",
}


def pushed(channel: str, *items: Any) -> bytes:
    return json.dumps({"arg": OKXServer.argument(channel), "data": list(items)}).encode()


def tables_of(*frames: tuple[str, bytes]) -> dict[str, pd.DataFrame]:
    """Frames after the venue's list of instruments, as a feed brings them."""
    listed = json.dumps(
        {"code": "0", "msg": "", "data": [listing(name) for name in (CALL, PUT, SWAP, LINEAR, FUTURE, SPOT)]}
    ).encode()
    rows = [("GET api/v5/public/instruments?instType=OPTION", listed), *frames]
    made = pd.DataFrame(rows, columns=["channel", "payload"]).assign(seen_ns=5)
    return {batch.table: batch.frame for batch in decode(made)}


def rows(channel: str, *items: Any) -> dict[str, pd.DataFrame]:
    return tables_of((channel, pushed(channel, *items)))


def test_a_contract_is_ctval_times_ctmult() -> None:
    channel = "option-trades/BTC-USD"
    sizes = {}
    for symbol, price in ((CALL, "0.05"), (SWAP, "50000"), (LINEAR, "50000"), (SPOT, "50000")):
        made = PRINT | {"instId": symbol, "px": price, "sz": "150"}
        sizes[symbol] = rows(channel, made)["trades"]["size"].iloc[0]
    assert sizes == pytest.approx({CALL: 1.5, SWAP: 0.3, LINEAR: 1.5, SPOT: 150.0})
    assert rows(channel, PRINT)["instruments"]["multiplier"].tolist() == [1.0] * 6


def test_a_contract_whose_size_no_list_told_is_rejected_not_guessed() -> None:
    unlisted = PRINT | {"instId": "BTC-USD-271231-77000-C", "tradeId": "1"}
    tables = rows("option-trades/BTC-USD", unlisted, PRINT)
    assert tables["trades"]["trade_id"].tolist() == ["38"]
    assert "contract size of BTC-USD-271231-77000-C is not known" in tables["health"]["detail"].iloc[0]


def test_a_list_that_tells_no_size_is_told() -> None:
    bad = [
        listing(CALL) | {"instId": "BTC-USD-271231-1000-C", "ctMult": ""},
        listing(CALL) | {"instId": "BTC-USD-271231-2000-C", "ctValCcy": "ETH"},
    ]
    payload = json.dumps({"code": "0", "data": bad}).encode()
    details = {
        batch.table: batch.frame
        for batch in decode(
            pd.DataFrame({"channel": ["GET api/v5/public/instruments?x"], "payload": [payload]})
        )
    }
    assert set(details) == {"health"}
    assert [text.split(", ")[-1] for text in details["health"]["detail"]] == [
        "no contract size",
        "expected BTC",
    ]


def test_the_black_scholes_greeks_are_taken_however_they_are_spelt() -> None:
    said = {
        "instId": "BTC-USD-250328-92000-C", "uly": "BTC-USD", "delta": "0.5234", "gamma": "0.0000123", "theta": "-0.0012", "vega": "0.0034",
        "deltaBs": "0.5312", "gammaBs": "0.0000134", "thetaBs": "-0.0015", "vegaBs": "0.0038", "realVol": "0.45", "bidVol": "0.52",
        "askVol": "0.55", "markVol": "0.53", "lever": "12.5", "fwdPx": "92150.50", "ts": "1711612800000",
    }  # fmt: skip
    other = {name.replace("Bs", "BS"): value for name, value in said.items()}
    table = rows("opt-summary/BTC-USD", said, other)["marks"]
    for row in table.to_dict("records"):
        expected = {
            "delta": 0.5312, "gamma": 0.0000134, "vega": 0.38, "theta": -0.0015 * 365, "bid_iv": 0.52, "ask_iv": 0.55, "mark_iv": 0.53,
            "forward": 92150.5,
        }  # fmt: skip
        assert {name: row[name] for name in expected} == pytest.approx(expected)
        assert row["event_ns"] == 1_711_612_800_000_000_000
        assert math.isnan(row["mark"])
        assert math.isnan(row["bid"])
    assert math.isnan(rows("opt-summary/BTC-USD", summary(CALL))["marks"]["ask_iv"].iloc[0])


def test_a_print_of_an_option_carries_vol_mark_and_index() -> None:
    row = rows("option-trades/BTC-USD", PRINT)["trades"].iloc[0]
    assert row[["instrument", "price", "side", "venue_seq", "trade_id"]].tolist() == [
        "BTC/USD:BTC-261225-100000-C",
        0.045,
        -1,
        38,
        "38",
    ]
    assert row[["size", "iv", "mark", "index"]].tolist() == pytest.approx([0.02, 0.5066, 0.0469, 16537.2])
    assert row["event_ns"] == 1_672_286_551_080_000_000


def test_tickers_give_marks_of_options_and_quotes_of_the_rest() -> None:
    option = rows(f"tickers/{CALL}", ticker(CALL))
    assert "quotes" not in option
    row = option["marks"].iloc[0]
    assert row[["bid", "ask", "ask_size", "volume_24h"]].tolist() == pytest.approx([0.045, 0.046, 1.5, 12.5])
    assert math.isnan(row["bid_size"])
    swap = rows(f"tickers/{SWAP}", ticker(SWAP, bidSz="808"))
    assert math.isnan(swap["marks"]["bid"].iloc[0])
    assert swap["quotes"].iloc[0][["bid", "bid_size", "ask"]].tolist() == pytest.approx(
        [80800.0, 1.0, 80810.0]
    )


def test_a_book_is_read_without_its_checksum() -> None:
    book = {
        "asks": [["8446", "95", "0", "3"]],
        "bids": [],
        "ts": "1597026383085",
        "checksum": 0,
        "seqId": 363996337,
    }
    tables = rows(f"bbo-tbt/{SPOT}", book, book | {"checksum": -855196043, "ts": "1597026383086"})
    row = tables["quotes"].iloc[0]
    assert len(tables["quotes"]) == 2
    assert row[["instrument", "ask", "ask_size"]].tolist() == ["BTC/USDT", 8446.0, 95.0]
    assert row[["bid", "bid_size"]].isna().all()
    assert "health" not in tables
    assert "health" not in rows(f"books/{SPOT}", book)


def test_open_interest_is_the_coins_the_venue_counts() -> None:
    said = {
        "instId": CALL,
        "instType": "OPTION",
        "oi": "32150",
        "oiCcy": "321.5",
        "oiUsd": "25979817",
        "ts": "1640183217591",
    }
    row = rows(f"open-interest/{CALL}", said)["marks"].iloc[0]
    assert row[["open_interest", "open_interest_ns"]].tolist() == [321.5, 1_640_183_217_591_000_000]
    assert rows(f"mark-price/{CALL}", {"instId": CALL, "markPx": "0.0455", "ts": "1"})["marks"][
        "mark"
    ].tolist() == [0.0455]
    index = rows("index-tickers/BTC-USD", {"instId": "BTC-USD", "idxPx": "80808.14", "ts": "1"})[
        "marks"
    ].iloc[0]
    assert index[["instrument", "index", "mark"]].tolist() == ["BTC/USD", 80808.14, 80808.14]


def test_a_short_that_is_liquidated_is_bought_in() -> None:
    detail = {
        "bkLoss": "0",
        "bkPx": "50000",
        "ccy": "",
        "posSide": "short",
        "side": "buy",
        "sz": "100",
        "ts": "1692266434010",
    }
    said = {
        "details": [detail, detail | {"side": "sell", "posSide": "long"}],
        "instFamily": "BTC-USD",
        "instId": SWAP,
        "instType": "SWAP",
    }
    table = rows("liquidation-orders/SWAP", said)["liquidations"]
    assert table["side"].tolist() == [1, -1]
    assert table["size"].tolist() == pytest.approx([0.2, 0.2])
    assert table["usd"].tolist() == pytest.approx([10_000.0, 10_000.0])


def test_a_bad_item_costs_neither_its_frame_nor_its_neighbours() -> None:
    channel = "option-trades/BTC-USD"
    bad = [PRINT | {"px": ""}, PRINT | {"px": "\u221e"}, PRINT | {"sz": "0"}, PRINT | {"instId": "BTC"}, None]
    tables = tables_of(
        (channel, pushed(channel, PRINT, *bad, PRINT | {"tradeId": "39"})), (channel, b'{"arg":{"channel":"option-trades"},"data":[{'),
        ("", b"{}"), ("", b"pong"), ("", b'{"event":"subscribe","arg":{"channel":"tickers","instId":"x"},"connId":"a"}'),
        ("", b'{"event":"error","code":"60012","msg":"Invalid request","connId":"a"}'), ("astrology/BTC-USD", b"{}"),
        ("GET api/v5/public/opt-summary?x", b'{"code":"51000","msg":"Parameter error","data":[]}'),
    )  # fmt: skip
    assert tables["trades"]["trade_id"].tolist() == ["38", "39"]
    assert tables["health"]["event"].value_counts().to_dict() == {"rejected": 8, "refused": 2}


def test_frames_without_items_are_no_rows() -> None:
    for channel in (
        "option-trades/BTC-USD",
        "opt-summary/BTC-USD",
        f"bbo-tbt/{SPOT}",
        "liquidation-orders/SWAP",
    ):
        assert set(rows(channel)) == {"instruments"}


def independent(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Received time (ns) and message of every recorded frame of a capture."""
    with gzip.open(path, "rt") as capture:
        lines = [line.split(": ", 1) for line in capture if line[:1].isdigit()]
    return [(int(float(at) * 1e9), json.loads(text)) for at, text in lines]


def test_a_recorded_session_against_a_reading_of_its_own(sample_data: Path) -> None:
    read = independent(sample_data / "crypto_options" / "raw_ws" / "OKX.ws.1.0.gz")
    sizes = {"BTC-USD-220527": 100.0, "UNI-USD-SWAP": 10.0, "BTC-USDT": 1.0}
    lists = [
        {"instId": "BTC-USD-220527", "instType": "FUTURES", "ctVal": "100", "ctMult": "1", "ctValCcy": "USD"},
        {"instId": "UNI-USD-SWAP", "instType": "SWAP", "ctVal": "10", "ctMult": "1", "ctValCcy": "USD"},
        {"instId": "BTC-USDT", "instType": "SPOT"},
    ]
    frames = pd.DataFrame(
        {
            "channel": ["GET api/v5/public/instruments?x", *[""] * len(read)],
            "payload": [
                json.dumps({"data": lists}).encode(),
                *[json.dumps(message).encode() for _, message in read],
            ],
            "seen_ns": [0, *[at for at, _ in read]],
        }
    )
    tables = {batch.table: batch.frame for batch in decode(frames)}
    assert set(tables) == {"instruments", "marks", "quotes", "trades"}
    names = {"BTC-USD-220527": "BTC/USD:BTC-220527", "UNI-USD-SWAP": "UNI/USD:UNI", "BTC-USDT": "BTC/USDT"}

    def coins(symbol: str, contracts: str, price: float) -> float:
        return float(contracts) * sizes[symbol] / (1.0 if symbol == "BTC-USDT" else price)

    prints = [
        each
        for _, message in read
        if message["arg"]["channel"] == "trades"
        for each in message.get("data", [])
    ]
    expected = [
        (names[p["instId"]], float(p["px"]), coins(p["instId"], p["sz"], float(p["px"])), 1 if p["side"] == "buy" else -1, p["tradeId"], int(p["ts"]) * 10**6)
        for p in prints
    ]  # fmt: skip
    got = tables["trades"][["instrument", "price", "size", "side", "trade_id", "event_ns"]]
    assert len(got) == len(expected) > 70
    for ours, theirs in zip(got.itertuples(index=False, name=None), expected, strict=True):
        assert ours[2] == pytest.approx(theirs[2], rel=1e-12)
        assert (ours[:2], ours[3:]) == (theirs[:2], theirs[3:])
    tickers = [
        each
        for _, message in read
        if message["arg"]["channel"] == "tickers"
        for each in message.get("data", [])
    ]
    assert len(tables["quotes"]) == len(tickers) == len(tables["marks"])
    for ours, theirs in zip(tables["quotes"].to_dict("records"), tickers, strict=True):
        bid, ask = float(theirs["bidPx"]), float(theirs["askPx"])
        assert (ours["bid"], ours["ask"], ours["instrument"]) == (bid, ask, names[theirs["instId"]])
        assert ours["bid_size"] == pytest.approx(coins(theirs["instId"], theirs["bidSz"], bid))
        assert ours["ask_size"] == pytest.approx(coins(theirs["instId"], theirs["askSz"], ask))


def test_recorded_option_messages_against_a_reading_of_their_own(sample_data: Path) -> None:
    lines = (
        (sample_data / "crypto_options" / "ws_messages_tardis" / "okex_options_messages.jsonl")
        .read_bytes()
        .splitlines()
    )
    payloads = [line for line in lines if line.startswith(b'{"arg"')]
    listed = [
        {"instId": name, "instType": "OPTION", "ctVal": "1", "ctMult": "0.1", "ctValCcy": name[:3]}
        for name in ("ETH-USD-211231-9600-C", "BTC-USD-211224-56000-C")
    ]
    frames = {
        "channel": ["GET api/v5/public/instruments?x", *[""] * len(payloads)],
        "payload": [json.dumps({"data": listed}).encode(), *payloads],
    }
    tables = {batch.table: batch.frame for batch in decode(pd.DataFrame(frames))}
    read = [json.loads(payload) for payload in payloads]
    rows_of = {
        name: [each for message in read if message["arg"]["channel"] == name for each in message["data"]]
        for name in ("opt-summary", "mark-price", "open-interest", "tickers", "index-tickers", "trades")
    }
    marks = tables["marks"]
    assert len(marks) == sum(
        len(rows_of[name])
        for name in ("opt-summary", "mark-price", "open-interest", "tickers", "index-tickers")
    )
    vols = marks[marks["mark_iv"].notna()]
    for ours, theirs in zip(vols.to_dict("records"), rows_of["opt-summary"], strict=True):
        assert ours["event_ns"] == int(theirs["ts"]) * 10**6
        for column, name, scale in (
            ("delta", "deltaBS", 1),
            ("gamma", "gammaBS", 1),
            ("vega", "vegaBS", 100),
            ("theta", "thetaBS", 365),
        ):
            assert ours[column] == pytest.approx(float(theirs[name]) * scale, rel=1e-12)
        assert ours["mark_iv"] == float(theirs["markVol"])
        assert (
            math.isnan(ours["bid_iv"])
            if theirs["bidVol"] == ""
            else ours["bid_iv"] == float(theirs["bidVol"])
        )
    assert (
        marks["open_interest"].dropna().tolist()
        == [float(each["oiCcy"]) for each in rows_of["open-interest"]]
        == [3.6]
    )
    assert tables["trades"][["price", "size", "trade_id"]].values.tolist() == [[0.0005, 0.1, "376"]]
