"""Laws of conform and concat, and of the registry, over arbitrary batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.market.conditions import conditions, flags, read_conditions
from workstation.market.instruments import InstrumentRegistry
from workstation.market.tables import TRADES, TradeFlag

names = st.sampled_from(["BTC/USD", "ETH/USD", "AAPL", "SPXW  261218C06000000", "BTC/USD:BTC"])
words = st.one_of(st.none(), st.sampled_from(["", "okx", "deribit", "opra"]))
numbers = st.floats(0.0, allow_nan=False, allow_infinity=False, width=32)
rows = st.fixed_dictionaries(
    {
        "event_ns": st.integers(0, 2**62),
        "instrument": names,
        "price": numbers,
        "size": numbers,
        "side": st.sampled_from([-1, 0, 1]),
        "venue": words,
        "trade_id": words,
        "iv": st.one_of(st.just(np.nan), numbers),
    }
)
REQUIRED = {"event_ns", "instrument", "price", "size"}


@st.composite
def batches(draw: st.DrawFn) -> pd.DataFrame:
    content = draw(st.lists(rows, min_size=1, max_size=6))
    optional = {name for name in ("side", "venue", "trade_id", "iv") if draw(st.booleans())}
    frame = pd.DataFrame(content)[draw(st.permutations(sorted(REQUIRED | optional)))]
    if "venue" in frame and draw(st.booleans()):
        frame["venue"] = frame["venue"].astype("category")
    return frame


def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.astype(dict.fromkeys(frame.columns, object)).fillna("nan").to_dict("records")


@given(frame=batches())
@effort(60)
def test_conforming_keeps_what_was_brought_and_is_idempotent(frame: pd.DataFrame) -> None:
    registry = InstrumentRegistry()
    before = frame.copy(deep=True)
    once = TRADES.conform(frame, registry)
    pd.testing.assert_frame_equal(frame, before)
    assert list(once.columns) == list(TRADES.names)
    for name in frame.columns:
        want = frame[name].astype(object).where(frame[name].notna(), np.nan if name == "iv" else "").tolist()
        np.testing.assert_equal(once[name].tolist(), want)
    pd.testing.assert_frame_equal(TRADES.conform(once, registry), once)
    pd.testing.assert_frame_equal(TRADES.conform(once.copy(), registry), once)


@given(
    parts=st.lists(batches(), min_size=1, max_size=4),
    conformed=st.lists(st.booleans(), min_size=4, max_size=4),
)
@effort(60)
def test_concat_is_the_rows_one_after_the_other(parts: list[pd.DataFrame], conformed: list[bool]) -> None:
    registry = InstrumentRegistry()
    given_parts = [
        TRADES.conform(p, registry) if done else p for p, done in zip(parts, conformed, strict=False)
    ]
    joined = TRADES.concat(given_parts, registry)
    singly = [TRADES.conform(part, InstrumentRegistry()) for part in parts]
    assert plain(joined) == [row for frame in singly for row in plain(frame)]
    pd.testing.assert_frame_equal(TRADES.conform(joined, registry), joined)


@given(arrivals=st.lists(st.lists(st.text("AB/1", min_size=1, max_size=3), max_size=5), max_size=8))
@effort(60)
def test_codes_are_first_come_first_numbered_and_stay(arrivals: list[list[str]]) -> None:
    registry, order = InstrumentRegistry(), []
    held: list[tuple[list[str], pd.Categorical]] = []
    for arrival in arrivals:
        order += [name for name in dict.fromkeys(arrival) if name not in order]
        held.append((arrival, registry.categorical(registry.codes(arrival))))
        assert registry.codes(arrival).tolist() == [order.index(name) for name in arrival]
    for arrival, values in held:
        assert list(values) == arrival
        assert list(registry.conform(pd.Series(values))) == arrival
    assert registry.names(range(len(order))).tolist() == order


@given(printed=st.lists(st.sampled_from([*conditions("opra"), "", "?"]), max_size=40))
def test_flags_of_many_are_the_flags_of_each(printed: list[str]) -> None:
    table = conditions("opra")
    said = flags(printed) & ~int(TradeFlag.NO_PRICE | TradeFlag.VOID)
    assert said.tolist() == [int(table[code].flags) if code in table else 0 for code in printed]
    as_category = read_conditions(pd.Series(printed, dtype="str").astype("category"))
    pd.testing.assert_frame_equal(as_category, read_conditions(printed))


@given(frame=batches(), forms=st.lists(st.sampled_from(["list", "array", "series"]), min_size=8, max_size=8))
@effort(60)
def test_a_batch_of_columns_is_the_frame_of_them_conformed(frame: pd.DataFrame, forms: list[str]) -> None:
    columns = {
        name: frame[name].tolist()
        if form == "list"
        else frame[name].array
        if form == "array"
        else frame[name]
        for name, form in zip(frame.columns, forms, strict=False)
    }
    want = TRADES.conform(frame, InstrumentRegistry())
    made = TRADES.batch(columns, registry=InstrumentRegistry())
    assert plain(made) == plain(want)
    assert made.dtypes.astype(str).tolist() == want.dtypes.astype(str).tolist()


@given(word=words, number=numbers, side=st.sampled_from([-1, 0, 1]), count=st.integers(0, 4))
def test_one_value_stands_for_all_rows(word: str | None, number: float, side: int, count: int) -> None:
    columns = {"event_ns": list(range(count)), "instrument": "BTC/USD", "price": number, "size": 1, "side": side, "venue": word,
               "trade_id": word}  # fmt: skip
    made = TRADES.batch(columns, registry=InstrumentRegistry())
    want = TRADES.conform(pd.DataFrame(columns, index=range(count)), InstrumentRegistry())
    assert plain(made) == plain(want)
