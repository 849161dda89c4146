"""What the flow page selects, sorts, counts and writes, over rows made by hand."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from workstation.board.board import Board
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.evidence import READ, evidence
from workstation.flow.evidence_bundle import EvidenceError
from workstation.market.instants import MINUTE_NS
from workstation.market.tables import ALERTS, HITS, OFFEXCHANGE, PACKETS, PRINTS, TradeFlag
from workstation.plots.palette import DARK
from workstation.views.flow.choice import FlowChoice
from workstation.views.flow.evidence_page import evidence_html, head_html
from workstation.views.flow.net_premium import net_premium, table_html
from workstation.views.flow.off_exchange import events_html
from workstation.views.flow.quality import abstentions, coverage, exclusions
from workstation.views.flow.selection import members, newest, select_alerts, select_packets, select_prints
from workstation.views.flow.tapes import tape_rows
from workstation.views.flow.views import FlowViews
from workstation.views.widgets.row_table import MOST, SENT, zone_of

AT = int(pd.Timestamp("2026-11-30 15:00", tz="UTC").value)
CALL, PUT, TODAY = "SPY   261218C00600000", "NVDA  261218P00180000", "SPY   261130C00600000"


def print_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    base = {
        "venue": "opra", "price": 10.0, "size": 5.0, "placement": "A", "bid": 9.9, "ask": 10.0, "quote_age_ms": 50.0, "exclusion": "",
        "premium_usd": 5_000.0, "spot": 600.0, "flags": 0, "exchange": "C", "condition": "I", "cancels": 0, "side": 0,
    }  # fmt: skip
    filled = [
        {
            **base,
            "event_ns": AT + at * 1_000_000,
            "print_number": at + 1,
            "trade_id": f"t{at}",
            "seq": at + 1,
            **row,
        }
        for at, row in enumerate(rows)
    ]
    return PRINTS.conform(pd.DataFrame(filled))


PRINTED = [
    {"instrument": CALL, "premium_usd": 90_000.0, "flags": int(TradeFlag.ISO)},
    {"instrument": CALL, "placement": "BB", "premium_usd": 20_000.0},
    {"instrument": PUT, "placement": "A", "premium_usd": 60_000.0},
    {"instrument": TODAY, "placement": "MISSING", "quote_age_ms": np.nan, "bid": np.nan, "ask": np.nan},
    {
        "instrument": CALL,
        "placement": "A",
        "exclusion": "late",
        "flags": int(TradeFlag.LATE),
        "premium_usd": 70_000.0,
    },
    {"instrument": "SPY", "price": 600.0, "size": 100.0, "exchange": "D", "premium_usd": 60_000.0},
    {"instrument": PUT, "exclusion": "cancel", "cancels": 3, "premium_usd": 60_000.0},
]


def alert_frame() -> pd.DataFrame:
    told = {
        "ids": {"packet": "p0", "prints": ["t0"]}, "score_components": {"premium": 70.0, "confidence": 15.0}, "confidence": {"base": 0.55},
        "features": {"buy_ratio": 1.0, "quote_age_ms": 50.0, "premium_z": 3.2, "samples": 40.0},
        "hits": [{
            "classifier": "large_bullish_call_sweep", "confidence": 0.75, "direction": 1, "abstained": False, "reason": "", "alternatives": "",
            "explanation": "large bullish call sweep: 5 bought",
        }],
    }  # fmt: skip
    base = {"rule_version": "flow-2", "verdict": "open", "evidence": orjson.dumps(told).decode(), "explanation": "large bullish call sweep: 5 bought"}  # fmt: skip
    rows = [
        {"event_ns": AT, "instrument": CALL, "alert_id": "a", "kind": "large_bullish_call_sweep", "severity": "high", "score": 85.0, "direction": 1, "premium_usd": 90_000.0},
        {"event_ns": AT + 5, "instrument": PUT, "alert_id": "b", "kind": "block", "severity": "medium", "score": 50.0, "direction": -1, "premium_usd": 60_000.0},
        {"event_ns": AT + 9, "instrument": PUT, "alert_id": "b", "kind": "block", "severity": "medium", "score": 50.0, "direction": -1, "premium_usd": 60_000.0, "verdict": "retracted"},
    ]  # fmt: skip
    return ALERTS.conform(pd.DataFrame([{**base, **row} for row in rows]))


def packet_frame() -> pd.DataFrame:
    base = {
        "revision": 0,
        "event_ns": AT,
        "burst": 1,
        "burst_packets": 1,
        "size": 5.0,
        "directional": 1.0,
        "buy_ratio": 0.0,
        "sell_ratio": 0.0,
    }
    rows = [
        {"instrument": CALL, "packet_id": "p0", "premium_usd": 90_000.0, "buy_ratio": 1.0, "evidence": '{"prints":["t0"]}'},
        {"instrument": PUT, "packet_id": "p1", "premium_usd": 60_000.0, "sell_ratio": 0.9, "evidence": '{"prints":["t2"]}'},
        {"instrument": PUT, "packet_id": "p1", "premium_usd": 0.0, "size": 0.0, "revision": 1, "burst_packets": 0, "evidence": '{"prints":[]}'},
    ]  # fmt: skip
    return PACKETS.conform(pd.DataFrame([{**base, **row} for row in rows]))


@pytest.fixture
def board() -> Board:
    made = Board()
    made.add("prints", print_frame(PRINTED))
    made.add("packets", packet_frame())
    made.add("alerts", alert_frame())
    return made


def chosen(board: Board, **choices: Any) -> list[str]:
    choice = FlowChoice()
    choice.offer(board)
    choice.param.update(**choices)
    prints = board.latest("prints")
    found = members(board.latest("alerts"), choice)
    return prints["trade_id"][select_prints(prints, choice, None if found is None else found[1])].tolist()


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [
        ({}, ["t0", "t1", "t2", "t3", "t4", "t6"]),
        ({"ticker": "SPY"}, ["t0", "t1", "t3", "t4"]),
        ({"side": "buy"}, ["t0", "t2"]),
        ({"side": "sell"}, ["t1"]),
        ({"premium": 50_000}, ["t0", "t2", "t4", "t6"]),
        ({"dte": "0"}, ["t3"]),
        ({"dte": "8-45", "ticker": "NVDA"}, ["t2", "t6"]),
        ({"condition": "iso"}, ["t0"]),
        ({"condition": "late"}, ["t4"]),
        ({"condition": "cancel"}, ["t6"]),
        ({"classifier": "large_bullish_call_sweep"}, ["t0"]),
        ({"severity": "high"}, ["t0"]),
        ({"tape": "equities"}, ["t5"]),
    ],
)
def test_every_filter_chooses_its_prints(board: Board, choices: dict[str, Any], wanted: list[str]) -> None:
    assert chosen(board, **choices) == wanted


def test_of_a_packet_and_an_alert_the_newest_row_counts(board: Board) -> None:
    packets, alerts, choice = board.latest("packets"), board.latest("alerts"), FlowChoice()
    assert packets["premium_usd"][select_packets(packets, choice)].tolist() == [90_000.0, 0.0]
    assert alerts["verdict"].astype("str")[select_alerts(alerts, choice)].tolist() == ["open", "retracted"]
    choice.severity = "high"
    assert alerts["alert_id"][select_alerts(alerts, choice)].tolist() == ["a"]


def test_a_print_that_was_cancelled_is_struck_out_and_counts_nowhere(board: Board) -> None:
    rows = tape_rows(board, FlowChoice())
    looks = dict(zip(rows["key"], rows["look"], strict=True))
    assert (looks[3], looks[7], looks[1], looks[5]) == ("gone", "gone", "buy", "quiet")
    found = net_premium(board.latest("prints"))
    assert found["ticker"].tolist() == ["SPY", "SPY"]
    last = found.iloc[-1]
    assert (last["calls"], last["puts"], last["net"], last["unsided"]) == (70_000.0, 0.0, 70_000.0, 70_000.0)
    assert "▲ +$70" in table_html(found)


def test_a_bought_put_lowers_the_net_premium() -> None:
    found = net_premium(print_frame([{"instrument": PUT, "premium_usd": 60_000.0}]))
    assert found["net"].tolist() == [-60_000.0]


def test_coverage_counts_option_prints_alone(board: Board) -> None:
    prints = board.latest("prints")
    found = coverage(prints)
    assert found["prints"] == 6
    assert found["missing"] == pytest.approx(1 / 6)
    assert found["sided"] == pytest.approx(3 / 6)
    assert exclusions(prints) == {"late": 1, "cancel": 1}
    hits = pd.DataFrame(
        {
            "event_ns": AT,
            "instrument": CALL,
            "classifier": "block",
            "abstained": [True, False],
            "reason": ["no quote", ""],
        }
    )
    assert abstentions(HITS.conform(hits)) == (2, {"no quote": 1})


def test_evidence_gathers_what_the_alert_stands_on_and_what_came_after(board: Board) -> None:
    later = print_frame(
        [
            {
                "instrument": CALL,
                "price": 11.0,
                "spot": 606.0,
                "event_ns": AT + 2 * MINUTE_NS,
                "print_number": 90,
                "trade_id": "x",
            }
        ]
    )
    board.add("prints", later)
    tables = {name: board.latest(name) for name in READ}
    found = evidence(tables, "a")
    assert found.prints["trade_id"].tolist() == ["t0"]
    assert found.packets["packet_id"].tolist() == ["p0"]
    after = found.after.set_index("minutes")
    assert after.loc[1, "return"] == pytest.approx(0.0)
    assert np.isnan(after.loc[5, "return"])
    text = head_html(found) + evidence_html(found, zone_of("America/New_York"))
    for words in (
        "SPY 18 Dec 26 600 C",
        "10:00:00.000",
        "rule flow-2",
        "+70.0",
        "85.0",
        "+0.55",
        "3.2",
        "9.9",
    ):
        assert words in text
    with pytest.raises(EvidenceError, match="no alert 'none' is kept"):
        evidence(tables, "none")


def test_markup_in_rows_is_shown_as_text() -> None:
    rows = pd.DataFrame({"event_ns": [AT], "instrument": "SPY", "kind": "absorbed_block", "direction": 1, "event_id": "e", "explanation": "x: <img src=a>", "premium_usd": 1.0, "confidence": 0.5})  # fmt: skip
    assert "<img" not in events_html(OFFEXCHANGE.conform(rows), "")


def views_over(board: Board) -> FlowViews:
    views = FlowViews(board, FlowChoice(), DARK)
    for view in views.all:
        view.refresh(board)
    return views


def test_a_paused_tape_stands_still_counts_and_goes_on(board: Board) -> None:
    views = views_over(board)
    table = views.tape.table
    before = table.window["rows"]
    views.tape.pause(True)
    board.add("prints", print_frame([{"instrument": CALL, "print_number": 8 + at} for at in range(5)]))
    views.tape.refresh(board)
    assert table.window["rows"] == before
    assert "paused, 5 missed" in table.window["count"]
    views.tape.pause(False)
    assert table.window["total"] == 11
    assert "missed" not in table.window["count"]


def test_scrolling_away_holds_the_rows_and_live_returns(board: Board) -> None:
    views = views_over(board)
    table = views.tape.table
    table._handle_msg({"first": 2})
    board.add("prints", print_frame([{"instrument": CALL, "print_number": 8}]))
    views.tape.refresh(board)
    assert "held, 1 missed" in table.window["count"]
    table._handle_msg({"live": True})
    assert (table.window["total"], table.window["held"]) == (7, False)


def test_sorting_is_of_all_rows_and_csv_is_what_is_shown(board: Board) -> None:
    table = views_over(board).tape.table
    table._handle_msg({"sort": "premium_usd"})
    assert [row[0] for row in table.window["rows"]][:2] == ["1", "5"]
    table._handle_msg({"sort": "premium_usd"})
    assert table.window["rows"][0][0] == "4"
    table._handle_msg({"zone": "America/New_York"})
    lines = table.csv().splitlines()
    assert len(lines) == 7
    assert lines[0].startswith("time America/New_York,contract,side,price")
    assert lines[1].startswith("10:00:00.003,SPY 30 Nov 26 600 C")


def test_a_pressed_alert_opens_its_evidence(board: Board) -> None:
    opened: list[bool] = []
    views = FlowViews(board, FlowChoice(), DARK, open_evidence=lambda: opened.append(True))
    views.alerts.list._handle_msg({"alert": "a"})
    views.evidence.refresh(board)
    assert opened == [True]
    assert "Score: the sum of its parts" in views.evidence._page.panel.object


def test_thresholds_are_tried_before_they_apply(board: Board) -> None:
    held: list[ClassifierParameters] = []
    views = FlowViews(board, FlowChoice(), DARK, apply=held.append)
    settings = views.settings
    settings.inputs["block_usd"].value = -1.0
    settings._try(None)
    assert "block_usd must be a number of at least 0" in settings._effect.panel.object
    assert settings.apply.disabled
    settings.inputs["block_usd"].value = 400_000.0
    assert settings.wanted() == ClassifierParameters(block_usd=400_000.0)


def test_five_thousand_rows_are_chosen_from_a_full_board_within_a_frame() -> None:
    count = 20_000
    rng = np.random.default_rng(1)
    rows = print_frame([{"instrument": CALL}]).iloc[np.zeros(count, dtype=int)].reset_index(drop=True)
    rows = rows.assign(
        premium_usd=rng.lognormal(9, 2, count),
        print_number=np.arange(1, count + 1),
        event_ns=AT + np.arange(count),
    )
    board = Board()
    board.add("prints", PRINTS.conform(rows))
    views = views_over(board)
    table = views.tape.table
    choice = views.choice
    choice.premium = 10_000
    views.tape._sort("premium_usd")
    wanted = rows["premium_usd"][newest((rows["premium_usd"] >= 10_000).to_numpy())].max()
    began = time.process_time()
    views.tape.refresh(board)
    spent = time.process_time() - began
    assert table.window["total"] == MOST
    assert len(table.window["rows"]) == SENT
    assert table._rows["premium_usd"].iloc[0] == wanted
    assert spent < 0.5
