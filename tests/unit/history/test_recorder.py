"""The recorder: nothing lost, nothing blocked, everything counted."""

from __future__ import annotations

import threading
import time

import numpy as np
import pandas as pd
import pytest

from workstation.history.recorder import Recorder
from workstation.market.errors import HistoryError
from workstation.market.tables import TRADES


def trades(start: int, rows: int, instrument: str = "AAA") -> pd.DataFrame:
    number = np.arange(start, start + rows)
    return TRADES.conform(
        pd.DataFrame(
            {
                "seq": number + 1,
                "event_ns": number,
                "instrument": instrument,
                "price": 1.0,
                "size": number + 1.0,
            }
        )
    )


def candle(revision: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"seq": revision + 1, "event_ns": [0], "instrument": "AAA", "every_ns": 10, "revision": revision}
    )


class Gate:
    """A history that fails, or waits, until it is let through."""

    def __init__(self, history, *, error: Exception | None = None):
        self._history, self.error = history, error
        self.open = threading.Event()
        self.calls: list[tuple[str, int]] = []

    def write(self, table, frame):
        if self.error is None:
            self.open.wait(20)
        elif not self.open.is_set():
            raise self.error
        self.calls.append((table, len(frame)))
        return self._history.write(table, frame)


def collect():
    rows: list[dict] = []
    return rows, lambda frame: rows.extend(frame.astype({"event": "str"}).to_dict("records"))


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.005)


def test_batches_are_grouped_and_everything_is_durable_on_close(lake):
    gate = Gate(lake)
    gate.open.set()
    recorder = Recorder(gate, batch_rows=1000)
    for start in range(0, 1000, 10):
        recorder.put("trades", trades(start, 10, f"NEW{start}"))
        recorder.put("candles", candle(start))
    assert recorder.waiting == 1100
    assert recorder.lag_seconds > 0
    recorder.start()
    recorder.close()
    assert gate.calls == [("trades", 1000), ("candles", 100)]
    got = lake.read("trades")
    assert got["seq"].tolist() == list(range(1, 1001))
    assert got["instrument"].iloc[-1] == "NEW990"
    assert lake.read("candles")["revision"].tolist() == [990]
    assert recorder.counts.accepted == recorder.counts.written == {"trades": 1000, "candles": 100}
    assert recorder.lag_seconds == 0
    recorder.close()
    with pytest.raises(HistoryError, match="recorder is closed"):
        recorder.put("trades", trades(0, 1))


def test_flush_waits_for_what_was_put(lake):
    recorder = Recorder(lake, batch_rows=10**6, batch_seconds=60).start()
    recorder.put("trades", trades(0, 10))
    assert recorder.flush()
    assert len(lake.read("trades")) == 10
    assert recorder.flush()
    recorder.close()


def test_flush_says_when_it_was_not_in_time(lake):
    gate = Gate(lake)
    recorder = Recorder(gate).start()
    recorder.put("trades", trades(0, 10))
    assert not recorder.flush(timeout=0.05)
    gate.open.set()
    recorder.close()
    assert len(lake.read("trades")) == 10


def test_a_stuck_store_neither_blocks_nor_loses_while_there_is_a_spill_folder(lake, tmp_path):
    health, on_health = collect()
    gate = Gate(lake)
    recorder = Recorder(gate, tmp_path / "spill", on_health, backlog=5).start()
    for start in range(0, 500, 10):
        recorder.put("trades", trades(start, 10))
        recorder.put("candles", candle(start))
    assert recorder.counts.spilled["trades"] >= 440
    assert len(list((tmp_path / "spill").glob("*.arrow"))) >= 90
    assert [row["event"] for row in health] == ["spilled"]
    gate.open.set()
    assert recorder.flush()
    recorder.close()
    assert lake.read("trades")["size"].tolist() == [float(n) for n in range(1, 501)]
    assert lake.read("candles")["revision"].tolist() == [490]
    assert not list((tmp_path / "spill").iterdir())
    assert recorder.counts.dropped == {}


def test_without_room_rows_are_dropped_counted_and_told(lake):
    health, on_health = collect()
    gate = Gate(lake)
    recorder = Recorder(gate, None, on_health, backlog=3).start()
    for start in range(0, 100, 10):
        recorder.put("trades", trades(start, 10))
    dropped = recorder.counts.dropped["trades"]
    assert dropped == 70
    gate.open.set()
    assert recorder.flush()
    recorder.close()
    assert len(lake.read("trades")) + dropped == 100
    assert [row["event"] for row in health] == ["dropped", "dropped"]
    assert health[-1]["count"] == dropped
    assert health[-1]["channel"] == "trades"


