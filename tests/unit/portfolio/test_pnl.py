"""PNL snapshots: the live engine on hand-made streams, and on a paper book over recorded days."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workstation.feeds.files import Rejections, read
from workstation.history import open_history
from workstation.market.tables import FILLS, HEARTBEAT, MARKS, PNL, QUOTES
from workstation.portfolio.book import book
from workstation.portfolio.explain import PARTS, cents, explain
from workstation.portfolio.paper import paper_fills, removal
from workstation.portfolio.pnl import COLUMNS, PnlSnapshots, curves
from workstation.portfolio.positions import positions, settlements

OPTION, SWAP = "BTC/USD:BTC-260327-70000-C", "BTC/USDT:USDT"
EXPIRY = pd.Timestamp("2026-03-27T08:00").value
MINUTE = 60 * 10**9
ADDING = list(COLUMNS.values())


def beat(at_ns: int) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [at_ns]}))


def bought(at_ns: int, name: str = OPTION, price: float = 0.03, size: float = 2.0) -> pd.DataFrame:
    row = {
        "event_ns": [at_ns],
        "instrument": name,
        "venue": "deribit",
        "side": 1,
        "price": price,
        "size": size,
        "index": 70_000.0,
    }
    return FILLS.conform(pd.DataFrame(row))


def marked(at_ns: int, index: float) -> pd.DataFrame:
    row = {
        "event_ns": [at_ns],
        "instrument": OPTION,
        "mark_iv": 0.5,
        "mark": max(0.01, 1 - 70_000 / index),
        "forward": index,
        "index": index,
    }
    return MARKS.conform(pd.DataFrame(row))


def test_nothing_is_given_and_nothing_kept_before_the_first_fill() -> None:
    engine = PnlSnapshots(every="1min")
    for place in range(5):
        assert engine.update(marked(place * MINUTE, 70_000.0), "marks").empty
    assert not engine.snapshot()["latest"]["instruments"]


def test_a_fee_in_coin_is_worth_the_index_of_the_fill_before_it_in_the_same_batch() -> None:
    first = bought(EXPIRY - 10 * MINUTE, "BTC/USD")
    second = bought(EXPIRY - 9 * MINUTE, "BTC/USD").assign(index=np.nan, fee=0.0003, fee_currency="BTC")
    fees = []
    for batches in ([pd.concat([first, FILLS.conform(second)], ignore_index=True)], [first, second]):
        engine = PnlSnapshots(every="1min")
        for batch in batches:
            engine.update(FILLS.conform(batch), "fills")
        rows = engine.update(beat(EXPIRY - 5 * MINUTE), "heartbeat")
        fees.append(rows.iloc[0]["fees"])
    assert fees == [pytest.approx(-0.0003 * 70_000), pytest.approx(-0.0003 * 70_000)]


def test_the_index_settles_what_the_venue_did_not() -> None:
    engine = PnlSnapshots(every="1min", settle_after="15min")
    engine.update(bought(EXPIRY - 10 * MINUTE), "fills")
    engine.update(marked(EXPIRY - MINUTE, 80_000.0), "marks")
    engine.update(marked(EXPIRY + MINUTE, 99_000.0), "marks")
    rows = engine.update(beat(EXPIRY + 16 * MINUTE), "heartbeat")
    last = rows[rows["instrument"].notna()].iloc[-1]
    assert last["event_ns"] == EXPIRY + 15 * MINUTE
    assert last["realised"] == pytest.approx(2 * (0.125 - 0.03) * 80_000) and last["unrealised"] == 0.0
    assert last[ADDING].sum() == pytest.approx(last["total"])
    assert engine.positions()["settlement_source"].tolist() == ["index at 2026-03-27T07:59:00Z"]


def test_the_venues_settlement_comes_first() -> None:
    engine = PnlSnapshots(every="1min")
    engine.update(bought(EXPIRY - 10 * MINUTE), "fills")
    engine.update(marked(EXPIRY - MINUTE, 80_000.0), "marks")
    settled = bought(EXPIRY + 5 * 10**9, price=0.12).assign(
        side=-1, kind="settlement", index=79_545.0, fill_id="delivery"
    )
    rows = engine.update(FILLS.conform(settled), "fills")
    rows = PNL.concat([rows, engine.update(beat(EXPIRY + 30 * MINUTE), "heartbeat")])
    assert rows.iloc[-1]["realised"] == pytest.approx(2 * 0.09 * 79_545)
    assert engine.positions()["settlement_source"].tolist() == ["venue"]


@pytest.mark.parametrize("together", [True, False])
def test_fills_taken_back_leave_the_book_as_if_they_had_never_been(together: bool) -> None:
    wrong, right = bought(MINUTE, size=5.0).assign(fill_id="book:2"), bought(4 * MINUTE, size=2.0)
    engine, clean = PnlSnapshots(every="1min"), PnlSnapshots(every="1min")
    engine.update(FILLS.conform(wrong), "fills")
    engine.update(marked(2 * MINUTE, 71_000.0), "marks")
    engine.update(marked(3 * MINUTE, 75_000.0), "marks")
    fills = [removal(FILLS.conform(wrong), event_ns=3 * MINUTE), right]
    for batch in [FILLS.concat(fills)] if together else fills:
        engine.update(batch, "fills")
    clean.update(right, "fills")
    for one in (engine, clean):
        one.update(marked(5 * MINUTE, 71_500.0), "marks")
    rows = [one.update(marked(6 * MINUTE, 72_000.0), "marks").iloc[-1] for one in (engine, clean)]
    for name in ("total", "realised", "unrealised", "fees"):
        assert rows[0][name] == pytest.approx(rows[1][name]), name
    assert rows[0][ADDING].sum() == pytest.approx(rows[0]["total"])
    assert engine.positions()["quantity"].tolist() == [2.0]


def test_a_book_taken_back_can_be_loaded_anew() -> None:
    book = FILLS.conform(bought(MINUTE, size=5.0).assign(fill_id="book:2"))
    gone = removal(book, event_ns=2 * MINUTE)
    assert positions(FILLS.concat([book, gone]))["quantity"].tolist() == [0.0]
    assert positions(FILLS.concat([book, gone, book]))["quantity"].tolist() == [5.0]
    assert positions(FILLS.concat([book, book]))["quantity"].tolist() == [5.0]


def test_a_leg_without_a_mark_makes_the_book_unknown_not_zero() -> None:
    engine = PnlSnapshots(every="1min")
    engine.update(bought(1, SWAP, 70_000.0, 1.0), "fills")
    rows = engine.update(beat(MINUTE), "heartbeat")
    assert rows["total"].isna().all() and rows["realised"].eq(0.0).all()
    quotes = pd.DataFrame({"event_ns": [MINUTE + 1], "instrument": SWAP, "bid": 70_099.0, "ask": 70_101.0})
    engine.update(QUOTES.conform(quotes), "quotes")
    rows = engine.update(beat(2 * MINUTE), "heartbeat")
    assert rows["total"].tolist() == [100.0, 100.0] and rows["new_trades"].tolist() == [100.0, 100.0]


@pytest.mark.parametrize("bad", [{"every": "0s"}, {"settle_after": "-1s"}])
def test_parameters_are_checked(bad: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must"):
        PnlSnapshots(**bad)


BOOK = """time,venue,instrument,side,size,price,fee,fee_currency,kind,index
2026-03-20T04:40:00Z,deribit,BTC-27MAR26-70000-C,buy,2,0.0290,0.0006,BTC,trade,70914.75
2026-03-20T04:40:00Z,okx,BTC-USD-260327-75000-C,sell,3,0.0080,0.0009,BTC,trade,70914.75
2026-03-20T04:41:00Z,bybit,BTC-27MAR26-65000-P-USDT,sell,1,500,4.5,USDT,trade,70914.75
2026-03-20T04:41:00Z,okx,BTC-USD-260626-70000-P,buy,0.5,0.0800,0.00015,BTC,trade,70914.75
2026-03-20T04:42:00Z,deribit,BTC-PERPETUAL,sell,35000,70900,0.0002,BTC,trade,70914.75
2026-03-22T08:00:00Z,deribit,BTC-PERPETUAL,,,,-0.00011,BTC,funding,69000
2026-03-24T12:00:00Z,deribit,BTC-27MAR26-70000-C,sell,0.5,0.0200,0.00015,BTC,trade,70500
2026-03-27T08:00:00Z,deribit,BTC-27MAR26-70000-C,,,0,,,settlement,68000
"""
"""Deribit's option is settled by the venue's word; the other two expire without one, at the index."""


@pytest.fixture(scope="module")
def days(sample_data: Path) -> list[pd.DataFrame]:
    """BTC marks of the snapshots of 20-29 March 2026: the chain as told, the same options as Bybit names them (USDT), a perpetual at the index."""
    files = sorted((sample_data / "crypto_options" / "deribit_chain_snapshots").glob("*202603[2]?T*.csv.gz"))
    if not files:
        pytest.skip("the recorded chain snapshots of 20-29 March 2026 are absent")
    return [frame for path in files for frame in _marks(path)]


def _marks(path: Path) -> Iterator[pd.DataFrame]:
    for _, frame in read("table", path, Rejections(), mapping="deribit_snapshots"):
        coin = frame[frame["instrument"].astype("str").str.startswith("BTC/USD:BTC-")]
        linear = coin.assign(instrument=coin["instrument"].astype("str").str.replace("USD:BTC", "USDT:USDT"))
        # the linear twin is worth the coin price at the forward, in dollars
        linear = linear.assign(
            **{name: coin[name] * coin["forward"] for name in ("bid", "ask", "mark", "last")}
        )
        index = float(coin["index"].iloc[-1])
        perp = pd.DataFrame(
            {
                "event_ns": [int(coin["event_ns"].max())],
                "instrument": "BTC/USD:BTC",
                "mark": index,
                "index": index,
            }
        )
        yield MARKS.concat([MARKS.conform(coin), MARKS.conform(linear), MARKS.conform(perp)])


@pytest.fixture(scope="module")
def fills(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("paper") / "three_exchanges.csv"
    path.write_text(BOOK)
    return paper_fills(path)


@pytest.fixture(scope="module")
def complete(days: list[pd.DataFrame], fills: pd.DataFrame) -> pd.DataFrame:
    """The paper fills and, for the two options no venue settled, settlements at the index."""
    asof = int(days[-1]["event_ns"].max())
    made = settlements(positions(fills), MARKS.concat(days), asof)
    return FILLS.concat([fills, made]).sort_values("event_ns", kind="stable").reset_index(drop=True)


def by_hand(fills: pd.DataFrame, marks: pd.DataFrame) -> float:
    """PnL in USD of linear legs and coin of inverse ones at the index: cash in and out, and what is left at the mark.

    Only for books whose coin gains are turned at one index: used where every flow has it.
    """
    newest = marks.groupby(marks["instrument"].astype("str"))["mark"].last()
    gained = 0.0
    for (_, name), part in fills.groupby([fills["venue"].astype("str"), fills["instrument"].astype("str")]):
        trades = part[part["kind"].isin(["trade", "settlement"])]
        signed = trades["side"] * trades["size"]
        left = 0.0 if (part["kind"] == "settlement").any() else signed.sum()
        mark = newest[name] if left else 0.0
        gained += -(signed * trades["price"]).sum() + left * mark - part["fee"].fillna(0.0).sum()
    return gained


@pytest.mark.recorded
def test_the_two_options_no_venue_settled_expire_at_the_index(complete: pd.DataFrame) -> None:
    held = positions(complete).set_index(["venue", "instrument"])
    okx, bybit = (
        held.loc[("okx", "BTC/USD:BTC-260327-75000-C")],
        held.loc[("bybit", "BTC/USDT:USDT-260327-65000-P")],
    )
    for row in (okx, bybit):
        assert row["quantity"] == 0.0 and row["settlement_source"].startswith("index at 2026-03-27T04:59:4")
    assert held.loc[("deribit", OPTION), "settlement_source"] == "venue"
    assert okx["settled_usd"] > 0.0, "the sold call expired worthless: its premium is kept"
    assert held.loc[("deribit", "BTC/USD:BTC"), "funding_usd"] == pytest.approx(7.59)
    assert (held["quantity"] != 0.0).sum() == 2


@pytest.mark.recorded
def test_a_paper_book_of_three_exchanges_over_recorded_days_is_explained_to_the_cent(
    days: list[pd.DataFrame], complete: pd.DataFrame
) -> None:
    asofs = [int(marks["event_ns"].max()) for marks in days]
    # fills lie between the first and the second snapshot, so the book begins empty
    before = book(positions(complete[complete["event_ns"] <= asofs[0]]), days[0], asofs[0])
    assert before.empty
    sums = pd.Series(0.0, index=[*PARTS, "total"])
    moved = 0.0
    for start, asof, marks in zip(asofs, asofs[1:], days[1:], strict=False):
        at = complete["event_ns"]
        flows = complete[(at > start) & (at <= asof)]
        after = book(positions(complete[at <= asof]), marks, asof)
        step = explain(before, after, flows)
        assert step.notna().all(axis=None)
        assert step.loc["total", list(PARTS)].sum() == pytest.approx(step.loc["total", "total"], abs=0.005)
        shown = cents(step)
        assert (shown[list(PARTS)].sum(axis=1) - shown["total"]).abs().max() < 0.005
        sums, before = sums + step.loc["total"], after
        moved += step.drop(index="total")[["delta", "gamma", "vega", "theta"]].abs().sum().sum()
    names = ["realised_usd", "settled_usd", "funding_usd", "fees_usd", "unrealised_usd"]
    assert sums["total"] == pytest.approx(before[names].sum().sum(), abs=0.005)
    assert sums[list(PARTS)].sum() == pytest.approx(sums["total"], abs=0.005)
    assert sums["funding"] == pytest.approx(7.59) and sums["fees"] < 0.0
    assert sums["settlement"] != 0.0 and sums["new_trades"] != 0.0
    print(
        f"\nexplained over {len(asofs)} snapshots, USD:\n{sums.round(2).to_string()}\nsum of absolute moves {moved:.2f}"
    )
    assert abs(sums["residual"]) < 0.02 * moved


@pytest.mark.recorded
def test_the_totals_are_the_cash_and_the_marks(days: list[pd.DataFrame], complete: pd.DataFrame) -> None:
    """The Bybit leg is linear: its PnL is its cash alone. An inverse option's, in coin, is its cash and its mark."""
    asof = int(days[-1]["event_ns"].max())
    found = book(positions(complete), days[-1], asof).set_index(["venue", "instrument"])
    bybit = complete[complete["venue"] == "bybit"]
    row = found.xs("bybit").iloc[0]
    assert row["settled_usd"] + row["fees_usd"] == pytest.approx(by_hand(bybit, days[-1]), abs=1e-9)
    assert row["fees_usd"] == -4.50
    for venue, name in (("deribit", OPTION), ("okx", "BTC/USD:BTC-260626-70000-P")):
        part = complete[(complete["venue"] == venue) & (complete["instrument"] == name)]
        row = found.loc[(venue, name)]
        coin = row["realised"] + row["unrealised"] - part["fee"].fillna(0.0).sum()
        assert coin == pytest.approx(by_hand(part, days[-1]), abs=1e-12)


