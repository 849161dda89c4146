"""What a column cannot hold, at the edge and for whoever takes in a source's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.market.errors import TableError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY, InstrumentRegistry
from workstation.market.tables import LIQUIDATIONS, MARKS, QUOTES, TABLES, TRADES, Table

TRADE = {"event_ns": [1, 2], "instrument": "BTC/USD:BTC", "price": [5.0, 5.0], "size": [1.0, 1.0]}
REFUSED: list[tuple[Table, str, Any]] = [
    (TRADES, "price", np.inf), (TRADES, "price", -np.inf), (TRADES, "size", -1.0), (TRADES, "size", np.inf),
    (TRADES, "side", 5), (TRADES, "side", -2), (TRADES, "iv", -0.1), (QUOTES, "bid_size", -1.0), (QUOTES, "ask_size", np.inf),
    (MARKS, "open_interest", -1.0), (MARKS, "mark_iv", np.inf), (MARKS, "bid_iv", -1.0), (MARKS, "volume_24h", -1.0),
    (LIQUIDATIONS, "side", 3), (LIQUIDATIONS, "size", -1.0), (LIQUIDATIONS, "price", np.inf),
]  # fmt: skip


def batch(table: Table, column: str, value: Any) -> pd.DataFrame:
    frame = pd.DataFrame(TRADE)
    if table not in (TRADES, LIQUIDATIONS):
        frame = frame.drop(columns=["price", "size"])
    good = frame[column].iloc[0] if column in frame else 0
    return frame.assign(**{column: [good, value]})


@pytest.mark.parametrize(("table", "column", "value"), REFUSED)
@pytest.mark.parametrize("how", ["conform", "numbered", "replaced", "unpickled"])
def test_the_edge_refuses_it_by_name(table: Table, column: str, value: Any, how: str) -> None:
    registry = InstrumentRegistry()
    frame = batch(table, column, value)
    if how in ("replaced", "unpickled"):
        bad = frame[column]
        frame = table.conform(batch(table, column, 0.0 if bad.dtype.kind == "f" else 0), registry)
        frame = frame.copy() if how == "unpickled" else frame
        frame[column] = bad.to_numpy().astype(frame[column].dtype)
    with pytest.raises(
        TableError, match=rf"{table.name}\.{column}, row 1: {column} (below|above|that is not finite)"
    ):
        table.numbered(frame, 1, registry) if how == "numbered" else table.conform(frame, registry)


@pytest.mark.parametrize("value", [np.nan, 0.0, 1e300, 5e-324])
def test_what_is_possible_passes(value: float) -> None:
    for column in ("iv", "index", "size"):
        if not (column == "size" and np.isnan(value)):
            assert len(TRADES.conform(batch(TRADES, column, value), InstrumentRegistry())) == 2


@pytest.mark.parametrize(
    ("name", "never"),
    [("BTC/USD:BTC", True), ("AAPL", True), ("SPXW  261218C06000000", True), ("BTC/USD:BTC-261225", False), ("CLK0 spread", False)],
)  # fmt: skip
def test_a_price_below_zero_is_the_instruments_affair(name: str, never: bool) -> None:
    frame = pd.DataFrame(TRADE | {"instrument": name, "price": [5.0, -37.63]})
    assert TRADES.conform(frame, InstrumentRegistry())["price"].tolist() == [5.0, -37.63]

    def kinds(names: list[str]) -> list[str]:
        return INSTRUMENT_TERMS.kinds(REGISTRY.codes(names))

    found = [(column, rows.tolist()) for column, rows, _ in TRADES.impossible(frame, kinds)]
    assert found == ([("price", [False, True])] if never else [])


def test_rows_are_told_for_each_column() -> None:
    frame = pd.DataFrame(TRADE | {"price": [np.inf, -np.inf], "size": [-1.0, np.nan], "side": [5, -1]})
    told = {reason: rows.tolist() for _, rows, reason in TRADES.impossible(frame)}
    assert told == {
        "price that is not finite": [True, True], "size below 0": [True, False], "side above 1": [True, False],
    }  # fmt: skip


def test_unknowns_of_every_table_are_possible() -> None:
    for table in TABLES.values():
        for column in table.columns:
            if column.bounded:
                values = np.array([column.unknown], dtype=column.kind)
                assert not list(table.impossible(pd.DataFrame({column.name: values})))
