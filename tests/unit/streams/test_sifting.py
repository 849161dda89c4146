"""One bad row costs its batch nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import INSTRUMENTS, TRADES
from workstation.streams.hub import Hub
from workstation.streams.sifting import sift

BAD = {
    "infinite price": {"price": np.inf},
    "negative size": {"size": -5.0},
    "negative price": {"price": -1.0},
    "infinite mark": {"mark": np.inf},
    "infinite index": {"index": -np.inf},
    "side 5": {"side": 5},
    "no instrument": {"instrument": None},
}


def trades(**bad: object) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "event_ns": np.arange(1, 6) + 10**18, "instrument": "X", "price": 1.0, "size": 1.0, "side": 1, "mark": 1.0,
            "index": np.nan,
        }
    ).astype({"instrument": object})  # fmt: skip
    for name, value in bad.items():
        rows.loc[2, name] = value
    return rows


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_the_others_of_a_batch_are_accepted_and_the_bad_one_is_told(bad: dict[str, object]) -> None:
    hub, seen, told = Hub(), [], []
    hub.attach("seen", ["trades"], lambda _, frame: seen.extend(frame["event_ns"].tolist()))
    hub.attach("told", ["health"], lambda _, frame: told.extend(frame["count"].tolist()))
    hub.publish("trades", trades(**bad))
    assert [at - 10**18 for at in seen] == [1, 2, 4, 5]
    assert told == [1] and hub.rejected["trades"] == 1 and len(hub.set_aside[-1].frame) == 1


def test_a_batch_that_lacks_a_column_is_refused_whole() -> None:
    kept, refused = sift(TRADES, trades().drop(columns="price"))
    assert kept.empty and [len(part.frame) for part in refused] == [5]


@pytest.mark.parametrize(
    ("instrument", "kept"),
    [("ESZ26", True), ("BTC/USD", False), ("BTC/USD:BTC", False), ("SPXW  261218C06000000", False)],
)
def test_a_price_below_zero_is_a_future_s_alone(instrument: str, kept: bool) -> None:
    INSTRUMENT_TERMS.register(
        INSTRUMENTS.conform(pd.DataFrame({"event_ns": [0], "instrument": "ESZ26", "kind": "future"}))
    )
    hub, seen = Hub(), []
    hub.attach("seen", ["quotes"], lambda _, frame: seen.extend(frame["bid"].tolist()))
    rows = {
        "event_ns": [10**18, 10**18 + 1],
        "instrument": instrument,
        "bid": [-1.0, 2.0],
        "ask": [np.nan, 3.0],
    }
    hub.publish("quotes", pd.DataFrame(rows))
    hub.settle()
    assert seen == ([-1.0, 2.0] if kept else [2.0])
