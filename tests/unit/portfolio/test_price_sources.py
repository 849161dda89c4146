"""Whose price a leg has: its own venue's first, a consolidated quote before one exchange's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.board.board import Board
from workstation.market.instruments import REGISTRY
from workstation.market.tables import FILLS, MARKS, QUOTES, TABLES
from workstation.portfolio.book import book
from workstation.portfolio.pnl import PnlSnapshots
from workstation.portfolio.prices import LegPrices
from workstation.streams.backpressure import newest_per_instrument

PERP = "BTC/USDT:USDT"
OPTION = "BTC/USD:BTC-261225-100000-C"
NS = 1_790_000_000 * 10**9


def quotes(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Quotes of the perpetual: venue, exchange, middle."""
    return QUOTES.conform(
        pd.DataFrame(
            [
                {
                    "event_ns": NS + at,
                    "instrument": PERP,
                    "venue": v,
                    "exchange": x,
                    "bid": p - 1,
                    "ask": p + 1,
                }
                for at, (v, x, p) in enumerate(rows)
            ]
        )
    )


@pytest.mark.parametrize("parted", [False, True])
@pytest.mark.parametrize(
    ("rows", "right"),
    [
        ([("okx", "", 100.0), ("bybit", "", 900.0)], 100.0),
        ([("bybit", "", 900.0), ("okx", "", 100.0), ("bybit", "", 901.0)], 100.0),
        ([("bybit", "", 900.0), ("binance", "", 500.0), ("bybit", "", 901.0)], 901.0),
        ([("bybit", "X", 900.0), ("binance", "", 500.0), ("bybit", "X", 901.0)], 500.0),
        ([("okx", "", 100.0), ("okx", "X", 99.0)], 100.0),
        ([("okx", "X", 99.0), ("bybit", "", 900.0)], 99.0),
    ],
)
def test_a_leg_of_okx_listens_to_okx(rows: list[tuple[str, str, float]], right: float, parted: bool) -> None:
    prices = LegPrices()
    prices.grow(REGISTRY.codes([PERP]), ["okx"])
    batch = quotes(*rows)
    for part in [batch.iloc[[at]] for at in range(len(batch))] if parted else [batch]:
        prices.take(part, "quotes")
    again = LegPrices()
    again.restore(prices.snapshot(), REGISTRY.codes([PERP]), ["okx"])
    again.take(quotes(("deribit", "", 7.0)), "quotes")
    assert prices.quoted().mark.tolist() == again.quoted().mark.tolist() == [right]


def two_venues(table: str) -> pd.DataFrame:
    """What two venues say of one option, deribit last."""
    said = {"event_ns": [NS, NS + 1], "instrument": OPTION, "venue": ["okx", "deribit"], "mark": [0.05, 0.09]}
    return TABLES[table].conform(
        pd.DataFrame(
            said
            | {"index": 100_000.0, "forward": 101_000.0, "mark_iv": [0.5, 0.9], "open_interest": [1.0, 2.0]}
        )
    )


def test_book_and_pnl_take_the_mark_of_the_venue_where_a_leg_is_held() -> None:
    held = pd.DataFrame(
        {
            "event_ns": NS,
            "instrument": OPTION,
            "venue": ["okx", "deribit", "bybit"],
            "quantity": 1.0,
            "entry": 0.04,
        }
    )
    for marks in (two_venues("marks"), two_venues("marks").iloc[::-1]):
        assert np.allclose(book(held, marks, NS + 2)["mark"], [0.05, 0.09, 0.09])
    engine = PnlSnapshots(every="1s")
    fills = [
        {
            "event_ns": NS,
            "instrument": OPTION,
            "venue": venue,
            "side": 1,
            "size": 1.0,
            "price": 0.04,
            "kind": "trade",
        }
        for venue in ("okx", "deribit")
    ]
    engine.update(FILLS.conform(pd.DataFrame(fills)), "fills")
    engine.update(two_venues("marks"), "marks")
    beat = TABLES["heartbeat"].conform(pd.DataFrame({"event_ns": [NS + 2 * 10**9]}))
    rows = engine.update(beat, "heartbeat")
    by_venue = dict(zip(rows["venue"].astype("str"), rows["unrealised"], strict=True))
    assert np.allclose([by_venue["okx"], by_venue["deribit"]], [1_000.0, 5_000.0])


def test_board_and_backlog_keep_what_each_venue_and_exchange_said() -> None:
    said = quotes(("okx", "", 1.0), ("bybit", "", 2.0), ("okx", "X", 3.0), ("okx", "", 4.0))
    kept, dropped = newest_per_instrument("quotes", [said.iloc[:2], said.iloc[2:]])
    assert (kept["bid"].tolist(), dropped) == ([1.0, 2.0, 3.0], 1)
    board = Board()
    board.add("quotes", said)
    board.add("marks", two_venues("marks"))
    assert sorted(board.latest("quotes")["bid"]) == [1.0, 2.0, 3.0]
    assert sorted(board.latest("marks")["mark"]) == [0.05, 0.09]
    chain = board.priced_chain("BTC")
    assert chain is not None and sorted(chain.contracts.open_interest.tolist()) == [1.0, 2.0]
    assert MARKS.name == "marks"
