"""Logs: one line a record, levels, a file that is turned over, and no secret in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import SecretStr

from workstation.access.credentials import new_token
from workstation.access.parameters import OidcParameters
from workstation.cli.logs import health_log, start_logging
from workstation.market.errors import WorkstationError
from workstation.market.tables import HEALTH
from workstation.settings import ServerSettings, Settings


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for one in [one for one in root.handlers if one not in before]:
        root.removeHandler(one)
        one.close()
    root.setLevel(level)
    logging.captureWarnings(False)


def _settings(path: Path, **given: Any) -> Settings:
    return Settings(_env_file=None, log_file=path, **given)


def test_secrets_are_in_no_line(tmp_path: Path) -> None:
    secrets = {
        "client": "the-clients-secret", "redis": "redis-pass-word", "file": "secret-of-a-file", "key": "venue-api-key-1",
        "machine": new_token(), "jwt": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxNyJ9.c2lnbmF0dXJl", "code": "0123abcdcode", "cookie": "idOfASession",
    }  # fmt: skip
    (tmp_path / "secret").write_text(secrets["file"] + "\n")
    oidc = OidcParameters(client_secret=SecretStr(secrets["client"]), client_secret_file=tmp_path / "secret")
    server = ServerSettings(
        oidc=oidc, sessions_url=SecretStr(f"redis://:{secrets['redis']}@127.0.0.1:6379/0")
    )
    options = {
        "deribit": {"accounts": {"venues": {"deribit": {"api_key": secrets["key"], "secret": "x" * 12}}}}
    }
    try:
        settings = _settings(tmp_path / "log", log_level="debug", server=server, feed_options=options)
    except ValueError:
        settings = _settings(tmp_path / "log", log_level="debug", server=server)
        del secrets["key"]
    start_logging(settings)
    log = logging.getLogger("x")
    log.info("GET /login/callback?state=abc&code=%s 303", secrets["code"])
    log.info(
        "headers {'Authorization': 'Bearer %s', 'Cookie': '__Host-workstation=%s'}",
        secrets["machine"],
        secrets["cookie"],
    )
    log.debug("to redis://user:%s@host with %s", secrets["redis"], secrets["client"])
    log.warning("token %s, machine %s", secrets["jwt"], secrets["machine"])
    try:
        raise ValueError(f"refused {secrets['file']} {secrets.get('key')}")
    except ValueError:
        log.exception("it failed")
    text = (tmp_path / "log").read_text()
    assert "it failed" in text and "Traceback" in text and "refused ***" in text
    assert not [name for name, secret in secrets.items() if secret in text]


def test_json_has_an_object_a_line_and_text_no_line_of_somebody_elses(tmp_path: Path) -> None:
    start_logging(_settings(tmp_path / "json", log_format="json", log_level="info"))
    logging.getLogger("x").info("one\nERROR two")
    logging.getLogger("x").debug("not told")
    rows = pd.DataFrame({"event_ns": [1, 2], "event": ["gap", "connected"], "feed": "deribit", "channel": "trades", "count": [3, 0], "detail": "a"})  # fmt: skip
    health_log().put("health", HEALTH.conform(rows))
    told = [json.loads(line) for line in (tmp_path / "json").read_text().splitlines()]
    assert [one["level"] for one in told] == ["INFO", "WARNING", "INFO"]
    assert told[0]["message"] == "one\nERROR two" and told[0]["time"].endswith("Z")
    assert (told[1]["event"], told[1]["feed"], told[1]["count"]) == ("gap", "deribit", 3)
    start_logging(_settings(tmp_path / "text", log_level="info"))
    logging.getLogger("x").info("one\nERROR two")
    assert len((tmp_path / "text").read_text().splitlines()) == 1
    assert len((tmp_path / "json").read_text().splitlines()) == 3, "the file before is let go"


def test_the_file_is_turned_over_and_a_wrong_place_is_told(tmp_path: Path) -> None:
    start_logging(_settings(tmp_path / "logs" / "log", log_file_mb=0.001, log_files_kept=2))
    for number in range(60):
        logging.getLogger("x").warning("row %d of many words, said once more", number)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "logs").iterdir()}
    assert set(sizes) == {"log", "log.1", "log.2"} and max(sizes.values()) <= 1_000
    (tmp_path / "file").touch()
    with pytest.raises(WorkstationError, match="log_file"):
        start_logging(_settings(tmp_path / "file" / "log"))
