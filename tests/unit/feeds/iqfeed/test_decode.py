"""Raw reads to rows: what is a print, what is a quote, when it was, and what is set aside."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.iqfeed_server import CALL, NEW_YORK, UNIFIED, Tick
from workstation.feeds.decoding import decoder_of
from workstation.feeds.iqfeed.decode import decode
from workstation.feeds.iqfeed.layout import FIELDS, layout_of
from workstation.indicators.candles.parameters import VOLUME_ONLY
from workstation.market.errors import FrameError
from workstation.market.tables import TABLES, TradeFlag

NAMES = ("Symbol", "7 Day Yield", *reversed([name for name in FIELDS if name != "Symbol"]))
FLAGS = "&flags=17:65536.3D:16.87:32768&off=57"
CHANNEL = f"level1?fields={'.'.join(FIELDS.get(name, '') for name in NAMES)}{FLAGS}"
AT = dt.datetime(2026, 11, 20, 9, 30, 0, 123456, tzinfo=NEW_YORK)
SEEN_NS = pd.Timestamp("2026-11-20T14:30:00.2Z").value
TICK = Tick("AAPL", 4_377_589, 17, AT)


def update(tick: Tick = TICK, kind: str = "Q", **fields: str) -> bytes:
    values = tick.fields() | {name.replace("_", " "): value for name, value in fields.items()}
    return f"{kind},{','.join(values.get(name, '') for name in NAMES)},\r\n".encode("latin-1")


def frames(*payloads: bytes, channel: str = CHANNEL, seen_ns: int = SEEN_NS) -> pd.DataFrame:
    return pd.DataFrame({"seen_ns": seen_ns, "channel": channel, "payload": list(payloads)})


def decoded(*payloads: bytes, **options: Any) -> dict[str, pd.DataFrame]:
    return {batch.table: batch.frame for batch in decode(frames(*payloads, **options))}


def test_a_print_has_its_price_time_id_side_and_flags() -> None:
    tick = Tick("AAPL", 4_377_589, 17, AT, market=57, conditions="3D87", aggressor=2, basis="E")
    tables = decoded(update(tick))
    assert set(tables) == {"trades"}
    trade = tables["trades"].iloc[0]
    assert trade["event_ns"] == pd.Timestamp(AT).value
    assert trade["seen_ns"] == SEEN_NS
    assert (trade["instrument"], trade["price"], trade["size"], trade["side"]) == ("AAPL", 182.51, 100.0, -1)
    assert (trade["side_source"], trade["trade_id"], trade["venue_seq"]) == ("venue", "20261120-4377589", 17)
    assert (trade["condition"], trade["exchange"], trade["venue"]) == ("3D87", "57", "iqfeed")
    assert TradeFlag(int(trade["flags"])) == (
        TradeFlag.ISO | TradeFlag.ODD_LOT | TradeFlag.OFF_EXCHANGE | TradeFlag.EXTENDED_HOURS
    )


@pytest.mark.parametrize(
    ("contents", "trades", "quotes"),
    [("C", 1, 0), ("E", 1, 0), ("O", 1, 0), ("Cba", 1, 1), ("ba", 0, 1), ("b", 0, 1), ("a", 0, 1), ("v", 0, 0), ("hlc", 0, 0), ("", 0, 0)],
)  # fmt: skip
def test_the_contents_tell_print_from_quote(contents: str, trades: int, quotes: int) -> None:
    tables = decoded(update(Message_Contents=contents))
    assert {name: len(frame) for name, frame in tables.items()} == {
        name: count for name, count in (("trades", trades), ("quotes", quotes)) if count
    }


def test_a_quote_is_of_the_time_of_the_side_that_changed() -> None:
    times = {"Bid_Time": "09:29:58.5", "Ask_Time": "09:29:59"}
    made = [
        decoded(update(Message_Contents=contents, **times))["quotes"]["event_ns"][0]
        for contents in ("b", "a", "ba")
    ]
    assert [pd.Timestamp(each).isoformat() for each in made] == [
        "2026-11-20T14:29:58.500000", "2026-11-20T14:29:59", "2026-11-20T14:29:59",
    ]  # fmt: skip


def test_a_side_nobody_quotes_is_nan() -> None:
    quote = decoded(update(Message_Contents="ba", Bid="0", Bid_Size="0", Ask=""))["quotes"].iloc[0]
    assert np.isnan(quote[["bid", "bid_size", "ask", "ask_size"]].to_numpy(dtype=float)).all()


def test_last_nights_quote_seen_after_midnight_is_last_nights() -> None:
    seen = pd.Timestamp("2026-11-21T05:00:01Z").value
    quote = decoded(update(Message_Contents="b", Bid_Time="23:59:59.9"), seen_ns=seen)["quotes"]
    assert pd.Timestamp(quote["event_ns"][0]).isoformat() == "2026-11-21T04:59:59.900000"


def test_a_print_without_date_is_of_the_newest_such_time() -> None:
    trade = decoded(update(Most_Recent_Trade_Date=""))["trades"].iloc[0]
    assert trade["event_ns"] == pd.Timestamp(AT).value
    assert trade["trade_id"] == "20261120-4377589"


def test_a_summary_is_a_quote_and_for_an_option_a_mark_and_never_a_print() -> None:
    tables = decoded(update(kind="P", Message_Contents="Cba"))
    assert set(tables) == {"quotes"}
    option = Tick(CALL, 1, 1, AT, price=12.5)
    marks = decoded(update(option, kind="P"))["marks"].iloc[0]
    assert (marks["instrument"], marks["last"], marks["open_interest"], marks["volume_24h"]) == (
        UNIFIED[CALL], 12.5, 1234.0, 5000.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("basis", "flags", "sets_price"),
    [("C", TradeFlag(0), True), ("E", TradeFlag.EXTENDED_HOURS, True), ("O", TradeFlag.NO_PRICE, False),
     ("CO", TradeFlag(0), True), ("Oba", TradeFlag.NO_PRICE, False)],
)  # fmt: skip
def test_a_print_that_is_neither_last_nor_extended_sets_no_price(
    basis: str, flags: TradeFlag, sets_price: bool
) -> None:
    trade = decoded(update(Tick("AAPL", 1, 1, AT, basis=basis)))["trades"]
    assert TradeFlag(int(trade["flags"][0])) == flags
    assert bool(trade["flags"][0] & int(VOLUME_ONLY)) != sets_price
    past = history(Tick("AAPL", 1, 1, AT, basis=basis[0]).history())["trades"]
    assert bool(past["flags"][0] & int(TradeFlag.NO_PRICE)) != (basis[0] != "O")


NO_TIME_TODAY = ("99:99:99", "99:99:99.139000")


@pytest.mark.parametrize("text", NO_TIME_TODAY)
def test_a_time_that_is_not_there_costs_nothing_else(text: str) -> None:
    option = Tick(CALL, 1, 1, AT, price=12.5)
    sides = {"Bid_Time": "09:29:58.5", "Ask_Time": "09:29:59"}
    for missing in ("Most_Recent_Trade_Time", "Bid_Time", "Ask_Time"):
        for kind, contents in (("P", "Cba"), ("Q", "ba")):
            tables = decoded(
                update(option, kind=kind, Message_Contents=contents, **(sides | {missing: text}))
            )
            assert set(tables) == {"quotes", "marks"}
            assert tables["marks"]["open_interest"].tolist() == [1234.0]
            expected = "2026-11-20T14:29:58.500000" if missing == "Ask_Time" else "2026-11-20T14:29:59"
            for name in tables:
                assert pd.Timestamp(tables[name]["event_ns"][0]).isoformat() == expected
    unseen = {"Bid_Time": text, "Ask_Time": text}
    quote = decoded(update(option, Message_Contents="ba", **unseen))["quotes"]
    assert quote["event_ns"].tolist() == [SEEN_NS]
    dropped = decoded(update(option, Message_Contents="Cba", Most_Recent_Trade_Time=text))
    assert set(dropped) == {"quotes", "marks", "health"}, (
        "a print without a time is no print, its quote is one"
    )


@pytest.mark.parametrize("text", ["99:99:98", "99:99:99x", "99:99:99.1x", "99:99:9"])
def test_other_nonsense_is_no_time(text: str) -> None:
    assert set(decoded(update(Bid_Time=text, Message_Contents="ba"))) == {"health"}


def test_an_update_of_an_options_quote_keeps_its_open_interest() -> None:
    option = Tick(CALL, 1, 1, AT, price=12.5)
    tables = decoded(
        update(option, kind="P"), update(option, Message_Contents="b", Bid="11.5", Bid_Time="09:30:00.1"),
        update(option, Message_Contents="v"), update(option, Message_Contents="C"),
    )  # fmt: skip
    marks = tables["marks"]
    assert marks["open_interest"].tolist() == [1234.0, 1234.0] and marks["bid"].tolist()[1] == 11.5
    assert marks["event_ns"].tolist() == tables["quotes"]["event_ns"].tolist()
    assert marks[["mark", "mark_iv"]].isna().all(axis=None)


def test_what_is_wrong_is_told_and_named() -> None:
    tables = decoded(
        update(Bid="cheap"), update(Most_Recent_Trade=""), update(Tick("@ES#", 1, 1, AT)), b"Q,AAPL\r\n",
        b"!!\r\n", update(Most_Recent_Trade_Time="25:00:00"), update(),
    )  # fmt: skip
    assert len(tables["trades"]) == 1
    health = tables["health"]
    assert (health["event"] == "rejected").all()
    assert sorted(detail.split(" of ")[0].split(" '")[0] for detail in health["detail"]) == sorted(
        ["field: bid", "field: price or size", "symbol: iqfeed symbol", "line: no message", "line: no message", "field: time"]
    )  # fmt: skip


def test_what_the_venue_refuses_is_told() -> None:
    health = decoded(
        b"n,NOSUCH,\r\nS,SYMBOL LIMIT REACHED,MSFT,\r\nE,!SYNTAX_ERROR!,\r\nS,KEYOK\r\nT,20261120 09:30:00\r\n"
    )
    assert health["health"][["channel", "event"]].to_numpy().tolist() == [
        ["level1.NOSUCH", "refused"], ["level1.MSFT", "refused"], ["level1", "refused"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "channel", ["level2?fields=symbol", "level1?fields=symbol.colour", "level1?fields=symbol&flags=xx:1", "?"]
)
def test_a_channel_that_names_no_layout_is_told(channel: str) -> None:
    assert decoded(update(), channel=channel)["health"]["event"].tolist() == ["rejected"]
    with pytest.raises(FrameError):
        layout_of(channel)


def history(*lines: str, channel: str = f"lookup/ticks?symbol={CALL}{FLAGS}") -> dict[str, pd.DataFrame]:
    return decoded("".join(f"B7,{line}\r\n" for line in lines).encode(), channel=channel)


def test_history_gives_the_rows_the_stream_gave() -> None:
    ticks = [Tick(CALL, 4_000_000 + at, 1 + at, AT, conditions="3D", basis="CEO"[at % 3]) for at in range(6)]
    live = decoded(*(update(tick) for tick in ticks))["trades"]
    past = history(*(tick.history() for tick in ticks), "!ENDMSG!,")["trades"]
    same = [name for name in live.columns if name not in ("venue_seq",)]
    pd.testing.assert_frame_equal(live[same], past[same])
    assert (past["venue_seq"] == 0).all()


def test_history_without_data_gives_nothing_and_an_error_is_told() -> None:
    assert history("E,!NO_DATA!,", "!ENDMSG!,") == {}
    tables = history("E,Unauthorized user ID.,", "!ENDMSG!,")
    assert tables["health"]["event"].tolist() == ["refused"]
    tables = history(
        "LH,2026-11-20 09:30:00,cheap,1,1,1,1,1,C,5,01,1,20,", "LH,2026-11", TICK.history(), "!ENDMSG!,"
    )
    assert tables["health"]["event"].tolist() == ["rejected", "rejected"]
    assert len(tables["trades"]) == 1


def test_tables_of_codes_are_kept_raw() -> None:
    assert decoded(b"B1,LS,61,INTERSWEEP,Intermarket Sweep,\r\n", channel="lookup/STC") == {}


def test_batches_are_conformed_and_the_decoder_is_known() -> None:
    assert decoder_of("iqfeed") is decode
    for batch in decode(frames(update(), update(kind="P"), update(Message_Contents="b"), b"?\n")):
        pd.testing.assert_frame_equal(TABLES[batch.table].conform(batch.frame), batch.frame)


LINES = st.sampled_from([
    update(), update(Message_Contents="ba"), update(kind="P"), update(Tick(CALL, 9, 1, AT), kind="P"),
    update(Message_Contents="Oba"), b"T,20261120 09:30:00\r\n", b"n,X,\r\n", b"junk\r\n", b"\r\n",
])  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.lists(LINES, max_size=5), min_size=1, max_size=8))
def test_how_lines_fall_into_reads_changes_nothing(reads: list[list[bytes]]) -> None:
    whole = decoded(b"".join(b"".join(read) for read in reads))
    parts = decoded(*(b"".join(read) for read in reads))
    one_by_one = [batch for read in reads for batch in decode(frames(b"".join(read)))]
    assert set(whole) == set(parts) == {batch.table for batch in one_by_one}
    for name, frame in whole.items():
        pd.testing.assert_frame_equal(frame, parts[name])
        apart = TABLES[name].concat([batch.frame for batch in one_by_one if batch.table == name])
        for column in frame.columns:
            assert frame[column].astype("str").tolist() == apart[column].astype("str").tolist(), column


@settings(max_examples=150)
@given(st.binary(max_size=120).filter(lambda raw: b"\n" not in raw))
def test_no_bytes_cost_another_line_its_rows(junk: bytes) -> None:
    for raw in (junk, b"Q,AAPL," + junk, update()[:40] + junk):
        trades = decoded(update() + raw + b"\r\n" + update())["trades"]
        assert (trades["trade_id"] == "20261120-4377589").sum() >= 2
    assert isinstance(history(junk.decode("latin-1").replace("\r", ""), TICK.history()), dict)


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(set(FIELDS) - {"Message Contents"})),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n,"), max_size=10),
)
def test_any_field_of_any_text(name: str, text: str) -> None:
    tables = decoded(update() + update(**{name.replace(" ", "_"): text}) + update())
    rows = len(tables["trades"]) + len(tables.get("health", ()))
    assert rows == 3
