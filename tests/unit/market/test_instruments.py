"""The registry: append-only, stable under threads, bounded memory; terms of instruments."""

from __future__ import annotations

import gc
import pickle
import threading

import numpy as np
import pandas as pd
import pytest

from workstation.market.instruments import InstrumentRegistry


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
