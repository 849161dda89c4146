"""Open interest in DBN statistics."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.unit.feeds.files.dbn_files import (
    CALL,
    ES,
    OPRA,
    UNDEFINED_TIME,
    T,
    dbn,
    header,
    statistic,
    tables,
    write,
)
from workstation.feeds.files import Rejections
from workstation.market.tables import NO_TIME

DAY_NS = 86_400 * 10**9
AGAIN = "open interest that another exchange or message gave already"
HEAD = header("OPRA.PILLAR", OPRA)


@pytest.mark.parametrize("old", [False, True])
def test_open_interest_of_every_exchange_is_taken_once(tmp_path: Path, old: bool) -> None:
    records = [statistic(number, 4242, 1500, at=T + number, old=old) for number in (20, 22, 23, 37)]
    rejections = Rejections()
    marks = tables(write(tmp_path / "a.dbn", HEAD, records), rejections)["marks"]
    assert marks[["instrument", "open_interest", "venue"]].values.tolist() == [[CALL, 1500.0, "opra"]]
    assert marks["open_interest_ns"].tolist() == [T]
    assert marks["event_ns"].tolist() == [T + 20 + 100]
    assert rejections.counts == {AGAIN: 3}


def test_another_day_or_another_value_is_news(tmp_path: Path) -> None:
    records = [
        statistic(20, 4242, 1500), statistic(22, 4242, 1500, at=T + 1, ref=T + DAY_NS), statistic(23, 4242, 1600, at=T + 2),
        statistic(24, 4242, 1600, at=T + 3, ref=UNDEFINED_TIME),
    ]  # fmt: skip
    rejections = Rejections()
    marks = tables(write(tmp_path / "a.dbn", HEAD, records), rejections)["marks"]
    assert marks["open_interest"].tolist() == [1500.0, 1500.0, 1600.0]
    assert rejections.counts == {AGAIN: 1}


@pytest.mark.parametrize(("quantity", "old"), [(2**31 - 1, True), (2**63 - 1, False), (2**31 - 1, False)])
def test_an_undefined_quantity_is_no_number(tmp_path: Path, quantity: int, old: bool) -> None:
    rejections = Rejections()
    records = [statistic(20, 4242, quantity, old=old), statistic(22, 4242, 7, old=old)]
    marks = tables(write(tmp_path / "a.dbn", HEAD, records), rejections)["marks"]
    assert marks["open_interest"].tolist() == [7.0]
    assert rejections.counts == {"open interest without a quantity": 1}


def test_an_undefined_reference_time_is_missing(tmp_path: Path) -> None:
    marks = tables(write(tmp_path / "a.dbn", HEAD, [statistic(20, 4242, 7, ref=UNDEFINED_TIME)]))["marks"]
    assert marks["open_interest_ns"].tolist() == [NO_TIME]


def test_other_statistics_and_deletions_are_counted(tmp_path: Path) -> None:
    deleted = statistic(1, 118, 7)
    deleted.update_action = dbn.StatUpdateAction.DELETE
    records = [statistic(1, 118, 7, kind=3), statistic(1, 118, 7, kind=6), deleted, statistic(1, 118, 8)]
    rejections = Rejections()
    marks = tables(write(tmp_path / "a.dbn", header("GLBX.MDP3", ES), records), rejections)["marks"]
    assert marks[["open_interest", "venue"]].values.tolist() == [[8.0, "glbx"]]
    assert rejections.counts == {
        "statistic other than open interest": 2, "open interest taken back by its publisher": 1,
    }  # fmt: skip


def test_the_value_of_one_day_is_taken_once_over_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workstation.feeds.files.dbn_stream.CHUNK_BYTES", 160)
    records = [statistic(20 + k % 10, 4242, 1500, at=T + k) for k in range(40)]
    marks = tables(write(tmp_path / "a.dbn", HEAD, records))["marks"]
    assert isinstance(marks, pd.DataFrame)
    assert marks["open_interest"].tolist() == [1500.0]
