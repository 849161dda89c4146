"""The history in an InfluxDB 3 server, on a stand-in that is cut off, overloaded and refuses."""

from __future__ import annotations

import email.utils
import time

import numpy as np
import pandas as pd
import pytest

from tests.wire.influx_server import InfluxServer
from workstation.history import open_history
from workstation.market.errors import HistoryError, TableError

HOUR = 3_600 * 10**9
NS = 1_700_000_000_000_000_000


def trades(rows, *, seq=1, start=NS, step=1_000):
    number = np.arange(rows)
    return pd.DataFrame(
        {
            "seq": number + seq,
            "event_ns": start + number * step,
            "instrument": np.array(["BTC-26JUN26-70000-C", "A B,C=D"])[number % 2],
            "price": 100 + number / 4,
            "size": 1.0,
            "trade_id": [f'"t\n{one}"' for one in number],
            "venue": "deribit",
        }
    )


@pytest.fixture
def server():
    with InfluxServer() as one:
        yield one


@pytest.fixture
def history(server, tmp_path):
    with open_history(server.url, queue_folder=tmp_path / "queue", retry_seconds=(0.01, 0.05)) as one:
        yield one


def test_writes_go_to_the_v3_endpoint_alone(server, history):
    assert history.write("trades", trades(10)) == 10
    assert server.hits["/api/v3/write_lp"] == 1 and server.hits["/api/v2/write"] == 0
    assert history.read("trades")["trade_id"].tolist() == trades(10)["trade_id"].tolist()


def test_a_bad_row_is_told_and_costs_no_neighbour(server, history):
    server.columns["trades"] = {"iv": "string"}
    frame = trades(6).assign(iv=[np.nan, np.nan, 0.5, np.nan, np.nan, 0.7])
    assert history.write("trades", frame) == 4
    assert server.hits["/api/v3/write_lp"] == 1
    told = history.problems()["detail"].tolist()
    assert len(told) == 2 and told[0].startswith("row 2 refused: invalid column type for column 'iv'")
    assert "seq=3" in told[0] and told[1].startswith("row 5 ")
    assert history.read("trades", columns=["seq"])["seq"].tolist() == [1, 2, 4, 5]


@pytest.mark.parametrize("cut", ["cut", "break"])
def test_a_connection_cut_mid_request_loses_and_doubles_nothing(server, history, cut):
    server.answers.append(cut)
    assert history.write("trades", trades(50)) == 50
    assert history.write("trades", trades(50, seq=51)) == 50
    assert history.flush()
    assert history.read("trades", columns=["seq"])["seq"].sort_values().tolist() == list(range(1, 101))
    assert history.waiting == 0 and history.problems().empty


def test_writes_outlive_a_server_that_is_down_and_the_process(server, tmp_path):
    options = {"queue_folder": tmp_path / "queue", "retry_seconds": (0.01, 0.05)}
    with open_history(server.url, **options) as first:
        first.write("trades", trades(5))
        server.stop()
        assert first.write("trades", trades(5, seq=6)) == 5
        assert first.write("trades", trades(5, seq=11)) == 5
        assert first.waiting == 10 and "wait in" in first.problems()["detail"].iloc[0]
        assert first.last_seq() == 15
    server.start()
    with open_history(server.url, **options) as second:
        assert second.flush()
        assert sorted(second.read("trades", columns=["seq"])["seq"]) == list(range(1, 16))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("dated", [False, True])
def test_an_overloaded_server_is_given_the_time_it_asks_for(server, history, status, dated):
    asked = email.utils.formatdate(time.time() + 2, usegmt=True) if dated else "0.3"
    server.answers.append((status, {"Retry-After": asked}, b"this service is overloaded"))
    begun = time.monotonic()
    assert history.write("trades", trades(3)) == 3
    assert history.flush()
    assert time.monotonic() - begun > 0.25
    assert len(history.read("trades")) == 3


def test_a_wrong_token_is_fatal_and_never_shown(server, tmp_path):
    server.token = "right"
    options = {"queue_folder": tmp_path / "queue"}
    with pytest.raises(HistoryError, match="token"):
        open_history(server.url, token="wr0ng", **options)
    with open_history(server.url, token="right", **options) as history:
        history.write("trades", trades(2))
        server.token = "changed"
        with pytest.raises(HistoryError, match="401") as told:
            history.write("trades", trades(2, seq=3))
        assert history.waiting == 0
        assert "right" not in f"{history!r} {history.url} {history._address!r} {told.value}"


def test_a_token_that_may_not_write_is_fatal_and_not_tried_again(server, history):
    server.answers.append((403, {}, b'{"error": "permission denied"}'))
    with pytest.raises(HistoryError, match=r"403.*permission denied.*may write to market"):
        history.write("trades", trades(2))
    assert server.hits["/api/v3/write_lp"] == 1 and history.waiting == 0


