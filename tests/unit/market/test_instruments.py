"""The registry: append-only, stable under threads, bounded memory; terms of instruments."""

from __future__ import annotations

import gc
import pickle
import threading

import numpy as np
import pandas as pd
import pytest

from workstation.market.instruments import InstrumentRegistry
from workstation.market.tables import INSTRUMENTS, NO_TIME


@pytest.fixture
def registry() -> InstrumentRegistry:
    return InstrumentRegistry()


def test_codes_never_change_as_names_come(registry: InstrumentRegistry) -> None:
    first = registry.categorical(registry.codes(["A", "B"]))
    registry.codes([f"N{i}" for i in range(500)])
    again = registry.conform(pd.Series(first))
    assert list(again) == ["A", "B"]
    assert again.dtype == registry.dtype
    assert registry.codes(["B", "A"]).tolist() == [1, 0]
    assert registry.names([1, 0]).tolist() == ["B", "A"]


def test_threads_that_append_at_once_agree(registry: InstrumentRegistry) -> None:
    names = [f"N{i}" for i in range(400)]
    seen: dict[int, dict[str, int]] = {}
    start = threading.Barrier(6)

    def append(worker: int) -> None:
        order = np.random.default_rng(worker).permutation(names).tolist()
        start.wait()
        codes: dict[str, int] = {}
        for name in order:
            codes[name] = int(registry.codes([name])[0])
            held = registry.categorical(np.array([codes[name]], dtype=np.int32))
            assert list(held) == [name]
        seen[worker] = codes

    threads = [threading.Thread(target=append, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert all(codes == seen[0] for codes in seen.values())
    assert len(registry) == 400
    assert sorted(seen[0].values()) == list(range(400))


def test_indexes_nobody_uses_any_more_are_let_go(registry: InstrumentRegistry) -> None:
    held = registry.categorical(registry.codes(["first"]))
    for i in range(300):
        registry.categorical(registry.codes([f"N{i}"]))
    gc.collect()
    assert len(registry._issued) <= 3
    assert registry.issued(held)
    assert list(registry.conform(pd.Series(held))) == ["first"]


def test_categories_of_elsewhere_are_read_by_name(registry: InstrumentRegistry) -> None:
    registry.codes(["A", "B"])
    foreign = pd.Series(pd.Categorical(["B", None, "C"], categories=["C", "B"]))
    taken = registry.conform(foreign)
    assert taken.codes.tolist() == [1, -1, 2]
    back = pickle.loads(pickle.dumps(registry.conform(pd.Series(["A", "C"]))))
    assert not registry.issued(back)
    assert registry.conform(pd.Series(back)).codes.tolist() == [0, 2]


def test_a_name_must_be_a_word(registry: InstrumentRegistry) -> None:
    with pytest.raises(ValueError, match="non-empty string, got ''"):
        registry.codes([""])
    with pytest.raises(ValueError, match="non-empty string, got 3"):
        registry.codes([3])  # type: ignore[list-item]


def test_describe_reads_the_name_when_nothing_is_registered(registry: InstrumentRegistry) -> None:
    names = [
        "BTC/USD:BTC-261225-100000-C",
        "SPXW  261218C06000000",
        "AAPL",
        "BTC/USDT:USDT",
        "what is this",
        "AAPL1 261218P00100000",
    ]
    rows = registry.describe(names)
    assert list(rows.columns) == list(INSTRUMENTS.names)
    assert rows["instrument"].tolist() == names
    assert rows["kind"].tolist() == ["option", "option", "equity", "perpetual", "", "option"]
    assert rows["underlying"].tolist() == ["BTC", "SPX", "AAPL", "BTC", "", "AAPL"]
    assert rows["style"].tolist() == ["european", "european", "", "", "", "american"]
    assert rows["premium_currency"].tolist() == ["BTC", "USD", "USD", "USDT", "", "USD"]
    assert rows["inverse"].tolist() == [True, False, False, False, False, False]
    np.testing.assert_array_equal(rows["multiplier"], [1.0, 100.0, 1.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(rows["strike"], [100000.0, 6000.0, np.nan, np.nan, np.nan, 100.0])
    assert rows["expiry_ns"].iloc[0] == pd.Timestamp("2026-12-25 08:00", tz="UTC").value
    assert rows["expiry_ns"].iloc[1] == pd.Timestamp("2026-12-18 16:00", tz="America/New_York").value
    assert rows["expiry_ns"].iloc[4] == NO_TIME
    pd.testing.assert_frame_equal(INSTRUMENTS.conform(rows, registry), rows)


def test_what_is_registered_wins_and_the_name_fills_the_rest(registry: InstrumentRegistry) -> None:
    name = "BTC/USD:BTC-261225-100000-C"
    assert registry.describe([name])["multiplier"].tolist() == [1.0]
    registry.register(
        INSTRUMENTS.conform(
            pd.DataFrame(
                {
                    "event_ns": [1],
                    "instrument": name,
                    "kind": "option",
                    "multiplier": 0.01,
                    "venue": "okx",
                    "inverse": True,
                }
            ),
            registry,
        )
    )
    row = registry.describe([name]).iloc[0]
    assert (row["multiplier"], row["venue"], row["strike"], row["right"]) == (0.01, "okx", 100000.0, "C")
    assert registry.terms(name) is not None
    assert registry.terms("unheard of") is None


def test_describe_keeps_order_repeats_and_grows(registry: InstrumentRegistry) -> None:
    many = [f"BTC/USD:BTC-261225-{strike}-{right}" for strike in range(1000, 40_000, 500) for right in "CP"]
    rows = registry.describe([*many, many[3], many[3]])
    assert rows["instrument"].tolist() == [*many, many[3], many[3]]
    assert rows["strike"].iloc[-1] == rows["strike"].iloc[3] == 1500.0
    assert len(registry.describe()) == len(many)
    by_category = registry.describe(rows["instrument"])
    pd.testing.assert_frame_equal(by_category, rows)
    late = registry.describe(["ETH/USD"])
    assert late["underlying"].tolist() == ["ETH"]
    assert registry.describe([]).empty


def test_describe_refuses_a_missing_name(registry: InstrumentRegistry) -> None:
    with pytest.raises(ValueError, match="missing name at row 1"):
        registry.describe(pd.Series(["A", None]))


def test_a_date_no_calendar_knows_leaves_the_expiry_unknown(registry: InstrumentRegistry) -> None:
    rows = registry.describe(["SPXW  991218C06000000"])
    assert (rows["kind"].iloc[0], rows["expiry_ns"].iloc[0]) == ("option", NO_TIME)
