"""An indicator of one's own runs like ours: live, on a tape, in replay, over history, and it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation import indicator, open_desk, open_feed, replay
from workstation.desk import Desk
from workstation.indicators.own import Indicator, WindowIndicator, engine_of
from workstation.market.digest import digest
from workstation.market.engine import SnapshotError
from workstation.market.errors import TableError
from workstation.market.tables import TABLES, Column, Table, declare, own_table
from workstation.market.tables import table as table_named

PERPETUAL = "BTC/USD:BTC"


def made() -> Indicator:
    @indicator(every="1s", window="5s", columns={"low": "USD", "high": "USD"})
    def price_range(rows: pd.DataFrame) -> dict[str, float]:
        """Lowest and highest price of the last five seconds."""
        return {"low": rows.price.min(), "high": rows.price.max()}

    return price_range


def trades(rows: int = 400, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    event_ns = 10**9 + np.cumsum(rng.integers(0, 60_000_000, rows)) - rng.integers(0, 2, rows) * 200_000_000
    names = rng.choice([PERPETUAL, "ETH/USD:ETH"], rows)
    frame = pd.DataFrame(
        {"event_ns": event_ns, "instrument": names, "price": 100 + rng.normal(size=rows), "size": 1.0}
    )
    return TABLES["trades"].conform(frame)


def test_it_is_what_plain_pandas_gives() -> None:
    rows = trades()
    rows = rows.sort_values("event_ns", kind="stable").reset_index(drop=True)
    found = made()(rows)
    assert len(found) > 10
    for one in found.iloc[::3].to_dict("records"):
        inside = rows[
            (rows["event_ns"] > one["event_ns"] - 5 * 10**9)
            & (rows["event_ns"] <= one["event_ns"])
            & (rows["instrument"] == one["instrument"])
        ]
        assert (one["low"], one["high"]) == (inside["price"].min(), inside["price"].max())


@pytest.mark.parametrize("parts", [2, 37])
def test_any_split_gives_the_same_rows(parts: int) -> None:
    rows, engine = trades(), made().engine()
    split = [
        engine.update(rows.iloc[part].reset_index(drop=True))
        for part in np.array_split(np.arange(len(rows)), parts)
    ]
    assert digest([table_named("price_range").concat(split)]) == digest([made()(rows)])
    assert engine.late == _run(rows).late > 0


def _run(rows: pd.DataFrame) -> WindowIndicator:
    engine = made().engine()
    engine.update(rows)
    return engine


def test_a_snapshot_goes_on_and_refuses_other_parameters() -> None:
    rows = trades()
    whole, first, second = made().engine(), made().engine(), made().engine()
    first.update(rows.iloc[:200])
    second.restore(first.snapshot())
    after = second.update(rows.iloc[200:].reset_index(drop=True))
    whole.update(rows.iloc[:200])
    assert digest([after]) == digest([whole.update(rows.iloc[200:].reset_index(drop=True))])
    with pytest.raises(SnapshotError):
        made().kind(every="2s").restore(first.snapshot())


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    tape = open_feed("synthetic", seed=3, duration_s=6.0, speed="max", rate=60.0, history_minutes=0.5)
    desk = open_desk([tape], str(tmp_path_factory.mktemp("own") / "store"))
    assert desk.attach(made()) == "price_range"
    assert desk.attach(made()) == "price_range"  # the cell runs again
    with desk:
        assert desk.wait(120)
    yield desk
    assert desk.history is not None
    desk.history.close()


def test_live_is_replay_is_history(desk: Desk) -> None:
    assert desk.history is not None
    kept = desk.history.read("price_range").sort_values("seq", kind="stable").reset_index(drop=True)
    assert len(kept) > 3 and digest([kept]) == digest([desk.board.latest("price_range")])
    again = replay(desk.history, engines=[made().engine()], progress=False)["price_range"]
    assert (
        again["high"].tolist() == kept["high"].tolist()
        and again["event_ns"].tolist() == kept["event_ns"].tolist()
    )
    assert int(desk.history.sql("SELECT count(*) AS n FROM price_range")["n"].iloc[0]) == len(kept)


def test_a_desk_shows_itself_with_its_feeds_and_rows(desk: Desk) -> None:
    shown = desk._repr_html_()
    assert "synthetic" in shown and "price_range" in shown and "stopped" in shown
    assert "price_range" in desk.board._repr_html_()


def test_one_that_fails_stops_alone_and_is_told(tmp_path: Any) -> None:
    @indicator(every="1s", window="5s")
    def broken(rows: pd.DataFrame) -> float:
        raise KeyError("no such thing")

    with open_desk(
        [open_feed("synthetic", seed=3, duration_s=3.0, speed="max", rate=60.0, history_minutes=0.1)]
    ) as desk:
        desk.attach(broken)
        assert desk.wait(120)
    assert desk.hub.branches["broken"] == "failed" and "no such thing" in desk.hub.status("broken").reason
    assert desk.hub.branches["Candles"] == "running"
    assert "broken" in desk._repr_html_()


def test_what_cannot_be_attached_is_said() -> None:
    desk = open_desk([open_feed("synthetic", seed=3)])
    with pytest.raises(TypeError, match="neither an engine"):
        desk.attach(print)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="there are none"):
        desk.detach("price_range")
    assert isinstance(engine_of(made()), WindowIndicator) and isinstance(
        engine_of(made().kind), WindowIndicator
    )


def test_tables_of_ones_own_are_checked() -> None:
    with pytest.raises(TableError, match="choose another"):
        declare(own_table("trades", {"x": ""}))
    with pytest.raises(TableError, match="is no name"):
        own_table("My Table", {"x": ""})
    with pytest.raises(TableError, match="already"):
        own_table("mine", {"seq": ""})
    with pytest.raises(TableError, match="every table has this column"):
        declare(Table("mine", (Column("x", "float64"),)))


def test_an_indicator_of_several_columns_gives_a_mapping() -> None:
    @indicator(every="1s", window="5s", columns={"a": "", "b": ""})
    def two(rows: pd.DataFrame) -> float:
        return 1.0

    with pytest.raises(TypeError, match="give a mapping"):
        two(trades())
