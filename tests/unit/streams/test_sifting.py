"""One bad row costs its batch nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.market.tables import TRADES
from workstation.streams.hub import Hub
from workstation.streams.sifting import sift

BAD = {
    "infinite price": {"price": np.inf},
    "negative size": {"size": -5.0},
    "side 5": {"side": 5},
    "no instrument": {"instrument": None},
}


def trades(**bad: object) -> pd.DataFrame:
    rows = pd.DataFrame(
        {"event_ns": np.arange(1, 6) + 10**18, "instrument": "X", "price": 1.0, "size": 1.0, "side": 1}
    ).astype({"instrument": object})
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
