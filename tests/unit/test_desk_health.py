"""What the health page is told of a desk: engines with their failures, queues, disk, and what further parts say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from workstation.desk_health import DiskWatch, Part, as_rows, engine_parts, queue_parts
from workstation.streams.hub import Hub
from workstation.views.shell.health import FeedTable
from workstation.views.shell.health_parts import PartsTable


def test_a_failed_sink_and_a_rejected_row_are_told() -> None:
    hub = Hub()

    def fails(table: str, frame: pd.DataFrame) -> None:
        raise ValueError("no <room>")

    hub.attach("good", ("heartbeat",), lambda table, frame: None)
    hub.attach("bad", ("heartbeat",), fails)
    for event_ns in (1, 2):
        hub.publish("heartbeat", pd.DataFrame({"event_ns": [event_ns], "feed": "x"}))
    parts = {part.name: part for part in engine_parts(hub)}
    assert (
        parts["good"].state == "ok"
        and "2 rows" in parts["good"].detail
        and "µs a row" in parts["good"].detail
    )
    assert parts["bad"].state == "failed"
    assert "1 failures, 1 rows passed by, ValueError: no <room>" in parts["bad"].detail
    waiting = queue_parts(hub, 6_000, 10_000, None)
    assert waiting[0].state == "watch" and waiting[0].detail == "6,000 of 10,000 batches wait"


def test_a_disk_that_fills_up_wants_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    usage = SimpleNamespace(total=10**12, free=10**11)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    watch = DiskWatch(tmp_path, lambda: now[0])
    assert "days left" not in watch.part().detail
    with (tmp_path / "grows").open("wb") as file:
        file.truncate(10**9)
    now[0] = 600.0
    part = watch.part()
    assert part.state == "watch" and "1 days left" in part.detail


class _Source:
    asof_ns = 0

    def parts(self) -> pd.DataFrame:
        return as_rows(
            [Part("engine", "Candles", "ok", "3 rows"), Part("sink", "<b>x</b>", "failed", "<script>")]
        )

    def feeds(self) -> pd.DataFrame:
        row = {"feed": "a", "state": "live", "newest_ns": 10**18, "age_s": 9.0, "stale_after_s": 5.0, "rows_per_s": 0.0, "gaps": 1, "drops": 0, "detail": "", "recorder_lag_s": 0.0}  # fmt: skip
        return pd.DataFrame([row])

    def latest(self, table: str) -> pd.DataFrame:
        return pd.DataFrame(
            {"event": ["gap", "fresh"], "feed": ["a", "a"], "event_ns": [3_600 * 10**9, 7_200 * 10**9]}
        )


def test_the_page_shows_what_failed_first_and_as_text() -> None:
    view = PartsTable()
    view.refresh(_Source())  # type: ignore[arg-type]
    shown = view._table.panel.object
    assert shown.index("◆ failed") < shown.index("Candles")
    assert "&lt;b&gt;x" in shown and "<script>" not in shown
    feeds = FeedTable()
    feeds.refresh(_Source())  # type: ignore[arg-type]
    assert "■ stale" in feeds._table.panel.object and "01:00:00" in feeds._table.panel.object
