"""The settings are made of the engines' own parameters; secrets are shown nowhere."""

from __future__ import annotations

import pickle
from dataclasses import asdict

import pytest
from pydantic import ValidationError

from workstation.desk import open_desk
from workstation.engines import EngineParameters
from workstation.flow.large_trades import LargeTradesParameters
from workstation.pricing.surface_engine import SurfaceParameters
from workstation.settings import Settings


def plain(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


def test_defaults_are_those_of_the_engines() -> None:
    assert plain().engine_parameters() == EngineParameters()


def test_what_is_set_reaches_the_desks_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSTATION_SURFACE__EVERY", "5min")
    monkeypatch.setenv("WORKSTATION_LARGE_TRADES__BLOCK_USD", "500000")
    monkeypatch.setenv("WORKSTATION_TICKS__TICKS", "50")
    monkeypatch.setenv("WORKSTATION_PNL__EVERY", "30s")
    desk = open_desk(["synthetic"], seed=7, settings=plain())
    parameters = {name: engine.parameters for name, engine in desk.hub.engines.items()}  # type: ignore[attr-defined]
    assert parameters["Surface"] == SurfaceParameters(every="5min")
    assert parameters["LargeTrades"] == LargeTradesParameters(block_usd=500_000.0)
    assert parameters["PnlSnapshots"].every == "30s"
    assert {parameters[name].ticks for name in ("Intensity", "Spikes", "Reversals")} == {50}


def test_what_no_engine_takes_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="no parameter 'blok_usd'; known are block_usd"):
        plain(large_trades={"blok_usd": 1.0})
    with pytest.raises(ValidationError, match="every must be a positive time"):
        plain(surface={"every": "0s"})


def test_secrets_of_feeds_are_in_no_text_of_the_settings() -> None:
    options = {
        "accounts": {"venues": {"okx": {"api_key": "k-123", "secret": "s-123", "password": "p-123"}}},
        "databento": {"key": "db-123"},
        "alpaca": {"keys": [{"secret_key": "x-123"}]},
    }
    settings = plain(feed_options=options)
    for text in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert "-123" not in text
    secret = settings.feed_options["accounts"]["venues"]["okx"]["secret"]
    assert secret.get_secret_value() == "s-123"
    with pytest.raises(ValidationError) as refused:
        plain(feed_options={"okx": "s-123"})
    assert "s-123" not in str(refused.value)


def test_settings_travel_whole() -> None:
    settings = plain(candles=("1s",), candle_lateness="3s")
    again = pickle.loads(pickle.dumps(settings))
    assert asdict(again.engine_parameters()) == asdict(settings.engine_parameters())
    assert again.engine_parameters().candles.every == ("1s",)
