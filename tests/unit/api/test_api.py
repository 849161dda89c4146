"""What the API answers: pages, snapshots, media types, and every mistake in words with a 4xx."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from tornado.httpclient import HTTPClientError
from tornado.websocket import websocket_connect

from tests.unit.api.server import CANDLES, CONTRACT, PRINTS, Client, fill, serving
from tests.unit.conftest import ASOF
from workstation.access.roles import Caller, Role
from workstation.api import stream
from workstation.api.encoding import ARROW
from workstation.api.resources import RESOURCES
from workstation.desk import Desk

ALL = {"currency": "BTC", "instrument": "BTC/USD:BTC", "every": "1min"}


@pytest.fixture(scope="module", params=["history", "board"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Client, Desk]]:
    store = str(tmp_path_factory.mktemp("api") / "store") if request.param == "history" else None
    with serving(store) as (client, desk):
        fill(desk)
        deadline = time.monotonic() + 60
        while len(client.get("/api/prints").json["rows"]) < PRINTS:
            assert time.monotonic() < deadline, "the rows were not written"
            time.sleep(0.02)
        yield client, desk


@pytest.fixture
def client(served: tuple[Client, Desk]) -> Client:
    return served[0]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 4, 25, 26])
def test_pages_give_every_row_once_in_order(client: Client, order: str, limit: int) -> None:
    seen, query = [], {"limit": limit, "order": order}
    while True:
        page = client.get("/api/prints", **query).json
        seen += [(row["event_ns"], row["seq"], row["print_number"]) for row in page["rows"]]
        assert len(page["rows"]) <= limit
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == sorted(seen, reverse=order == "desc")
    assert sorted(number for *_, number in seen) == list(range(1, PRINTS + 1))


def test_time_is_half_open_and_filters_hold(client: Client) -> None:
    page = client.get("/api/prints", start=ASOF + 1, end=ASOF + 3).json
    assert [row["print_number"] for row in page["rows"]] == list(range(6, 16))
    assert client.get("/api/prints", instrument="no such' OR 1=1 --").json["rows"] == []
    assert [row["alert_id"] for row in client.get("/api/alerts", severity="high").json["rows"]] == ["block:1"]


def test_candles_are_of_one_instrument_and_length(client: Client) -> None:
    page = client.get(
        "/api/candles", instrument="BTC/USD:BTC", every="1min", start="2026-11-01T00:01:00Z"
    ).json
    assert [row["open"] for row in page["rows"]] == [1.0 + one for one in range(1, CANDLES)]
    assert client.get("/api/candles", instrument="BTC/USD:BTC", every="5min").json["rows"] == []


def test_arrow_carries_the_same_rows_units_and_cursor(client: Client) -> None:
    told = client.get("/api/prints", limit=5).json
    answer = client.get("/api/prints", {"Accept": ARROW}, limit=5)
    assert answer.headers["content-type"] == ARROW
    read = pa.ipc.open_stream(answer.body).read_all()
    assert read["print_number"].to_pylist() == [row["print_number"] for row in told["rows"]]
    assert read["instrument"].to_pylist() == [CONTRACT] * 5
    assert read.schema.metadata[b"next"].decode() == told["next"] == answer.headers["x-next-cursor"]
    assert read.schema.field("quote_age_ms").metadata == {b"unit": b"ms"}


def test_gex_and_chain_are_of_the_priced_chain(served: tuple[Client, Desk]) -> None:
    client, desk = served
    chain = desk.board.priced_chain("BTC")
    assert chain is not None
    gex = client.get("/api/gex", currency="BTC").json
    assert gex["spot_usd"] == pytest.approx(100_300.0) and gex["asof_ns"] == chain.asof_ns
    assert sum(row["gex"] for row in gex["rows"]) == pytest.approx(gex["net_gex"])
    rows = client.get("/api/chain", currency="BTC").json["rows"]
    assert len(rows) == 20 and {row["right"] for row in rows} == {"C", "P"}
    one = rows[0]["expiry_ns"]
    assert len(client.get("/api/chain", currency="BTC", expiry_ns=one).json["rows"]) == 10


def test_positions_health_and_metrics(served: tuple[Client, Desk]) -> None:
    client, desk = served
    held = client.get("/api/positions").json
    assert [(row["instrument"], row["quantity"]) for row in held["rows"]] == [(CONTRACT, -2.0)]
    health = client.get("/api/health").json
    assert health["status"] == "ok" and health["accepted"]["prints"] == PRINTS
    assert health["last_seq"] == desk.hub.next_seq - 1
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert f'workstation_hub_rows_total{{table="prints"}} {float(PRINTS)}' in answer.body.decode()


@pytest.mark.parametrize(
    ("path", "query", "status", "parameter"),
    [
        ("/api/gex", {}, 400, "currency"),
        ("/api/gex", {"currency": "DOGE"}, 404, "currency"),
        ("/api/gex", {"currency": "BTC", "sign_model": "mine"}, 400, "sign_model"),
        ("/api/gex", {"currency": "BTC", "sign_model": "flow"}, 404, "sign_model"),
        ("/api/gex", {"currency": "BTC", "colour": "red"}, 400, "colour"),
        ("/api/chain", {"currency": "BTC", "expiry_ns": "-1"}, 400, "expiry_ns"),
        ("/api/chain", {"currency": "BTC", "expiry_ns": 5}, 404, "expiry_ns"),
        ("/api/prints", {"limit": "0"}, 400, "limit"),
        ("/api/prints", {"limit": "10001"}, 400, "limit"),
        ("/api/prints", {"limit": "1e3"}, 400, "limit"),
        ("/api/prints", {"start": "soon"}, 400, "start"),
        ("/api/prints", {"start": "9999-01-01"}, 400, "start"),
        ("/api/prints", {"end": "9" * 19}, 400, "end"),
        ("/api/prints", {"cursor": "1;DROP TABLE prints"}, 400, "cursor"),
        ("/api/prints", {"cursor": "9999999999999999999.1"}, 400, "cursor"),
        ("/api/prints", {"instrument": "x" * 201}, 400, "instrument"),
        ("/api/prints", {"instrument": "\x00"}, 400, "instrument"),
        ("/api/prints", {"instrument": ""}, 400, "instrument"),
        ("/api/alerts", {"severity": "dire"}, 400, "severity"),
        ("/api/candles", {"instrument": "BTC/USD:BTC"}, 400, "every"),
        ("/api/candles", {"instrument": "BTC/USD:BTC", "every": "60"}, 400, "every"),
        ("/api/evidence/flow:none", {}, 404, "id"),
        ("/api/evidence/block:1", {}, 404, "id"),
        ("/api/evidence/..%2f..%2fetc%2f%00passwd", {}, 400, "id"),
        ("/api/evidence/" + "x" * 300, {}, 400, "id"),
        ("/api/nothing", {}, 404, ""),
        ("/api", {}, 404, ""),
    ],
)  # fmt: skip
def test_mistakes_are_answered_in_words(
    client: Client, path: str, query: dict[str, object], status: int, parameter: str
) -> None:
    answer = client.get(path, **query)
    assert answer.status == status, answer.body
    error = answer.json["error"]
    assert error["parameter"] == parameter and error["message"] and "Traceback" not in error["message"]


def test_media_types_methods_and_encodings(client: Client) -> None:
    assert client.get("/api/prints", {"Accept": "text/html"}).status == 406
    assert client.get("/api/evidence/x", {"Accept": ARROW}).status == 406
    refused = client.get("/api/prints", method="POST")
    assert refused.status == 405 and refused.json["error"]["message"] and refused.headers["allow"] == "GET"
    assert client.get("/api/prints", method="TRACE").headers["allow"] == "GET"
    assert client.get("/api/prints?instrument=%ff").status == 400
    assert client.get("/api/prints?limit=1&limit=2").json["error"]["parameter"] == "limit"


def test_rows_that_share_one_number_are_never_cut_apart(served: tuple[Client, Desk]) -> None:
    from workstation.api.paging import Asked, page_of_frame
    from workstation.api.parameters import RequestError

    rows = pd.DataFrame({"event_ns": [1, 1, 1, 2], "seq": [0, 0, 0, 0]})
    page = page_of_frame(rows, Asked(None, None, None, 3, False, {}))
    assert len(page.rows) == 3 and page.next == "1.0"
    with pytest.raises(RequestError, match="ask for more at once"):
        page_of_frame(rows, Asked(None, None, None, 2, False, {}))


def test_the_document_names_every_resource_and_its_parameters(client: Client) -> None:
    made = client.get("/api/openapi.json").json
    for resource in RESOURCES:
        told = made["paths"][f"/api{resource.path}"]["get"]
        assert [one["name"] for one in told["parameters"]] == [one.name for one in resource.parameters]


async def test_the_websocket_gives_the_rows_asked_for(served: tuple[Client, Desk]) -> None:
    client, desk = served
    address = f"ws://127.0.0.1:{client.port}/api/stream?tables=candles&instrument=ETH/USD:ETH&every=1s"
    socket = await websocket_connect(address)
    first = json.loads(str(await asyncio.wait_for(socket.read_message(), 30)))
    assert first == {"tables": ["candles"], "after_seq": desk.hub.next_seq - 1}
    for every in (10**9, 60 * 10**9):
        row = {
            "event_ns": [ASOF],
            "instrument": "ETH/USD:ETH",
            "every_ns": every,
            "open": 3.0,
            "closed": True,
        }
        desk.hub.publish("candles", pd.DataFrame(row))
    heard = json.loads(str(await asyncio.wait_for(socket.read_message(), 30)))
    assert heard["table"] == "candles" and [row["every_ns"] for row in heard["rows"]] == [10**9]
    await socket.write_message("hello")
    assert await asyncio.wait_for(socket.read_message(), 30) is None and socket.close_code == 1008


@pytest.mark.parametrize("query", ["tables=trades", "tables=", "every=60", "colour=red"])
async def test_the_websocket_refuses_what_it_does_not_give(client: Client, query: str) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await websocket_connect(f"ws://127.0.0.1:{client.port}/api/stream?{query}")
    assert refused.value.code == 400


def test_a_slow_client_loses_the_oldest_and_is_told() -> None:
    woken: list[int] = []
    slow = stream.Client(stream.TABLES, None, None, lambda: woken.append(1), limit=3)
    for seq in range(10):
        slow.put("alerts", pd.DataFrame({"seq": [seq]}))
    dropped, first = slow.take()
    assert (dropped, woken) == (7, [1]) and first is not None and first.rows["seq"].tolist() == [7]
    assert slow.take()[0] == 0


def test_roles_hold_on_every_path() -> None:
    callers = {"v": Caller("v", Role.VIEWER), "t": Caller("t", Role.TRADER)}
    with serving(None, lambda request: callers.get(request.headers.get("X-Who", ""))) as (client, desk):
        fill(desk)
        for resource in RESOURCES:
            path = "/api" + resource.path.replace("{id}", "flow:none")
            stranger = client.get(path)
            assert stranger.status == 401 and stranger.headers["www-authenticate"].startswith("Bearer")
            wanted = {one.name: ALL[one.name] for one in resource.parameters if one.name in ALL}
            viewer = client.get(path, {"X-Who": "v"}, **wanted).status
            assert viewer == (
                403 if resource.path == "/positions" else 404 if "{id}" in resource.path else 200
            )
        assert client.get("/api/positions", {"X-Who": "t"}).status == 200
        assert client.get("/metrics").status == client.get("/api/openapi.json").status == 401


async def test_strangers_and_other_sites_hear_nothing() -> None:
    from tornado.httpclient import HTTPRequest

    with serving(None, lambda request: None) as (client, _):
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(f"ws://127.0.0.1:{client.port}/api/stream")
        assert refused.value.code == 401
    with serving(None) as (client, _):
        asked = HTTPRequest(
            f"ws://127.0.0.1:{client.port}/api/stream", headers={"Origin": "https://evil.example"}
        )
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(asked)
        assert refused.value.code == 403


def test_reading_history_is_bounded(tmp_path: Path) -> None:
    from workstation.api.handlers import WAITING, Backend
    from workstation.api.metrics import Metrics
    from workstation.api.parameters import RequestError
    from workstation.desk import open_desk

    backend = Backend(desk := open_desk([]), lambda _: None, Metrics(desk), waiting=WAITING)
    with pytest.raises(RequestError, match="too many requests"):
        asyncio.run(backend.run(lambda: None))
