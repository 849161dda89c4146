"""Every recorded message of Deribit is decoded, or set aside for a known reason."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.wire.deribit_server import recorded_frames
from workstation.feeds.deribit.decode import channel_of, decode, kind_of

pytestmark = pytest.mark.recorded

ANSWERS = {
    "deribit_rest_2026-09-20/instruments_future.json": ("get_instruments", {"instruments": 13}),
    "deribit_rest_2026-09-20/instruments_option.json": ("get_instruments", {"instruments": 86}),
    "deribit_rest_2026-09-20/book_summary_future.json": ("get_book_summary_by_currency", {"marks": 13}),
    "deribit_rest_2026-09-20/order_book.json": ("get_order_book", {"marks": 1, "quotes": 1}),
    "deribit_rest_2026-09-20/trades_currency.json": ("get_last_trades_by_currency", {"trades": 5}),
    "deribit_rest_2026-09-20/status.json": ("status", {}),
    "deribit_rest_2026-09-20/currencies.json": ("get_currencies", {}),
    "venue_fixtures_nautilus/deribit_http_get_combos.json": ("get_combos", {}),
    "venue_fixtures_nautilus/deribit_http_get_instruments_option_combo.json": ("get_instruments", {"health": 6}),
    "venue_fixtures_nautilus/deribit_http_get_last_trades_future_combo.json": ("get_last_trades_by_currency", {"health": 1}),
    "venue_fixtures_nautilus/deribit_http_get_last_trades_option_combo.json": ("get_last_trades_by_currency", {"health": 1}),
    "venue_fixtures_nautilus/deribit_http_get_last_trades_historical_combo.json": ("get_last_trades_by_currency", {"health": 1}),
    "venue_fixtures_nautilus/deribit_http_get_last_trades_perpetual_with_combo_tags.json": ("get_last_trades_by_instrument", {"trades": 7}),
}  # fmt: skip


def counts(frames: pd.DataFrame) -> tuple[dict[str, int], Counter[str]]:
    batches = {batch.table: batch.frame for batch in decode(frames)}
    reasons = (
        Counter(detail.split(":")[0] for detail in batches["health"]["detail"])
        if "health" in batches
        else Counter()
    )
    return {table: len(frame) for table, frame in batches.items()}, reasons


def test_every_recorded_frame_is_decoded_or_set_aside_for_a_reason(sample_data: Path) -> None:
    frames = recorded_frames(sample_data)
    kinds = Counter(channel_of(frame).split(".")[0] for frame in frames)
    tables, reasons = counts(pd.DataFrame({"payload": frames}))
    raw_only = [frame for frame in frames if not (name := channel_of(frame)) or kind_of(name) is None]
    assert reasons == {"combo": 3}
    assert kinds["ticker"] - reasons["combo"] == tables["marks"]
    assert set(kinds) == {"", "ticker", "book", "trades", "quote", "deribit_volatility_index"}
    assert len(raw_only) == kinds[""] + kinds["book"] + kinds["deribit_volatility_index"]


def test_a_recorded_ticker_by_hand(sample_data: Path) -> None:
    frame = next(
        frame
        for frame in recorded_frames(sample_data)
        if b"ticker.BTC-24SEP21-34000-P.raw" in frame and b'"data"' in frame
    )
    data = json.loads(frame)["params"]["data"]
    row = decode(pd.DataFrame({"payload": [frame]}))[0].frame.iloc[0]
    assert (data["mark_iv"], data["greeks"]["vega"], data["greeks"]["theta"]) == (76.57, 53.80944, -32.50023)
    assert row["mark_iv"] == pytest.approx(0.7657, rel=1e-14)
    assert row["vega"] == pytest.approx(5380.944, rel=1e-14)
    assert row["theta"] == pytest.approx(-11862.58395, rel=1e-14)


@pytest.mark.parametrize("name", ANSWERS)
def test_recorded_answers(sample_data: Path, name: str) -> None:
    method, expected = ANSWERS[name]
    payload = (sample_data / "crypto_options" / name).read_bytes()
    tables, reasons = counts(pd.DataFrame({"payload": [payload], "channel": [f"public/{method}"]}))
    assert tables == expected
    assert set(reasons) <= {"combo"}


def test_the_answers_of_2021_list_every_instrument(sample_data: Path) -> None:
    with gzip.open(sample_data / "crypto_options" / "raw_ws" / "DERIBIT.0.gz", "rb") as capture:
        lines = [line.partition(b" -> ") for line in capture if line.startswith(b"http")]
    payloads = [rest.partition(b": ")[2].rstrip() for _, _, rest in lines]
    listed = sum(len(json.loads(payload)["result"]) for payload in payloads)
    frames = pd.DataFrame({"channel": [url.decode() for url, _, _ in lines], "payload": payloads})
    assert counts(frames) == ({"instruments": listed}, Counter())


def test_recorded_option_tickers_have_their_venue_iv_and_open_interest(sample_data: Path) -> None:
    tickers = json.loads(
        (sample_data / "crypto_options/deribit_rest_2026-09-20/option_tickers.json").read_bytes()
    )
    payloads = [json.dumps(ticker).encode() for ticker in tickers.values()]
    marks = decode(pd.DataFrame({"payload": payloads, "channel": "public/ticker"}))[0].frame
    assert len(marks) == len(tickers)
    for row, ticker in zip(marks.to_dict("records"), tickers.values(), strict=True):
        assert row["mark_iv"] * 100 == pytest.approx(ticker["mark_iv"], rel=1e-12)
        assert row["open_interest"] == ticker["open_interest"]
        assert row["delta"] == ticker["greeks"]["delta"]
