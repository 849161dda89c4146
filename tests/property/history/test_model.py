"""Whatever is done to a store, it answers like a plain list of rows."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.property.effort import effort
from workstation.history import open_history

NAMES = ("AAA", "BBB", "CCC")
times = st.integers(0, 100)
names = st.sampled_from(NAMES)
trade_rows = st.lists(st.tuples(times, names, st.integers(1, 9)), min_size=1, max_size=12)
candle_rows = st.lists(st.tuples(times, names, st.sampled_from((10, 60))), min_size=1, max_size=8)


class StoreModel(RuleBasedStateMachine):
    """The store beside two Python lists."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="model-"))
        self.history = self.open()
        self.trades: list[dict] = []
        self.candles: list[dict] = []
        self.batches: list[pd.DataFrame] = []
        self.seq = 0

    def open(self):
        return open_history(self.folder, upkeep=False, roll_rows=20)

    def teardown(self):
        self.history.close()
        shutil.rmtree(self.folder)

    def number(self) -> int:
        self.seq += 1
        return self.seq

    @rule(rows=trade_rows)
    def write_trades(self, rows):
        made = [{"seq": self.number(), "event_ns": t, "instrument": n, "price": float(p)} for t, n, p in rows]
        self.trades.extend(made)
        self.batches.append(pd.DataFrame(made).assign(size=1.0))
        assert self.history.write("trades", self.batches[-1]) == len(made)

    @rule(pick=st.integers(0, 3), rows=trade_rows)
    def repeat_an_old_batch_with_new_rows_behind_it(self, pick, rows):
        if pick >= len(self.batches):
            return
        old = self.batches[-1 - pick]
        known = {row["seq"] for row in self.trades}
        lost = [row for row in old.drop(columns="size").to_dict("records") if row["seq"] not in known]
        made = [{"seq": self.number(), "event_ns": t, "instrument": n, "price": float(p)} for t, n, p in rows]
        both = pd.concat([old, pd.DataFrame(made).assign(size=1.0)], ignore_index=True)
        assert self.history.write("trades", both) == len(made) + len(lost)
        self.trades.extend(lost + made)

    @rule(rows=candle_rows)
    def write_candles(self, rows):
        made = [
            {"event_ns": t, "instrument": n, "every_ns": e, "volume": float(self.number())}
            for t, n, e in rows
        ]
        self.candles.extend(made)
        assert self.history.write("candles", pd.DataFrame(made)) == len(made)

    @rule(table=st.sampled_from(("trades", "candles", None)))
    def roll(self, table):
        self.history.roll(table)

    @rule(table=st.sampled_from(("trades", None)))
    def compact(self, table):
        self.history.compact(table)

    @rule(cutoff=st.integers(0, 60))
    def retain(self, cutoff):
        for name in ("trades", "candles"):
            rows = getattr(self, name)
            kept = [row for row in rows if row["event_ns"] >= cutoff]
            assert self.history.retain(name, seconds=0, now=cutoff) == len(rows) - len(kept)
            setattr(self, name, kept)

    @rule()
    def reopen(self):
        self.history.close()
        self.history = self.open()

    @rule(start=times, length=times, chosen=st.sets(names))
    def read_a_window(self, start, length, chosen):
        end = start + length
        got = self.history.read("trades", start, end, sorted(chosen), columns=["seq", "instrument", "price"])
        inside = [r for r in self.trades if start <= r["event_ns"] < end and r["instrument"] in chosen]
        expected = sorted(inside, key=lambda r: (r["event_ns"], r["seq"]))
        assert list(got.itertuples(index=False, name=None)) == [
            (r["seq"], r["instrument"], r["price"]) for r in expected
        ]
        answer = self.history.sql(
            "SELECT count(*) AS n, coalesce(sum(price), 0) AS total FROM trades "
            "WHERE event_ns >= $start AND event_ns < $end",
            start=start,
            end=end,
        )
        within = [r["price"] for r in self.trades if start <= r["event_ns"] < end]
        assert answer.values.tolist() == [[len(within), sum(within)]]

    @invariant()
    def holds_the_last_written_candle_of_every_key(self):
        newest = {(r["event_ns"], r["instrument"], r["every_ns"]): r["volume"] for r in self.candles}
        got = self.history.read("candles", columns=["event_ns", "instrument", "every_ns", "volume"])
        assert {(t, n, e): v for t, n, e, v in got.itertuples(index=False)} == newest
        assert len(got) == len(newest)
        assert len(self.history.read("candles", revisions=True)) == len(self.candles)

    @invariant()
    def counts_its_rows_and_knows_the_newest(self):
        sizes = self.history.tables().set_index("name")["rows"].to_dict()
        counts = {"trades": len(self.trades), "candles": len(self.candles)}
        assert sizes == {name: rows for name, rows in counts.items() if rows}
        newest: dict[str, dict] = {}
        for row in sorted(self.trades, key=lambda r: (r["event_ns"], r["seq"])):
            newest[row["instrument"]] = row
        assert set(self.history.latest("trades")["seq"]) == {row["seq"] for row in newest.values()}


TestStoreModel = StoreModel.TestCase
TestStoreModel.settings = effort(
    25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