def test_memory_is_bounded_in_bytes_too(lake, tmp_path):
    gate = Gate(lake)
    recorder = Recorder(gate, tmp_path / "spill", max_bytes=3 * 10_000).start()
    for number in range(10):
        frame = pd.DataFrame({"event_ns": [number], "feed": "f", "payload": [b"x" * 10_000]})
        recorder.put("frames", frame)
    assert recorder.counts.spilled["frames"] >= 7
    gate.open.set()
    recorder.close()
    assert len(lake.read("frames")) == 10


@pytest.mark.parametrize("error", [HistoryError("disk full"), RuntimeError("nobody thought of a disk full")])
def test_a_failing_store_is_tried_again_and_reported_once(lake, error):
    health, on_health = collect()
    gate = Gate(lake, error=error)
    recorder = Recorder(gate, None, on_health, retry_seconds=(0.001, 0.01)).start()
    recorder.put("trades", trades(0, 10))
    wait_for(lambda: recorder.counts.failures > 3)
    gate.open.set()
    assert recorder.flush()
    recorder.put("trades", trades(10, 10))
    recorder.close()
    assert [row["event"] for row in health] == ["failed", "fresh"]
    assert "disk full" in health[0]["detail"]
    assert len(lake.read("trades")) == 20


def test_what_cannot_be_written_on_close_waits_for_the_next_recorder_in_order(lake, tmp_path):
    gate = Gate(lake, error=HistoryError("disk full"))
    options = {"retry_seconds": (0.001, 0.01), "close_seconds": 0.05}
    recorder = Recorder(gate, tmp_path / "spill", backlog=2, **options).start()
    for start in range(0, 50, 10):
        recorder.put("candles", candle(start))
    with pytest.raises(HistoryError, match=r"5 rows were not written \(disk full\).*lost: 0"):
        recorder.close()
    assert lake.read("candles").empty
    following = Recorder(lake, tmp_path / "spill").start()
    following.put("candles", candle(99))
    following.close()
    assert lake.read("candles", revisions=True)["revision"].tolist() == [0, 10, 20, 30, 40, 99]
    assert lake.read("candles")["revision"].tolist() == [99]
    assert not list((tmp_path / "spill").iterdir())


def test_without_a_spill_folder_close_says_what_is_lost(lake):
    gate = Gate(lake, error=HistoryError("disk full"))
    recorder = Recorder(gate, retry_seconds=(0.001, 0.01), close_seconds=0.05).start()
    recorder.put("trades", trades(0, 10))
    with pytest.raises(HistoryError, match="lost: 10"):
        recorder.close()
    assert recorder.counts.dropped == {"trades": 10}


def test_a_batch_that_does_not_fit_its_table_is_rejected_and_the_others_go_on(lake):
    health, on_health = collect()
    recorder = Recorder(lake, None, on_health)
    recorder.put("trades", trades(0, 10))
    recorder.put("trades", trades(10, 5).drop(columns="price"))
    recorder.put("trades", trades(20, 10))
    recorder.put("marks", pd.DataFrame({"event_ns": [1], "instrument": "AAA"}))
    recorder.start().close()
    assert len(lake.read("trades")) == 20
    assert len(lake.read("marks")) == 1
    assert [row["event"] for row in health] == ["rejected"]
    assert "trades.price" in health[0]["detail"]
    assert recorder.counts.rejected == {"trades": 5}
    assert recorder.counts.written == {"trades": 20, "marks": 1}


def test_a_damaged_spilled_batch_is_named_and_the_others_go_on(lake, tmp_path):
    health, on_health = collect()
    gate = Gate(lake, error=HistoryError("disk full"))
    recorder = Recorder(gate, tmp_path, retry_seconds=(0.001, 0.01), close_seconds=0.01)
    for start in (0, 10):
        recorder.put("trades", trades(start, 10))
    with pytest.raises(HistoryError):
        recorder.close()
    first = min(tmp_path.glob("*.arrow"))
    first.write_bytes(b"nonsense")
    Recorder(lake, tmp_path, on_health).start().close()
    assert lake.read("trades")["seq"].tolist() == list(range(11, 21))
    assert [row["event"] for row in health] == ["rejected"]
    assert first.stem in health[0]["detail"]
    assert [path.suffix for path in tmp_path.glob("0*")] == [".damaged"]
