"""Table.conform, concat and describe."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.market.errors import TableError
from workstation.market.instruments import InstrumentRegistry
from workstation.market.tables import FRAMES, MARKS, NO_TIME, TABLES, TRADES, table
from workstation.market.tables.frames import STACKED_ROWS, arrays_of, frame_of


def trades(names: list[str], **columns: object) -> pd.DataFrame:
    rows = len(names)
    frame = pd.DataFrame(
        {
            "event_ns": np.arange(rows),
            "instrument": names,
            "price": np.arange(1.0, rows + 1),
            "size": np.ones(rows),
        }
    )
    return frame.assign(**columns)


@pytest.fixture
def registry() -> InstrumentRegistry:
    return InstrumentRegistry()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_an_empty_frame_is_conformed_and_in_the_dtypes_declared(
    name: str, registry: InstrumentRegistry
) -> None:
    declared = table(name)
    empty = declared.empty(registry)
    assert list(empty.columns) == list(declared.names)
    pd.testing.assert_frame_equal(declared.conform(empty, registry), empty)
    for column in declared.columns:
        if column.dtype is not None:
            assert empty[column.name].dtype == column.dtype


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_column_ending_in_ns_is_whole_nanoseconds_and_only_those_are_unknown_times(name: str) -> None:
    for column in table(name).columns:
        if column.name.endswith("_ns"):
            assert column.kind == "int64"
        if column.unknown == NO_TIME:
            assert column.name.endswith("_ns")


def test_what_is_not_brought_is_unknown(registry: InstrumentRegistry) -> None:
    row = TRADES.conform(trades(["BTC/USD"]), registry).iloc[0]
    assert (row["seq"], row["side"], row["flags"], row["trade_id"], row["venue"]) == (0, 0, 0, "", "")
    assert np.isnan(row["iv"])
    marks = MARKS.conform(pd.DataFrame({"event_ns": [1], "instrument": ["X"]}), registry)
    assert marks["open_interest_ns"].tolist() == [NO_TIME]


def test_conforming_twice_changes_nothing(registry: InstrumentRegistry) -> None:
    once = TRADES.conform(trades(["A", "B", "A"], venue="okx", condition=["I", None, "S"]), registry)
    pd.testing.assert_frame_equal(TRADES.conform(once, registry), once)
    pd.testing.assert_frame_equal(TRADES.conform(once.copy(), registry), once)


def test_a_selection_of_a_conformed_frame_conforms_on_a_fresh_index(registry: InstrumentRegistry) -> None:
    once = TRADES.conform(trades(["A", "B", "A", "C"]), registry)
    part = TRADES.conform(once[once["instrument"] == "A"], registry)
    assert part.index.equals(pd.RangeIndex(2))
    assert part["price"].tolist() == [1.0, 3.0]
    assert TRADES.conform(once[2:], registry)["instrument"].tolist() == ["A", "C"]


def test_neither_frame_feels_a_change_of_the_other(registry: InstrumentRegistry) -> None:
    brought = TRADES.conform(trades(["A", "B"]), registry)
    taken = TRADES.conform(brought, registry)
    taken["seq"] = np.array([7, 8])
    taken.loc[0, "price"] = 99.0
    assert brought["seq"].tolist() == [0, 0]
    assert brought["price"].tolist() == [1.0, 2.0]
    assert TRADES.conform(trades(["A", "B"]), registry)["iv"].isna().all()


def test_unknown_columns_are_not_shared_between_frames(registry: InstrumentRegistry) -> None:
    one = TRADES.conform(trades(["A", "B"]), registry)
    one.loc[0, "iv"] = 0.5
    assert TRADES.conform(trades(["A", "B"]), registry)["iv"].isna().all()


def test_a_conformed_frame_spoilt_afterwards_is_found_out(registry: InstrumentRegistry) -> None:
    frame = TRADES.conform(trades(["A", "B"]), registry)
    frame.loc[1, "price"] = np.nan
    with pytest.raises(TableError, match=r"trades\.price, row 1: missing value"):
        TRADES.conform(frame, registry)
    other = TRADES.conform(trades(["A", "B"]), registry)
    other["side"] = ["buy", "sell"]
    with pytest.raises(TableError, match=r"trades\.side, row 0: expected int8 holds 'buy'"):
        TRADES.conform(other, registry)


def test_another_registry_is_noticed(registry: InstrumentRegistry) -> None:
    frame = TRADES.conform(trades(["A", "B"]), registry)
    other = InstrumentRegistry()
    other.codes(["Z", "B"])
    taken = TRADES.conform(frame, other)
    assert taken["instrument"].tolist() == ["A", "B"]
    assert taken["instrument"].cat.codes.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (trades(["A"]).drop(columns="price"), r"trades\.price: required column is missing"),
        (trades(["A"], colour="red"), r"trades\.colour: no such column"),
        (trades(["A", "B"], size=[1.0, np.nan]), r"trades\.size, row 1: missing value"),
        (trades(["A", "B"], price=["1", "x"]), r"trades\.price, row 1: expected float64 holds 'x'"),
        (trades(["A", "B"], event_ns=[1.0, 1.5]), r"trades\.event_ns, row 1: expected int64 holds 1\.5"),
        (trades(["A", "B"], side=[1, 300]), r"trades\.side, row 1: expected int8 holds 300"),
        (trades(["A", "B"], event_ns=[1.0, np.nan]), r"trades\.event_ns, row 1"),
        (trades(["A", ""]), r"trades\.instrument"),
        (trades(["A", "B"], instrument=["A", None]), r"trades\.instrument, row 1: missing value"),
    ],
)
def test_bad_batches_say_where(frame: pd.DataFrame, message: str, registry: InstrumentRegistry) -> None:
    with pytest.raises(TableError, match=message):
        TRADES.conform(frame, registry)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sise": 1.0}, "trades.sise: no such column"),
        ({"size": [1.0, 2.0, 3.0]}, "trades.size: 3 values where the batch has 2 rows"),
        ({"size": "much"}, "trades.size"),
        ({"price": [1.0, np.nan]}, "trades.price, row 1: missing value"),
        ({"price": None}, "trades.price, row 0: missing value"),
    ],
)
def test_a_batch_of_bad_columns_says_where(
    changed: dict[str, object], message: str, registry: InstrumentRegistry
) -> None:
    columns = {"event_ns": [1, 2], "instrument": "BTC/USD", "price": 1.0, "size": 1.0} | changed
    with pytest.raises(TableError) as told:
        TRADES.batch(columns, registry=registry)
    assert message in str(told.value)


def test_two_columns_of_one_name_are_refused(registry: InstrumentRegistry) -> None:
    twice = pd.concat([trades(["A"]), trades(["A"])[["price"]]], axis=1)
    with pytest.raises(TableError, match=r"trades\.price: 2 columns"):
        TRADES.conform(twice, registry)


def test_missing_bytes_are_refused() -> None:
    with pytest.raises(TableError, match=r"frames\.payload, row 1"):
        FRAMES.conform(pd.DataFrame({"event_ns": [1, 2], "feed": "x", "payload": [b"a", None]}))


def test_missing_words_become_empty(registry: InstrumentRegistry) -> None:
    frame = trades(
        ["A", "B"], venue=pd.Categorical(["okx", None]), trade_id=["1", None], exchange=["D", np.nan]
    )
    row = TRADES.conform(frame, registry).iloc[1]
    assert (row["venue"], row["trade_id"], row["exchange"]) == ("", "", "")


def test_columns_are_contiguous_whatever_they_come_from(registry: InstrumentRegistry) -> None:
    block = np.arange(12.0).reshape(6, 2)
    frame = trades(list("ABCDEF"))
    frame = frame.assign(price=pd.Series(block[:, 1]), size=block[:, 0])
    frame["size"] = frame["size"].to_numpy()[::-1]
    done = TRADES.conform(frame, registry)
    assert all(a.flags.c_contiguous for a in arrays_of(done) if isinstance(a, np.ndarray))
    assert done["price"].tolist() == [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]


def test_concat_joins_frames_of_older_and_newer_registry_dtypes(registry: InstrumentRegistry) -> None:
    older = TRADES.conform(trades(["A"], venue="okx", trade_id="1"), registry)
    newer = TRADES.conform(trades(["B", "A"], venue=["bybit", "okx"], trade_id=["2", "3"]), registry)
    assert older["instrument"].dtype != newer["instrument"].dtype
    joined = TRADES.concat([older, newer, trades(["C"])], registry)
    assert joined["instrument"].tolist() == ["A", "B", "A", "C"]
    assert joined["instrument"].cat.codes.tolist() == [0, 1, 0, 2]
    assert joined["venue"].tolist() == ["okx", "bybit", "okx", ""]
    assert joined["trade_id"].tolist() == ["1", "2", "3", ""]
    assert joined["price"].tolist() == [1.0, 1.0, 2.0, 1.0]
    assert joined["instrument"].dtype == registry.dtype
    pd.testing.assert_frame_equal(TRADES.conform(joined, registry), joined)


def test_concat_of_nothing_and_of_one(registry: InstrumentRegistry) -> None:
    assert TRADES.concat([], registry).empty
    one = TRADES.conform(trades(["A"]), registry)
    pd.testing.assert_frame_equal(TRADES.concat([one], registry), one)
    pd.testing.assert_frame_equal(TRADES.concat([TRADES.empty(registry), one], registry), one)


@pytest.mark.parametrize("rows", [3, STACKED_ROWS + 1])
def test_a_frame_built_quickly_is_the_frame_pandas_builds(rows: int) -> None:
    arrays = {
        "a": np.arange(rows),
        "b": pd.Categorical.from_codes(np.zeros(rows, dtype=np.int8), categories=["x"]),
        "c": np.linspace(0, 1, rows),
        "d": pd.array(["y"] * rows, dtype="str"),
    }
    quick = frame_of(list(arrays.values()), pd.Index(list(arrays), dtype="str"), rows)
    pd.testing.assert_frame_equal(quick, pd.DataFrame(arrays))
    for got, (name, given) in zip(arrays_of(quick), arrays.items(), strict=True):
        assert len(got) == rows
        assert got.dtype == given.dtype, name


def test_a_frame_of_ones_own_is_numbered_where_it_is(registry: InstrumentRegistry) -> None:
    own = TRADES.conform(trades(["A", "B"]), registry)
    assert TRADES.number(own, 5, registry) is own
    assert own["seq"].tolist() == [5, 6]
    shared = own.copy(deep=False)
    assert TRADES.number(shared, 8, registry)["seq"].tolist() == [8, 9]
    assert own["seq"].tolist() == [5, 6]
    assert TRADES.number(own[1:], 3, registry)["seq"].tolist() == [3]
    with pytest.raises(TableError, match=r"trades\.price: required column is missing"):
        TRADES.number(own.drop(columns="price"), 1, registry)


def test_numbering_changes_neither_the_frame_brought_nor_later_the_frame_made(
    registry: InstrumentRegistry,
) -> None:
    brought = TRADES.conform(trades(["A", "B"]), registry)
    made = TRADES.numbered(brought, 5, registry)
    made.loc[0, "price"] = 99.0
    brought.loc[1, "size"] = 7.0
    assert brought["seq"].tolist() == [0, 0]
    assert brought["price"].tolist() == [1.0, 2.0]
    assert made["size"].tolist() == [1.0, 1.0]
    assert made["seq"].tolist() == [5, 6]
    pd.testing.assert_frame_equal(TRADES.conform(made, registry), made)


def test_describe_lists_every_column_with_its_unit() -> None:
    rows = MARKS.describe().set_index("column")
    assert rows.loc["mark_iv", "unit"] == "annual decimal"
    assert list(rows.index) == list(MARKS.names)


def test_arrow_schema_carries_the_units() -> None:
    assert MARKS.arrow.field("vega").metadata == {b"unit": b"USD per 1.00 vol"}


def test_an_unknown_table_is_named() -> None:
    with pytest.raises(TableError, match="nosuch: no such table; known are alerts"):
        table("nosuch")
