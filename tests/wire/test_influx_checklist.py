"""The stand-in answers as an InfluxDB 3 server does; what our writer makes of it is in ``test_influx_history.py``.

Asked by plain HTTP and by the vendor's own client, so that what the history's tests rest on is not of our making.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pandas as pd
import pyarrow as pa
import pyarrow.flight as flight
import pytest
import urllib3
from influxdb_client_3 import InfluxDBClient3, WriteOptions, WriteType, write_client_options
from influxdb_client_3.exceptions import InfluxDBPartialWriteError

from tests.wire.influx_server import InfluxServer
from tests.wire.test_influx_history import NS, trades
from workstation.history import open_history
from workstation.history.influx import line_protocol
from workstation.market.errors import TableError

V3 = "/api/v3/write_lp"
BAD = b'm,t=a f=1 1\nm,t=a f="text" 2\nm,t=a f=3 3\n'


@pytest.fixture
def server() -> Iterator[InfluxServer]:
    with InfluxServer() as one:
        yield one


class Http:
    """Plain requests to one server."""

    def __init__(self, server: InfluxServer) -> None:
        self.server, self.pool = server, urllib3.PoolManager(retries=False)

    def write(
        self, body: bytes, path: str = V3, headers: dict[str, str] | None = None, **query: str
    ) -> urllib3.BaseHTTPResponse:
        asked = {"db": "market", **query}
        return self.pool.request(
            "POST",
            f"http://127.0.0.1:{self.server.port}{path}?{urlencode(asked)}",
            body=body,
            headers=headers,
        )

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        return self.pool.request("GET", f"http://127.0.0.1:{self.server.port}{path}")


@pytest.fixture
def http(server: InfluxServer) -> Http:
    return Http(server)


def queried(server: InfluxServer, sql: str, database: str = "market", token: str = "") -> pa.Table:
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    ticket = flight.Ticket(json.dumps({"database": database, "sql_query": sql, "query_type": "sql"}).encode())
    port = server.url.rpartition("=")[2]
    with flight.connect(f"grpc://127.0.0.1:{port}") as client:
        return client.do_get(ticket, flight.FlightCallOptions(headers=headers)).read_all()


def vendor(server: InfluxServer, *, v2: bool) -> InfluxDBClient3:
    options = WriteOptions(write_type=WriteType.synchronous, use_v2_api=v2, max_retries=0)
    return InfluxDBClient3(
        host=f"http://127.0.0.1:{server.port}",
        database="market",
        token="t",
        write_client_options=write_client_options(write_options=options),
    )


def test_each_endpoint_is_counted_and_the_vendors_client_takes_v2_unless_told(
    server: InfluxServer, http: Http
) -> None:
    with vendor(server, v2=True) as client:
        client.write("m,t=a f=1 1")
    with vendor(server, v2=False) as client:
        client.write("m,t=a f=2 2")
    assert http.write(b"m,t=a f=3 3", "/write").status == 204
    assert dict(server.hits) == {"/api/v2/write": 1, V3: 1, "/write": 1}


def test_a_partial_write_keeps_good_lines_and_names_bad_ones(server: InfluxServer, http: Http) -> None:
    answer = http.write(b"# a comment\n\n" + BAD, precision="ns")
    assert answer.status == 400
    told = answer.json()
    assert told["error"] == "partial write of line protocol occurred"
    assert [(one["line_number"], one["original_line"]) for one in told["data"]] == [
        (2, 'm,t=a f="text" 2'[:20])
    ]
    assert [key for key, _ in server.rows["m"]] == [1, 3]


def test_the_vendors_client_reads_the_same_lines(server: InfluxServer) -> None:
    with vendor(server, v2=False) as client, pytest.raises(InfluxDBPartialWriteError) as told:
        client.write(BAD.decode())
    assert [one.line_number for one in told.value.line_errors] == [2]


@pytest.mark.parametrize(
    ("path", "query"), [(V3, {"accept_partial": "false"}), ("/api/v2/write", {}), ("/write", {})]
)
def test_a_strict_write_with_a_bad_line_stores_nothing(
    server: InfluxServer, http: Http, path: str, query: dict[str, str]
) -> None:
    answer = http.write(BAD, path, **query)
    assert answer.status == 400
    if path == V3:
        assert answer.json()["error"] == "line protocol parsing error"
        assert answer.json()["data"]["line_number"] == 2
    else:
        assert answer.json() == {"code": "invalid", "message": "bad lines"}
    assert not server.rows


def test_a_type_conflict_names_the_column(http: Http) -> None:
    http.write(b"cpu usage=1 1")
    assert http.write(b'cpu usage="x" 2').json()["data"][0]["error_message"] == (
        "invalid column type for column 'usage', expected iox::column_type::field::float, got iox::column_type::field::string"
    )


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_above_the_limit_is_refused_packed_or_not(
    server: InfluxServer, http: Http, packed: bool
) -> None:
    server.most_bytes = 100
    body = b"m f=1 1\n" * 20
    assert not packed or len(gzip.compress(body)) < 100
    answer = http.write(
        gzip.compress(body) if packed else body, headers={"Content-Encoding": "gzip"} if packed else None
    )
    assert (answer.status, answer.data) == (413, b"max request size (100 bytes) exceeded")


def test_no_sync_is_answered_before_the_log_is_on_disk(
    server: InfluxServer, http: Http, tmp_path: Path
) -> None:
    server.log_seconds = 0.3
    began = time.monotonic()
    assert http.write(b"m f=1 1").status == 204
    waited = time.monotonic() - began
    assert waited >= 0.3
    server.log_seconds = 60.0
    with open_history(server.url, queue_folder=tmp_path, no_sync=True) as history:
        assert history.write("trades", trades(3)) == 3
    assert server.hits[V3] == 2


def test_a_body_cut_off_is_not_stored(server: InfluxServer, http: Http) -> None:
    server.answers.append("break")
    with pytest.raises(urllib3.exceptions.HTTPError):
        http.write(b"m f=1 1\n" * 1_000)
    assert not server.rows


@pytest.mark.parametrize(
    ("unit", "written"),
    [("s", 1_700_000_000), ("ms", 1_700_000_000_123), ("us", 1_700_000_000_123_456), ("ns", NS)],
)
def test_a_write_without_precision_is_scaled_by_its_magnitude(
    server: InfluxServer, http: Http, unit: str, written: int
) -> None:
    http.write(f"m f=1 {written}".encode())
    ((at, _),) = server.rows["m"]
    assert pd.Timestamp(at) == pd.Timestamp(written, unit=unit)


def test_ours_always_names_nanoseconds(server: InfluxServer, tmp_path: Path) -> None:
    early = trades(2, start=1_000_000_000_000_000_000)
    with open_history(server.url, queue_folder=tmp_path) as history:
        history.write("trades", early)
        assert history.read("trades", columns=["event_ns"])["event_ns"].tolist() == early["event_ns"].tolist()
    assert len(server.rows["trades"]) == 2


def test_flight_sends_plain_text_times_without_zone_and_marks(server: InfluxServer, http: Http) -> None:
    http.write(b'm,t=a f=1,n=2i,s="x",b=true 5', precision="ns")
    schema = queried(server, "SELECT * FROM m").schema
    assert schema.field("t").type == pa.string() and schema.field("time").type == pa.timestamp("ns")
    assert schema.field("t").metadata == {b"iox::column::type": b"iox::column_type::tag"}
    assert schema.field("n").metadata == {b"iox::column::type": b"iox::column_type::field::integer"}


def test_flight_errors_are_those_of_the_server(server: InfluxServer, http: Http) -> None:
    http.write(b"m f=1 5")
    with pytest.raises(KeyError, match="Database 'other' not found"):
        queried(server, "SELECT 1", database="other")
    with pytest.raises(pa.ArrowInvalid, match=r"Error while planning query: .*table '.*never' not found"):
        queried(server, "SELECT * FROM never")
    with pytest.raises(pa.ArrowInvalid) as told:
        queried(server, f"SELECT {'x' * 5_000} FROM m")
    said = str(told.value).split("Detail:")[0]  # what follows is this stand-in's own traceback
    assert 1_900 < len(said) < 2_100
    server.token = "secret"
    with pytest.raises(flight.FlightUnauthenticatedError):
        queried(server, "SELECT * FROM m")
    assert queried(server, "SELECT * FROM m", token="secret").num_rows == 1


def test_a_table_never_written_reads_as_empty_all_the_same(server: InfluxServer, tmp_path: Path) -> None:
    with open_history(server.url, queue_folder=tmp_path) as history:
        assert history.read("trades").empty
        history.write("trades", trades(1))
        assert history.read("quotes").empty


def test_the_last_write_of_a_key_wins_field_by_field(server: InfluxServer, http: Http) -> None:
    http.write(b"m,t=a f=1,g=1 5")
    http.write(b"m,t=a f=2 5")
    ((_, row),) = server.rows["m"].items()
    assert (row["f"], row["g"]) == (2.0, 1.0)


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [(b"m f=1 1", "br", b"unacceptable content-encoding: br"), (b"m f=1 1", "gzip", b"bad gzip"),
     (b"m f=\xff 1", "", b"body content is not valid utf8"), (b"", "", b"no data was given")],
)  # fmt: skip
def test_bodies_that_cannot_be_read_are_refused(http: Http, body: bytes, encoding: str, said: bytes) -> None:
    answer = http.write(body, headers={"Content-Encoding": encoding} if encoding else None)
    assert (answer.status, answer.data) == (400, said)


@pytest.mark.parametrize("level", [0, 6])
def test_ours_reads_alike_packed_or_not(server: InfluxServer, tmp_path: Path, level: int) -> None:
    with open_history(server.url, queue_folder=tmp_path, gzip_level=level) as history:
        history.write("trades", trades(20))
        assert history.read("trades", columns=["seq"])["seq"].tolist() == list(range(1, 21))


def test_two_prints_of_one_nanosecond_are_two_rows(server: InfluxServer, tmp_path: Path) -> None:
    with open_history(server.url, queue_folder=tmp_path) as history:
        history.write("trades", trades(2, step=0))
        assert history.read("trades", columns=["seq"])["seq"].tolist() == [1, 2]


def test_a_tag_that_ends_in_a_backslash_is_read_back_or_refused(server: InfluxServer, tmp_path: Path) -> None:
    frame = trades(2).assign(instrument=["A\\", "B"])
    with open_history(server.url, queue_folder=tmp_path) as history:
        try:
            history.write("trades", frame)
        except TableError as refused:
            assert "backslash" in str(refused)
        else:
            assert history.read("trades")["instrument"].astype("str").tolist() == ["A\\", "B"]


def test_ping_names_version_and_build(http: Http) -> None:
    answer = http.get("/ping")
    assert answer.headers["X-Influxdb-Version"] == "3.10.0" and answer.headers["X-Influxdb-Build"] == "Core"
    assert answer.json()["version"] == "3.10.0"
    assert http.get("/health").data == http.get("/api/v1/health").data == b"OK"


def test_the_vendors_client_reads_the_version(server: InfluxServer) -> None:
    with vendor(server, v2=False) as client:
        assert client.get_server_version() == "3.10.0"


def test_misasked_writes_are_told_why(server: InfluxServer, http: Http) -> None:
    bare = http.pool.request("POST", f"http://127.0.0.1:{server.port}{V3}", body=b"m f=1 1")
    assert (bare.status, bare.data) == (400, b"missing query parameter 'db'")
    assert http.write(b"m f=1 1", precision="minute").status == 400


def test_the_server_takes_our_lines(server: InfluxServer, http: Http) -> None:
    body = line_protocol("trades", trades(5))
    assert http.write(body, precision="ns").status == 204
    assert len(server.rows["trades"]) == 5
