"""Large batches that no hub numbered become segments at once: durable, in order, once, whatever ends the writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.history.store_rows import trades
from workstation.history import open_history
from workstation.history.embedded import large_batches
from workstation.market.errors import HistoryError


def unnumbered(start: int, rows: int) -> pd.DataFrame:
    return trades(start, rows).drop(columns="seq")


def segments(history: Any) -> int:
    return int(history.tables().set_index("name").loc["trades", "segments"])


def test_it_reads_as_if_it_had_gone_through_the_log(tmp_path: Path) -> None:
    rows = unnumbered(0, 300).sample(frac=1, random_state=3)
    rows["event_ns"] //= 50  # ties
    with (
        open_history(tmp_path / "at_once", roll_rows=200) as one,
        open_history(tmp_path / "log", upkeep=False) as two,
    ):
        for history in (one, two):
            assert history.write("trades", rows) == 300
            history.write("trades", unnumbered(300, 10))
        assert (segments(one), segments(two)) == (1, 0)
        pd.testing.assert_frame_equal(one.read("trades"), two.read("trades"))
        assert one.read("trades")["seq"].max() < 0


def test_of_two_revisions_the_one_written_last_counts(tmp_path: Path) -> None:
    packet = {"event_ns": 10, "instrument": "AAA", "packet_id": [f"p{n}" for n in range(20)]}
    with open_history(tmp_path, roll_rows=20) as history:
        history.write("packets", pd.DataFrame(packet | {"size": 1.0}).head(3))
        history.write("packets", pd.DataFrame(packet | {"size": 2.0}))
        history.write("packets", pd.DataFrame(packet | {"size": 3.0}).tail(4))
        assert history.read("packets").sort_values("packet_id")["size"].value_counts().to_dict() == {
            2.0: 16,
            3.0: 4,
        }


def test_rows_of_a_hub_go_through_the_log(tmp_path: Path) -> None:
    with open_history(tmp_path, roll_rows=10_000, roll_seconds=3600) as history:
        history.write("trades", trades(0, 6_000))
        history.write("trades", trades(0, 6_000))
        assert (len(history.read("trades")), segments(history)) == (6_000, 0)


@pytest.mark.parametrize("step", ["write_segment", "swap"])
def test_a_segment_that_cannot_be_written_leaves_the_rows_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise HistoryError("No space left on device, pretended")

    with open_history(tmp_path, roll_rows=100, roll_seconds=3600) as history:
        target = large_batches if step == "write_segment" else history._manifest
        monkeypatch.setattr(target, step, full)
        assert history.write("trades", unnumbered(0, 60)) == 60
        monkeypatch.undo()
        assert history.problems()["detail"].str.contains("pretended").any()
        assert history.write("trades", unnumbered(60, 60)) == 60
        assert history.read("trades")["trade_id"].tolist() == [f"t{n}" for n in range(120)]
        assert segments(history) == 1
    assert len(list(tmp_path.glob("segments/trades/*"))) == 1


@pytest.mark.parametrize("step", ["write_segment", "swap"])
def test_a_writer_that_is_killed_leaves_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        pass

    def end(*_: Any, **__: Any) -> Any:
        raise Killed

    with open_history(tmp_path, roll_rows=100) as history:
        target = large_batches if step == "write_segment" else history._manifest
        monkeypatch.setattr(target, step, end)
        monkeypatch.setattr(history._manifest, "live_files", end)  # a killed process deletes nothing
        with pytest.raises(Killed):
            history.write("trades", unnumbered(0, 60))
        monkeypatch.undo()
    with open_history(tmp_path, roll_rows=100) as history:
        history.write("trades", unnumbered(60, 60))
        kept = 120 if step == "swap" else 60
        names = history.read("trades")["trade_id"].tolist()
        assert names == [f"t{n}" for n in range(120 - kept, 120)]
        assert np.unique(history.read("trades")["seq"]).size == kept
        assert history.problems().empty