def test_a_limit_of_the_server_is_told_and_not_tried_again(server, history):
    server.column_limit = 3
    with pytest.raises(TableError, match="would exceed number of columns"):
        history.write("trades", trades(2))
    assert server.hits["/api/v3/write_lp"] == 1 and history.waiting == 0


def test_a_refusal_in_the_queue_is_set_aside_and_told(server, history, tmp_path):
    server.answers.extend([(503, {}, b""), (422, {}, b"Update to schema would exceed number of tables")])
    history.write("trades", trades(2))
    assert history.flush()
    history.write("trades", trades(2, seq=3))
    assert "exceed number of tables" in history.problems()["detail"].iloc[0]
    assert len(list((tmp_path / "queue").glob("*.refused"))) == 1
    assert history.read("trades")["seq"].tolist() == [3, 4]


def test_the_queue_is_bounded(server, tmp_path):
    with open_history(server.url, queue_folder=tmp_path / "q", queue_bytes=300) as history:
        server.stop()
        with pytest.raises(HistoryError, match="holds its 300 bytes"):
            history.write("trades", trades(1_000))


@pytest.mark.parametrize("level", [0, 1])
def test_requests_are_split_between_lines_below_the_limit(server, tmp_path, level):
    server.most_bytes = 20_000
    options = {"queue_folder": tmp_path / "q", "request_bytes": 16_384, "gzip_level": level}
    with open_history(server.url, **options) as history:
        assert history.write("trades", trades(500)) == 500
        assert server.hits["/api/v3/write_lp"] == len(server.bodies) > 3
        assert max(map(len, server.bodies)) <= 16_384
        server.most_bytes = 4_000  # below what is sent: halved until it fits
        assert history.write("trades", trades(100, seq=501)) == 100
        assert history.read("trades", columns=["seq"])["seq"].nunique() == 600


def test_a_read_wider_than_the_file_limit_comes_in_windows(server, history):
    rows = trades(400, step=HOUR)
    history.write("trades", rows)
    server.file_limit = 50
    assert history.read("trades", columns=["seq"])["seq"].tolist() == list(range(1, 401))
    some = history.read("trades", NS + 10 * HOUR, NS + 20 * HOUR, "A B,C=D")
    assert some["seq"].tolist() == [12, 14, 16, 18, 20]
    assert history.latest("trades")["seq"].tolist() == [399, 400]
    assert history.tables()[["rows", "segments"]].iloc[0].tolist() == [400, 400]
    assert history.last_seq() == 400
    with pytest.raises(HistoryError, match="query-file-limit"):
        history.sql("SELECT avg(price) FROM trades")
    bounded = "SELECT count(*) AS n FROM trades WHERE time < to_timestamp_nanos($end)"
    assert history.sql(bounded, end=pd.Timestamp(NS + 5 * HOUR))["n"].tolist() == [5]


def test_dictionaries_and_plain_text_read_alike(server, history):
    history.write("trades", trades(4))
    plain = history.read("trades")
    server.dictionaries = True
    pd.testing.assert_frame_equal(history.read("trades"), plain)


def test_what_differs_is_declared_and_refused(history):
    able = history.capabilities
    assert (able.one_moment, able.retention, able.compaction) == (False, False, False)
    with pytest.raises(HistoryError, match="retention"):
        history.retain("trades", 60)
    with pytest.raises(HistoryError, match="compacts by itself"):
        history.compact()
    with pytest.raises(HistoryError, match="holds bytes"):
        history.write(
            "frames",
            pd.DataFrame({"event_ns": [1], "seq": 1, "feed": "f", "channel": "c", "payload": [b"x"]}),
        )


def test_retention_is_asked_for_when_the_database_is_made(server, tmp_path):
    with open_history(server.url, queue_folder=tmp_path / "q", retention="30d"):
        assert server.hits["/api/v3/configure/database"] == 1


def test_a_process_that_reads_leaves_the_queue_to_the_one_that_writes(server, tmp_path):
    options = {"queue_folder": tmp_path / "queue", "retry_seconds": (60.0, 60.0)}
    with open_history(server.url, **options) as writer:
        writer.write("trades", trades(3))
        server.answers.append((503, {}, b""))
        writer.write("trades", trades(3, seq=4))
        with open_history(server.url, **options) as reader:
            assert len(reader.read("trades")) == 3 and reader.waiting == 0 and writer.waiting == 3
            with pytest.raises(HistoryError, match="queue_folder of its own"):
                reader.write("trades", trades(1, seq=9))
