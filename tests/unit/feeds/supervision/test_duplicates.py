"""Repeats are found within bounded memory; cancels and rows without ids stay."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from workstation.feeds import FEEDS, open_feed
from workstation.feeds.supervision.duplicates import SeenTrades
from workstation.market.errors import FeedError
from workstation.market.tables import TRADES, TradeFlag


def rows(*ids: str, instrument: str = "BTC/USD", flags: int = 0) -> pd.DataFrame:
    return TRADES.conform(
        pd.DataFrame(
            {
                "event_ns": range(len(ids)),
                "instrument": instrument,
                "price": 1.0,
                "size": 1.0,
                "trade_id": ids,
                "flags": flags,
            }
        )
    )


def test_repeats_go_cancels_namesakes_and_nameless_rows_stay():
    seen = SeenTrades(limit=100)
    assert seen.fresh(rows("a", "b"))["trade_id"].tolist() == ["a", "b"]
    assert seen.fresh(rows("b", "c", "", "c", ""))["trade_id"].tolist() == ["c", "", ""]
    assert len(seen.fresh(rows("a", instrument="ETH/USD"))) == 1
    cancel = rows("a", flags=int(TradeFlag.CANCEL))
    assert len(seen.fresh(cancel)) == 1
    assert len(seen.fresh(cancel)) == 0


def test_memory_is_bounded_and_the_newest_are_kept():
    seen = SeenTrades(limit=1_000)
    for batch in range(100):
        seen.fresh(rows(*(f"{batch}-{n}" for n in range(50))))
    assert len(seen) <= 1_000
    assert len(seen.fresh(rows("99-0", "90-3"))) == 0
    assert len(seen.fresh(rows("0-0"))) == 1


def test_feeds_are_opened_by_name_and_loaded_only_then():
    assert open_feed("synthetic", seed=3).name == "synthetic"
    with pytest.raises(FeedError, match=f"known are {', '.join(FEEDS)}") as refused:
        open_feed("nasdaq")
    assert refused.value.fatal
    code = "import sys, workstation.feeds; print(sorted(m for m in sys.modules if m.startswith('workstation.feeds.') and '__file__' in vars(sys.modules[m])))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "['workstation.feeds.feed']"
