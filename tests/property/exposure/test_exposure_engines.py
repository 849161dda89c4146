"""Any split of the input, any save and restore: the same rows."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.exposure.book import ExposureBook
from workstation.exposure.levels import Levels
from workstation.market.tables import HEARTBEAT, MARKS, TRADES

SECOND = 1_000_000_000
EXPIRY = pd.Timestamp("2026-11-27 08:00", tz="UTC").value
NAMES = [
    f"{u}/USD:{u}-{d}-{k}-{r}"
    for u in ("BTC", "ETH")
    for d in ("261127", "261225")
    for k in (900, 1100)
    for r in "CP"
]
ENGINES: list[tuple[type[Any], dict[str, Any]]] = [
    (ExposureBook, {"every": "7s"}),
    (ExposureBook, {"every": "10s", "sign_model": "flow", "stale_after_s": 45.0}),
    (Levels, {"every": "10s"}),
    (Levels, {"every": "5s", "basis": "volume", "sign_model": "short_all", "stale_after_s": 60.0}),
]

Tape = list[tuple[str, pd.DataFrame]]


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    """Runs of marks, trades and heartbeats around an expiry, each a batch in seq order; late rows included."""
    seed = draw(st.integers(0, 2**32 - 1))
    runs = draw(
        st.lists(
            st.tuples(st.sampled_from(["marks", "marks", "trades", "heartbeat"]), st.integers(1, 12)),
            min_size=1,
            max_size=8,
        )
    )
    rng = np.random.default_rng(seed)
    clock = EXPIRY - int(rng.integers(10, 90)) * SECOND
    tape: Tape = []
    for table, size in runs:
        steps = rng.choice(
            [0, 1, 3 * SECOND, 12 * SECOND, -4 * SECOND, 70 * SECOND],
            size,
            p=[0.4, 0.15, 0.2, 0.1, 0.1, 0.05],
        )
        event_ns = clock + np.cumsum(steps)
        clock = int(event_ns.max())
        columns: dict[str, Any] = {"event_ns": event_ns}
        if table == "marks":
            columns |= {
                "instrument": rng.choice(NAMES, size),
                "mark_iv": rng.choice([0.4, 0.7, np.nan], size),
                "open_interest": rng.choice([1.0, 50.0, np.nan], size),
                "open_interest_ns": rng.choice(
                    [EXPIRY - 86_400 * SECOND, EXPIRY - 10 * 3600 * SECOND, EXPIRY + 3600 * SECOND], size
                ),
                "volume_24h": rng.choice([0.0, 5.0], size),
                "forward": rng.choice([1000.0, 1010.0, np.nan], size),
                "index": rng.choice([990.0, 1005.0], size),
            }
        if table == "trades":
            columns |= {
                "instrument": rng.choice(NAMES, size),
                "price": 0.1,
                "size": 2.0,
                "side": rng.integers(-1, 2, size),
            }
        of = {"marks": MARKS, "trades": TRADES, "heartbeat": HEARTBEAT}[table]
        tape.append((table, of.conform(pd.DataFrame(columns))))
    return [*tape, ("heartbeat", HEARTBEAT.conform(pd.DataFrame({"event_ns": [clock + 60 * SECOND]})))]


def run(engine: Any, tape: Tape) -> list[pd.DataFrame]:
    return [engine.update(batch, table) for table, batch in tape]


def joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    frame = pd.concat(parts, ignore_index=True)
    for name in ("underlying", "sign_model", "basis", "zero_gamma_reason"):
        if name in frame:
            frame[name] = frame[name].astype("str")
    return frame


def split(tape: Tape, cuts: list[int]) -> Tape:
    pieces: Tape = []
    for number, (table, batch) in enumerate(tape):
        at = sorted({0, len(batch), *(cut % (len(batch) + 1) for cut in cuts[number::3])})
        pieces += [(table, batch.iloc[a:b].reset_index(drop=True)) for a, b in pairwise(at)]
    return pieces


@pytest.mark.parametrize(("engine", "parameters"), ENGINES)
@effort(12)
@given(tape=tapes(), cuts=st.lists(st.integers(0, 100), max_size=12))
def test_any_split_gives_the_same_rows(
    engine: type[Any], parameters: dict[str, Any], tape: Tape, cuts: list[int]
) -> None:
    whole = joined(run(engine(**parameters), tape))
    pieces = joined(run(engine(**parameters), split(tape, cuts)))
    pd.testing.assert_frame_equal(pieces, whole)


@pytest.mark.parametrize(("engine", "parameters"), ENGINES)
@effort(8)
@given(tape=tapes(), where=st.integers(0, 8))
def test_a_restored_engine_goes_on(
    engine: type[Any], parameters: dict[str, Any], tape: Tape, where: int
) -> None:
    first = engine(**parameters)
    before = run(first, tape[:where])
    kept = pickle.loads(pickle.dumps(first.snapshot()))
    second = engine(**parameters)
    second.restore(kept)
    rest = run(second, tape[where:])
    whole = joined(run(engine(**parameters), tape))
    pd.testing.assert_frame_equal(joined([*before, *rest]), whole)
    pd.testing.assert_frame_equal(joined([*before, *run(first, tape[where:])]), whole)


@effort(12)
@given(tape=tapes())
def test_snapshots_fall_on_ticks_and_never_go_back(tape: Tape) -> None:
    rows = joined(run(Levels(every="10s"), tape))
    assert (rows["event_ns"] % (10 * SECOND) == 0).all()
    assert rows["event_ns"].is_monotonic_increasing
    assert not rows.duplicated(["event_ns", "underlying"]).any()
    shown = joined(run(ExposureBook(every="10s"), tape))
    assert (shown["expiry_ns"] > shown["event_ns"]).all()
    net = shown.groupby(["event_ns", "underlying"])["gex"].sum(min_count=1)
    told = rows[rows["contracts"] > 0].set_index(["event_ns", "underlying"])["net_gex"]
    np.testing.assert_allclose(net, told.reindex(net.index), rtol=1e-9, atol=1e-9)
