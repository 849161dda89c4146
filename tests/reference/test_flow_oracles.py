"""Side, placement, packages, classifiers and off-exchange events against cases of other projects and papers (``data/flow_d*.json``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.flow.alerts import score_components, severity
from workstation.flow.classifiers import classify
from workstation.flow.nbbo import NbboPlacement, place, prints
from workstation.flow.offexchange import offexchange, reasons, retail_side
from workstation.flow.open_interest_verdicts import verdict
from workstation.flow.packet_baselines import z_score
from workstation.flow.packets import packets
from workstation.flow.sides import sides
from workstation.flow.structure_names import Leg, packages, uncovered
from workstation.flow.structures import structures
from workstation.market.conditions import flags
from workstation.market.tables import INSTRUMENTS, MARKS, PACKETS, QUOTES, TRADES

FOLDER = Path(__file__).parent / "data"
START = pd.Timestamp("2026-11-30 15:00").value
MS, SECOND, DAY = 10**6, 10**9, 86_400 * 10**9


def cases(name: str, group: str) -> list[Any]:
    rows = json.loads((FOLDER / f"flow_{name}.json").read_text("utf-8"))[group]
    return [pytest.param(row, id=str(row["id"])) for row in rows]


def number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def quote(name: str, at: int, row: dict[str, Any]) -> pd.DataFrame:
    sizes = {side: float(row.get(side, 1.0)) for side in ("bid_size", "ask_size")}
    sided = {side: [number(row[side])] for side in ("bid", "ask")}
    return QUOTES.batch({"event_ns": [at], "instrument": [name], **sided, **sizes})


# -- D1 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", cases("d1", "placement"))
def test_placement(row: dict[str, Any]) -> None:
    name, age = "SPY   261218C00600000", round(row["age_ms"] * MS)
    trades = TRADES.batch(
        {
            "event_ns": [START],
            "instrument": [name],
            "price": [row["price"]],
            "size": [float(row.get("size", 1))],
        }
    )
    quotes = quote(name, START - age, row)
    found = prints(trades, quotes, max_age_ms=row["max_age_ms"]).iloc[0]
    assert found["placement"] == row["expected"]
    assert found["exclusion"] == row.get("exclusion", "")
    if "premium_usd" in row:
        assert found["premium_usd"] == pytest.approx(row["premium_usd"])
    if row["expected"] in ("A", "AA", "MID", "B", "BB"):
        assert found["quote_age_ms"] == pytest.approx(row["age_ms"])
    whole = place(trades, quotes, max_age_ms=row["max_age_ms"]).iloc[0]
    assert whole["placement"] == row["expected"]
    np.testing.assert_equal(
        [whole[column] for column in ("bid", "ask", "quote_age_ms")],
        [found[column] for column in ("bid", "ask", "quote_age_ms")],
    )


@pytest.mark.parametrize("row", cases("d1", "sides"))
def test_side_rules(row: dict[str, Any]) -> None:
    name = "AAPL"
    prices = [*row.get("before", []), row["price"], *([row["after"]] if "after" in row else [])]
    at = len(row.get("before", []))
    times = START + SECOND * np.arange(len(prices))
    size = [float(row.get("size", 1.0)) if place == at else 77.0 for place in range(len(prices))]
    trades = TRADES.batch(
        {
            "event_ns": times,
            "instrument": [name] * len(prices),
            "price": np.array(prices, float),
            "size": size,
        }
    )
    quotes = quote(name, int(times[at]) - MS, row) if "bid" in row else QUOTES.empty()
    found = sides(trades, quotes, rules=tuple(row["rules"])).iloc[at]
    assert found["side"] == row["expected"]
    assert found["side_source"] == (row.get("rule", row["rules"][0]) if row["expected"] else "")


def test_a_quote_that_comes_later_never_places_an_earlier_print() -> None:
    """D1 5, 6 and 28: by time, of equal times by order, and never the quote that the print itself moved."""
    quotes = QUOTES.batch(
        {"event_ns": [900, 1001], "instrument": ["AAPL"] * 2, "bid": [9.0, 1.0], "ask": [10.0, 2.0]}
    )
    trades = TRADES.batch({"event_ns": [1000], "instrument": ["AAPL"], "price": [10.0], "size": [1.0]})
    for rows in (place(trades, quotes), prints(trades, quotes)):
        assert rows["ask"].tolist() == [10.0]
    same = quotes.assign(event_ns=np.array([900, 900]), seq=[1, 2])
    assert place(trades.assign(seq=3), same)["ask"].tolist() == [2.0]
    own = quotes.assign(event_ns=np.array([900, 1000]), seq=[1, 3])
    for rows in (place(trades.assign(seq=2), own), prints(trades.assign(seq=2), own)):
        assert rows["ask"].tolist() == [10.0], "the quote that the print moved"


def test_recorded_deribit_sells_keep_the_venues_side() -> None:
    """D1 34: ten prints of 1 USD at 2968.3, size 0.000337 ETH, sold: nothing of them is inferred."""
    trades = TRADES.batch(
        {
            "event_ns": START + np.arange(10), "instrument": ["ETH/USD:ETH"] * 10, "price": np.full(10, 2968.3),
            "size": np.full(10, 0.000337), "side": np.full(10, -1, np.int8), "side_source": "venue",
        }
    )  # fmt: skip
    found = prints(trades, QUOTES.empty())
    assert found["side"].tolist() == [-1] * 10 and set(found["side_source"]) == {"venue"}


# -- D2 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", cases("d2", "packages"))
def test_packages(row: dict[str, Any]) -> None:
    legs = [Leg(right, strike, expiry, side, size) for right, strike, side, size, expiry in row["legs"]]
    for order in (legs, legs[::-1]):
        found = packages(order)
        assert sorted(one.name for one in found) == sorted(row["expected"])
        used = [at for one in found for at in one.legs]
        assert len(used) == len(set(used)), "a contract is used once"
    if "uncovered" in row:
        assert uncovered(legs) == row["uncovered"]


CALL, PUT = "SPY   261218C00450000", "SPY   261218P00450000"


def straddle(order: tuple[int, ...] = (0, 1, 2), put_size: float = 20.0) -> pd.DataFrame:
    legs = [(CALL, "p2", 5, 2.0, 10.0), (CALL, "p1", 0, 2.0, 10.0), (PUT, "p3", 5, 1.5, put_size)]
    rows = sorted([legs[at] for at in order], key=lambda leg: leg[2])
    return TRADES.batch(
        {
            "event_ns": [START + leg[2] * MS for leg in rows],
            "instrument": [leg[0] for leg in rows],
            "trade_id": [leg[1] for leg in rows],
            "price": [leg[3] for leg in rows],
            "size": [leg[4] for leg in rows],
        }
    )


def test_a_straddle_of_two_packets_is_one_structure_in_either_order() -> None:
    """D2 1, 2 and 4: members, size, premium and id."""
    found = [
        structures(packets(straddle(order), QUOTES.empty())) for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0))
    ]
    first = found[0].iloc[0]
    assert len(found[0]) == 1 and first["kind"] == "straddle" and first["legs"] == 2 and first["prints"] == 3
    assert first["size"] == 40.0 and first["premium_usd"] == pytest.approx(4000 + 3000)
    members = sorted(one for leg in json.loads(first["evidence"])["legs"] for one in leg["prints"])
    assert members == ["p1", "p2", "p3"]
    assert {rows["structure_id"].iloc[0] for rows in found} == {first["structure_id"]}
    unlike = structures(packets(straddle(put_size=10.0), QUOTES.empty())).iloc[0]
    assert unlike["kind"] == "ratio" and unlike["symmetry"] == 0.5, "D2 6: two to one is no straddle"


def test_aggressive_ratio_and_coverage() -> None:
    """D2 5: call AA 1, MID 1, put BB 1."""
    quotes = QUOTES.batch(
        {"event_ns": [START] * 2, "instrument": [CALL, PUT], "bid": [1.0, 1.0], "ask": [1.5, 1.5]}
    )
    trades = TRADES.batch(
        {
            "event_ns": START + MS * np.arange(1, 4), "instrument": [CALL, CALL, PUT], "price": [1.6, 1.25, 0.9], "size": [1.0] * 3,
        }
    )  # fmt: skip
    rows = packets(trades, quotes)
    share = (rows["aggressive_ratio"] * rows["prints"]).sum() / rows["prints"].sum()
    assert share == pytest.approx(2 / 3) and (rows["coverage"] == 1.0).all()


def test_baselines_of_packets() -> None:
    """D2 8, 9 and 10: mean 12, sd 1.633, z 1.84; nothing to compare with is 0; old samples are forgotten."""
    held = np.array([10.0, 12.0, 14.0])
    assert z_score(15.0, held) == pytest.approx((15 - 12) / 1.632993, rel=1e-5)
    assert z_score(15.0, held[:0]) == 0.0 and z_score(15.0, np.full(3, 2.0)) == 0.0
    times = START + np.array([0, 1, 2, 3, 10]) * SECOND
    trades = TRADES.batch(
        {"event_ns": times, "instrument": [CALL] * 5, "price": [1.0, 1.2, 1.4, 1.5, 1.5], "size": [1.0] * 5}
    )
    rows = packets(trades, QUOTES.empty(), samples=3, history=5, ttl="5s")
    assert rows["premium_z"].iloc[3] == pytest.approx((150 - 120) / (10 * 1.632993), rel=1e-5)
    assert np.isnan(rows["premium_z"].iloc[4]) and rows["samples"].iloc[4] == 0


def test_net_debit_and_credit_follow_the_sides() -> None:
    """D2 28 and 29: a Deribit call spread sold at 0.0639 buys 75 000 C at 0.0174 and sells 70 000 C at 0.0813; one by fact."""
    low, high = "BTC/USD:BTC-260519-70000-C", "BTC/USD:BTC-260519-75000-C"
    trades = TRADES.batch(
        {
            "event_ns": [START] * 2, "instrument": [high, low], "price": [0.0174, 0.0813], "size": [0.1, 0.1],
            "side": np.array([1, -1], np.int8), "side_source": "venue", "flags": 2, "block_id": ["C1", "C1"], "index": 76_000.0,
            "venue": "deribit",
        }
    )  # fmt: skip
    found = structures(packets(trades, QUOTES.empty()))
    assert len(found) == 1, "counted once"
    row = found.iloc[0]
    assert row["by_fact"] and row["name"] == "bear call spread" and row["kind"] == "vertical"
    assert row["net_usd"] == pytest.approx(-0.0639 * 0.1 * 76_000.0)
    hits = classify(packets(trades, QUOTES.empty()))
    assert set(hits["parent_kind"]) == {"structure"}, "its legs are no flow of their own"


# -- D3 ---------------------------------------------------------------------------------------------------


def packet(row: dict[str, Any]) -> pd.DataFrame:
    days = row.get("days", 20)
    return PACKETS.batch(
        {
            "event_ns": [START], "instrument": ["SPY   261218C00450000"], "underlying": "SPY", "packet_id": ["p"], "burst": 1,
            "burst_packets": 1, "start_ns": START, "end_ns": START, "expiry_ns": START + round(days * DAY),
            "strike": float(row.get("strike", 450)), "right": row["right"], "prints": row["prints"], "size": float(row["size"]),
            "premium_usd": float(row["premium"]), "largest_usd": row["premium"] / row["prints"], "vwap": row.get("first", 1.0),
            "first_price": row.get("first", 1.0), "last_price": row.get("last", 1.0), "exchanges": row.get("exchanges", 2),
            "buy_ratio": float(row.get("buy", 0)), "sell_ratio": float(row.get("sell", 0)), "coverage": float(row["coverage"]),
            "directional": 1.0, "relative_spread": 0.05, "quote_age_ms": float(row.get("age_ms", 10)),
            "spot": float(row.get("spot", 450)), "pre_move": float(row.get("pre_move", 0)), "premium_z": number(row.get("premium_z")),
            "samples": row.get("samples", 0), "premium_rank": number(row.get("rank")), "open_interest": number(row.get("open_interest")),
            "volume_before": number(row.get("volume_before")), "evidence": '{"prints":["p1"]}',
        }
    )  # fmt: skip


@pytest.mark.parametrize("row", cases("d3", "packets"))
def test_classifiers(row: dict[str, Any]) -> None:
    hits = classify(packet(row)).set_index("classifier")
    assert row.get("silent") not in hits.index
    if "fires" not in row:
        return
    assert row["fires"] in hits.index, hits["explanation"].tolist()
    hit = hits.loc[row["fires"]]
    evidence = json.loads(hit["evidence"])
    assert hit["confidence"] == pytest.approx(sum(evidence["confidence"].values()))
    if "direction" in row:
        assert hit["direction"] == row["direction"]
    if "confidence" in row:
        assert hit["confidence"] == pytest.approx(row["confidence"])
    for name, value in row.get("parts", {}).items():
        assert evidence["confidence"][name] == value
    assert bool(hit["abstained"]) == row.get("abstained", False)
    if "reason" in row:
        assert hit["reason"] == row["reason"] and hit["alternatives"], "says why and what else"
    assert evidence["packet"] == "p" and evidence["prints"] == ["p1"] and "premium" in hit["explanation"]


@pytest.mark.parametrize("row", cases("d3", "scores"))
def test_scores(row: dict[str, Any]) -> None:
    parts = score_components(premium_usd=row["premium"], confidences=row["confidences"])
    assert sum(parts.values()) == pytest.approx(row["score"])
    assert severity(sum(parts.values())) == row["severity"]


@pytest.mark.parametrize("row", cases("d3", "verdicts"))
def test_opening_verdicts(row: dict[str, Any]) -> None:
    found = verdict(
        size=row["size"],
        open_interest=row["oi"],
        next_open_interest=number(row["next"]),
        expires_today=row.get("today", False),
    )
    assert (found.verdict, found.certain) == (row["verdict"], row["certain"])
    if "share" in row:
        assert found.share == pytest.approx(row["share"])


def test_vol_edge_of_a_print() -> None:
    """D3 33: 0.30 against a surface of 0.288 is +120 bps: the buyer paid up."""
    from workstation.market.tables import MARKS

    name = "BTC/USD:BTC-261225-100000-C"
    marks = MARKS.batch({"event_ns": [START], "instrument": [name], "mark_iv": [0.288], "index": [1e5]})
    trades = TRADES.batch(
        {"event_ns": [START + 1], "instrument": [name], "price": [0.02], "size": [1.0], "iv": [0.30]}
    )
    assert prints(trades, QUOTES.empty(), marks)["vol_edge_bps"].iloc[0] == pytest.approx(120.0)


@pytest.mark.parametrize(
    ("right", "strike", "days", "rate", "carry", "price", "vol"),
    [
        ("P", 118.0, 120, 0.045, 0.035, 18.31639499, 0.25),
        ("P", 106.0, 30, None, 0.05, 6.25297986, 0.2),
        ("C", 92.0, 30, None, -0.1, 1.01603734, 0.2),
    ],
)
def test_vol_edge_of_an_american_print(
    right: str, strike: float, days: int, rate: float | None, carry: float, price: float, vol: float
) -> None:
    """Prices of QuantLib, as in ``american_by_style.csv``; spots 100, 100 and 90."""
    spot = 90.0 if right == "C" else 100.0
    name, listed = "XYZ   270115C00100000", START + days * DAY
    terms = {
        "kind": "option",
        "underlying": "XYZ",
        "style": "american",
        "strike": strike,
        "right": right,
        "expiry_ns": listed,
    }
    engine = NbboPlacement(kinds=(), rate=rate)
    engine.update(
        INSTRUMENTS.batch(
            {"event_ns": [START], "instrument": [name]} | {key: [value] for key, value in terms.items()}
        ),
        "instruments",
    )
    forward = spot * np.exp(carry * days / 365.0)
    told = {
        "event_ns": [START],
        "instrument": [name],
        "mark_iv": [vol - 0.012],
        "index": [spot],
        "forward": [forward],
    }
    engine.update(MARKS.batch(told), "marks")
    rows = engine.update(
        TRADES.batch({"event_ns": [START], "instrument": [name], "price": [price], "size": [1.0]})
    )
    assert rows["iv"].iloc[0] == pytest.approx(vol, abs=2e-5)
    assert rows["vol_edge_bps"].iloc[0] == pytest.approx(120.0, abs=0.2)


# -- D4 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", cases("d4", "events"))
def test_offexchange_events(row: dict[str, Any]) -> None:
    given = [[*one, *["", "D", f"t{at}"][len(one) - 3 :]] for at, one in enumerate(row["prints"])]
    times = [START + at * SECOND for _, _, at, *_ in given]
    trades = TRADES.batch(
        {
            "event_ns": times, "instrument": ["AAPL"] * len(given), "price": [float(one[0]) for one in given],
            "size": [float(one[1]) for one in given], "exchange": [one[4] for one in given], "trade_id": [one[5] for one in given],
        }
    )  # fmt: skip
    quotes = QUOTES.batch(
        {
            "event_ns": [at - MS for at in times],
            "instrument": ["AAPL"] * len(given),
            "bid": 100.0,
            "ask": 100.1,
        }
    )
    found = offexchange(
        trades, quotes, block_shares=1000.0, shares=2000.0, prints=3, most_spread=0.01, window="60s"
    )
    assert found["kind"].tolist() == row["expected"]
    if "confidence" in row:
        assert found["confidence"].iloc[0] == pytest.approx(row["confidence"], abs=5e-4)
    for evidence in map(json.loads, found["evidence"]):
        assert evidence["members"] and all("bid" in member for member in evidence["members"])


@pytest.mark.parametrize("row", cases("d4", "reasons"))
def test_why_an_offexchange_print_says_nothing(row: dict[str, Any]) -> None:
    exchange, condition = row.get("exchange", "D"), row.get("condition", "")
    quote_rows = {"bid": row.get("bid", 100.0), "ask": row.get("ask", 100.1)}
    trades = TRADES.batch(
        {
            "event_ns": [START], "instrument": ["AAPL"], "price": [float(row.get("price", 100.05))],
            "size": [float(row.get("size", 500))], "exchange": [exchange], "condition": condition,
            "flags": flags([condition], tape="utp", exchanges=[exchange]),
        }
    )  # fmt: skip
    quotes = [quote("AAPL", START - round(row.get("age_s", 0.01) * SECOND), quote_rows)]
    if "late_s" in row:
        moved = {"bid": 200.0, "ask": 200.1}
        quotes.append(quote("AAPL", START + round(row["late_s"] * SECOND) - MS, moved))
        trades = trades.assign(seq=3)
        quotes = [rows.assign(seq=at) for at, rows in enumerate(quotes, start=1)]
    found = reasons(prints(trades, QUOTES.concat([QUOTES.conform(rows) for rows in quotes])))
    assert found.tolist() == [row["expected"]]


@pytest.mark.parametrize("row", cases("d4", "retail"))
def test_retail_prints(row: dict[str, Any]) -> None:
    assert retail_side([row["price"]]).tolist() == [row["expected"]]


def test_evidence_of_many_members_is_cut_and_counted() -> None:
    """D4 9 and 10: twenty of twenty-one members are shown; an unknown spread counts half."""
    from workstation.flow.offexchange import confidence

    times = START + np.arange(21) * MS
    trades = TRADES.batch(
        {"event_ns": times, "instrument": ["AAPL"] * 21, "price": 100.1, "size": 300.0, "exchange": "D"}
    )
    quotes = QUOTES.batch({"event_ns": [START - MS], "instrument": ["AAPL"], "bid": 100.0, "ask": 100.1})
    found = offexchange(trades, quotes, prints=21)
    evidence = json.loads(found["evidence"].iloc[0])
    assert len(evidence["members"]) == 20 and evidence["count"] == 21 == found["prints"].iloc[0]
    assert confidence(shares=0, least=1, spread=float("nan"), most_spread=0.01) == pytest.approx(0.45)


def test_a_cancel_takes_an_offexchange_event_back() -> None:
    trades = TRADES.batch(
        {
            "event_ns": [START, START + SECOND], "instrument": ["AAPL"] * 2, "price": 100.05, "size": 5000.0, "exchange": "D",
            "trade_id": ["x", "x"], "flags": np.array([8, 8 | 1 << 13], np.int32),
        }
    )  # fmt: skip
    quotes = QUOTES.batch({"event_ns": [START - MS], "instrument": ["AAPL"], "bid": 100.0, "ask": 100.1})
    found = offexchange(trades, quotes)
    assert found["retracted"].tolist() == [False, True] and found["event_id"].nunique() == 1
