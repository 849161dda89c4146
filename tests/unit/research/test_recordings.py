"""A recording of one's own: what does not fit its table is set aside and told, in blocks as row by row."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.engines import standard_engines
from workstation.feeds.tape.tape import Tape
from workstation.market.tables import TABLES
from workstation.research import replay as replay_module
from workstation.research.replay import ReplayWarning, replay

S = 10**9
T = 1_735_689_600 * S
ROWS = pd.DataFrame(
    {
        "seq": [1, 2, 3, 4],
        "event_ns": [T, T + S, T + 2 * S, T + 9 * S],
        "instrument": "X",
        "price": [1.0, 2, 3, 4],
        "size": 1.0,
    }
)


class Mine:
    """A recording that does not conform what it gives."""

    def __init__(self, trades: pd.DataFrame) -> None:
        self._trades = trades

    def read(self, table: str, start: Any = None, end: Any = None) -> pd.DataFrame:
        if table != "trades":
            return TABLES[table].empty()
        times = self._trades["event_ns"]
        return self._trades[(times >= start) & (times < end)].reset_index(drop=True)


BAD = {
    "infinite price": {"price": [1.0, np.inf, 3, 4]},
    "no price": {"price": [1.0, np.nan, 3, 4]},
    "text price": {"price": ["1", "x", "3", "4"]},
    "side 5": {"side": [0, 5, 0, 0]},
    "negative size": {"size": [1.0, -1, 1, 1]},
    "no instrument": {"instrument": ["X", None, "X", "X"]},
}


@pytest.mark.parametrize("in_blocks", [True, False])
@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_a_row_that_does_not_fit_costs_no_other(
    change: dict[str, list[Any]], in_blocks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_blocks:
        monkeypatch.setattr(replay_module, "suits", lambda engines, tables: False)
    with pytest.warns(ReplayWarning, match=r"1 rows were set aside: trades\.\w+, row"):
        made = replay(
            Mine(ROWS.assign(**change)),
            start=T,
            end=T + 20 * S,
            engines=standard_engines(["1s"], lateness="0s"),
        )
    assert made["candles"]["close"].tolist() == [1.0, 3.0, 4.0]


def test_rows_without_seq_and_of_extension_types_are_played() -> None:
    for rows in (ROWS.drop(columns="seq"), ROWS.convert_dtypes(), ROWS.astype({"instrument": "category"})):
        made = replay(Mine(rows), start=T, end=T + 20 * S, engines=standard_engines(["1s"], lateness="0s"))
        assert made["candles"]["close"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_tape_tells_it_in_health() -> None:
    tape = Tape(
        Mine(ROWS.assign(side=[0, 5, 0, 0])), start=T, end=T + 20 * S, tables=("trades",), speed="max"
    )

    async def play() -> list[tuple[str, int]]:
        await tape.connect()
        return [
            (batch.table, int(batch.frame["count"].iloc[0]) if batch.table == "health" else len(batch.frame))
            async for batch in tape.batches()
            if batch.table != "heartbeat"
        ]

    assert sorted(asyncio.run(play())) == [("health", 1), ("trades", 1), ("trades", 1), ("trades", 1)]