@pytest.mark.recorded
def test_the_live_engine_tells_the_same_and_history_gives_the_curves(
    days: list[pd.DataFrame], fills: pd.DataFrame, complete: pd.DataFrame, tmp_path: Path
) -> None:
    engine, rows = PnlSnapshots(every="1min", settle_after="0s"), []
    stream = [("marks", marks) for marks in days] + [
        ("fills", fills.iloc[[row]]) for row in range(len(fills))
    ]
    stream.sort(key=lambda pair: int(pair[1]["event_ns"].max()))
    for table, frame in stream:
        rows.append(engine.update(FILLS.conform(frame) if table == "fills" else frame, table))
    asof = int(days[-1]["event_ns"].max())
    rows.append(engine.update(beat(asof + 2 * MINUTE), "heartbeat"))
    pnl = PNL.concat(rows)
    # the tick at which the last snapshot is shown ages the book by less than a minute; prices and PnL do not see it
    want = book(positions(complete), days[-1], asof)
    names = ["realised_usd", "settled_usd", "funding_usd", "fees_usd", "unrealised_usd"]
    whole = pnl[pnl["instrument"].isna()]
    last = whole.iloc[-1]
    assert last["total"] == pytest.approx(want[names].sum().sum(), abs=0.005)
    assert (whole[ADDING].sum(axis=1) - whole["total"]).abs().max() < 0.005
    history = open_history(str(tmp_path / "history"))
    try:
        history.write("pnl", pnl.assign(seq=np.arange(1, len(pnl) + 1)))
        lines = curves(history.read("pnl"))
    finally:
        history.close()
    assert lines["book"].iloc[-1] == pytest.approx(last["total"], abs=1e-9)
    legs = lines.drop(columns="book")
    assert legs.shape[1] == 5
    known = lines["book"].notna()
    assert known.sum() > 30
    np.testing.assert_allclose(legs.sum(axis=1)[known], lines["book"][known], atol=1e-6)
