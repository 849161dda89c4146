"""DBN files recorded live: several schemas in one stream, names and the gateway's words as messages."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from tests.unit.feeds.files.dbn_files import (
    DAY,
    ES,
    NEXT,
    UNDEFINED_PRICE,
    T,
    bar,
    dbn,
    header,
    mapping,
    price,
    statistic,
    tables,
    top,
    trade,
    write,
)  # fmt: skip
from workstation.feeds.files import Rejections
from workstation.feeds.files.dbn_names import Names
from workstation.feeds.files.dbn_stream import Interval
from workstation.market.instruments import REGISTRY

LIVE = header("GLBX.MDP3")
NO_NAME = "no symbol for the instrument id in the file's metadata"
DAY_NS = 86_400 * 10**9


@pytest.mark.parametrize("schema", [None, dbn.Schema.TRADES, dbn.Schema.MBP_1])
def test_every_schema_of_a_stream_becomes_its_table(tmp_path: Path, schema: str | None) -> None:
    records = [
        mapping(118, "ESM6"), trade(1, 118, T + 1, 5300.25), bar(1, 118, 5300, 5301, 5299, 5300, volume=10),
        top(1, 118, 5300.0, 5300.25), trade(1, 118, T + 2, 5300.5), statistic(1, 118, 77),
    ]  # fmt: skip
    head = header("GLBX.MDP3", schema=schema, stype_in=dbn.SType.RAW_SYMBOL)
    rejections = Rejections()
    found = tables(write(tmp_path / "live.dbn", head, records), rejections)
    assert {name: len(frame) for name, frame in found.items()} == {
        "trades": 2, "candles": 1, "quotes": 1, "marks": 1,
    }  # fmt: skip
    assert all((frame["instrument"] == "ESM6").all() for frame in found.values())
    assert found["trades"]["price"].tolist() == [5300.25, 5300.5]
    assert rejections.total == 0


@pytest.mark.parametrize("chunk", [160, 999, 4 << 20])
def test_rows_do_not_depend_on_how_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    records = [mapping(k, f"S{k}") for k in range(20)]
    for k in range(300):
        records.append(trade(1, k % 20, T + k, 1.0 + k))
        if k % 7 == 0:
            records.append(top(1, k % 20, 1.0, 2.0, ts_event=T + k))
    file = write(tmp_path / "live.dbn", LIVE, records)
    monkeypatch.setattr("workstation.feeds.files.dbn_stream.CHUNK_BYTES", chunk)
    found = tables(file)
    assert found["trades"]["price"].tolist() == [1.0 + k for k in range(300)]
    assert found["trades"]["instrument"].tolist() == [f"S{k % 20}" for k in range(300)]
    assert found["quotes"]["event_ns"].tolist() == [T + k for k in range(0, 300, 7)]


def test_an_id_that_is_mapped_anew_changes_its_name_from_there_on(tmp_path: Path) -> None:
    records = [
        trade(1, 5, value=1.0), trade(1, 6), mapping(5, "ESM6"), trade(1, 5, value=2.0), trade(1, 9, value=3.0), mapping(5, "ESU6"),
        mapping(9, "NQM6"), trade(1, 5, value=4.0), trade(1, 9, value=5.0),
    ]  # fmt: skip
    rejections = Rejections()
    trades = tables(write(tmp_path / "live.dbn", LIVE, records), rejections)["trades"]
    assert trades[["instrument", "price"]].values.tolist() == [["ESM6", 2.0], ["ESU6", 4.0], ["NQM6", 5.0]]
    assert rejections.counts == {NO_NAME: 3}
    assert "instrument id 5, 6;" in rejections.examples[NO_NAME]


def test_a_mapping_message_holds_for_its_interval_alone(tmp_path: Path) -> None:
    records = [
        mapping(5, "ESM6", T, T + 10), mapping(5, "ESU6", T + 20, T + 30),
        *(trade(1, 5, T + k, 1.0 + k, ts_recv=T + k) for k in (0, 9, 10, 19, 20, 29, 30)),
    ]  # fmt: skip
    rejections = Rejections()
    trades = tables(write(tmp_path / "live.dbn", LIVE, records), rejections)["trades"]
    assert trades["instrument"].tolist() == ["ESM6", "ESM6", "ESU6", "ESU6"]
    assert rejections.counts == {NO_NAME: 3}


def test_an_id_of_the_header_means_another_instrument_on_another_day(tmp_path: Path) -> None:
    later = NEXT + dt.timedelta(days=1)
    names = {"ESM6": [(DAY, NEXT, 118), (NEXT, later, 7)], "ESU6": [(NEXT, later, 118)]}
    records = [
        trade(1, 118), trade(1, 7), trade(1, 118, T + DAY_NS), trade(1, 7, T + DAY_NS), trade(1, 118, T + 2 * DAY_NS),
    ]  # fmt: skip
    rejections = Rejections()
    trades = tables(write(tmp_path / "a.dbn", header("GLBX.MDP3", names), records), rejections)["trades"]
    assert trades["instrument"].tolist() == ["ESM6", "ESU6", "ESM6"]
    assert rejections.counts == {NO_NAME: 2}


def test_of_overlapping_spans_of_the_header_the_later_one_counts() -> None:
    names = Names([Interval(7, 0, 100, "A"), Interval(8, 0, 50, "C"), Interval(7, 40, 60, "B")])
    codes = names.codes(np.array([7, 7, 7, 8]), np.array([39, 40, 60, 49]))
    assert REGISTRY.names(codes).tolist() == ["A", "B", "A", "C"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_of_every_version_name_ids(tmp_path: Path, version: int) -> None:
    head = header("GLBX.MDP3", ES, version=version)
    assert tables(write(tmp_path / "a.dbn", head, [trade(1, 118)]))["trades"]["instrument"].tolist() == [
        "ESM6"
    ]


def test_a_header_that_goes_from_id_to_symbol_names_ids(tmp_path: Path) -> None:
    head = header(
        "GLBX.MDP3", {"118": [(DAY, NEXT, "ESM6")]}, stype_in=dbn.SType.INSTRUMENT_ID, stype_out=dbn.SType.RAW_SYMBOL
    )  # fmt: skip
    assert tables(write(tmp_path / "a.dbn", head, [trade(1, 118)]))["trades"]["instrument"].tolist() == [
        "ESM6"
    ]


def test_a_message_of_version_1_names_its_id(tmp_path: Path) -> None:
    message = dbn.SymbolMappingMsgV1(0, 118, T, "ES.FUT", "ESM6", 0, 2**64 - 1)
    file = write(tmp_path / "a.dbn", header("GLBX.MDP3", version=1), [message, trade(1, 118)])
    assert tables(file)["trades"]["instrument"].tolist() == ["ESM6"]


def test_a_parents_mapping_names_the_contract(tmp_path: Path) -> None:
    parent, raw = dbn.SType.PARENT, dbn.SType.RAW_SYMBOL
    message = dbn.SymbolMappingMsg(0, 118, T, parent, "ES.FUT", raw, "ESM6", 2**64 - 1, 2**64 - 1)
    file = write(tmp_path / "a.dbn", LIVE, [message, trade(1, 118)])
    assert tables(file)["trades"]["instrument"].tolist() == ["ESM6"]


def test_records_with_the_gateways_send_time_are_read(tmp_path: Path) -> None:
    sent = {"ts_out": T + 500}
    records = [mapping(118, "ESM6"), trade(1, 118, **sent), top(1, 118, 1.0, 1.25, **sent)]
    found = tables(write(tmp_path / "a.dbn", header("GLBX.MDP3", ts_out=True), records))
    assert found["trades"]["price"].tolist() == [1.0]
    assert found["quotes"]["ask"].tolist() == [1.25]


def test_what_the_gateway_said_is_told(tmp_path: Path) -> None:
    code, system = dbn.ErrorCode, dbn.SystemCode
    records = [
        dbn.SystemMsg(T, "Heartbeat", code=system.HEARTBEAT), dbn.SystemMsg(T, "Subscription ok", code=system.SUBSCRIPTION_ACK),
        mapping(118, "ESM6"), trade(1, 118), dbn.SystemMsg(T + 1, "slow", code=system.SLOW_READER_WARNING),
        dbn.ErrorMsg(T + 2, "skipped 7", code=code.SKIPPED_RECORDS_AFTER_SLOW_READING),
        dbn.ErrorMsg(T + 3, "skipped 7", code=code.SKIPPED_RECORDS_AFTER_SLOW_READING),
        dbn.ErrorMsg(T + 4, "no XX", code=code.SYMBOL_RESOLUTION_FAILED), trade(1, 118, T + 5, 2.0),
    ]  # fmt: skip
    rejections = Rejections()
    found = tables(write(tmp_path / "a.dbn", LIVE, records), rejections)
    assert found["trades"]["price"].tolist() == [1.0, 2.0]
    health = found["health"].sort_values("event_ns")
    assert health[["event", "count", "start_ns", "end_ns"]].values.tolist() == [
        ["late", 1, T + 1, T + 1], ["gap", 2, T + 2, T + 3], ["refused", 1, T + 4, T + 4],
    ]  # fmt: skip
    assert "skipped 7" in health["detail"].tolist()[1]
    assert rejections.counts == {
        "gateway message without rows: heartbeat": 1, "gateway message without rows: subscription acknowledged": 1,
    }  # fmt: skip


def test_old_gateway_messages_carry_no_code(tmp_path: Path) -> None:
    records = [
        dbn.SystemMsgV1(T, "Heartbeat"),
        dbn.ErrorMsgV1(T, "broken"),
        mapping(118, "ESM6"),
        trade(1, 118),
    ]
    rejections = Rejections()
    found = tables(write(tmp_path / "a.dbn", LIVE, records), rejections)
    assert found["health"][["event", "detail"]].values.tolist() == [["failed", "error: broken"]]
    assert rejections.counts == {"gateway message without rows: heartbeat": 1}


def test_what_has_no_table_is_counted_and_its_neighbours_are_read(tmp_path: Path) -> None:
    status = dbn.StatusMsg(1, 118, T, T)
    pairs = [dbn.BidAskPair()] * 10
    depth = dbn.MBP10Msg(1, 118, T, UNDEFINED_PRICE, 0, dbn.Action.ADD, dbn.Side.BID, 0, T, levels=pairs)
    unknown = bytearray(bytes(trade(1, 118)))
    unknown[1] = 0x7E
    rejections = Rejections()
    records = [mapping(118, "ESM6"), trade(1, 118), status, depth, depth, bytes(unknown), trade(1, 118)]
    assert len(tables(write(tmp_path / "a.dbn", LIVE, records), rejections)["trades"]) == 2
    assert rejections.counts == {
        "schema status has no table": 1, "schema mbp-10 has no table": 2, "record type 0x7e is not known": 1,
    }  # fmt: skip
    assert "export mbp-1" in rejections.examples["schema mbp-10 has no table"]


def test_names_follow_a_plain_search_of_the_spans() -> None:
    generator = np.random.default_rng(5)
    spans, names = [], Names()
    for at in range(3_000):
        number = int(generator.integers(0, 1_500))
        start = int(generator.integers(0, 1_000))
        one = Interval(number, start, start + int(generator.integers(1, 500)), f"N{at}")
        spans.append(one)
        names.put(number, one[1:])
        if at % 500 == 499:
            ids, times = generator.integers(0, 1_600, 400), generator.integers(0, 1_600, 400)
            codes = names.codes(ids, times)
            for number, time, code in zip(ids.tolist(), times.tolist(), codes.tolist(), strict=True):
                held = [s for s in spans if s.instrument_id == number and s.start_ns <= time < s.end_ns]
                told = REGISTRY.names([code])[0] if code >= 0 else None
                assert told == (held[-1].symbol if held else None)
    assert price(1.0) == 10**9
