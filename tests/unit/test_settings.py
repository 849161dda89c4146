"""The settings are made of the engines' own parameters; secrets are shown nowhere."""

from __future__ import annotations

import logging
import pickle
import re
from dataclasses import asdict
from typing import Any, get_args

import pytest
from pydantic import SecretStr, ValidationError

from workstation.desk import open_desk
from workstation.engines import EngineParameters
from workstation.feeds import FEEDS, feed_class, open_feed
from workstation.feeds.options import option_types
from workstation.feeds.synthetic import Synthetic, SyntheticParameters
from workstation.flow.large_trades import LargeTradesParameters
from workstation.market.errors import FeedError
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
    with pytest.raises(ValidationError, match=r"no parameter .blok_usd. .did you mean 'block_usd'"):
        plain(large_trades={"blok_usd": 1.0})
    with pytest.raises(ValidationError, match="every must be a positive time"):
        plain(surface={"every": "0s"})


SECRETS = {
    "accounts": {"venues": {"okx": {"api_key": "k-123", "secret": "s-123", "password": "p-123"}}},
    "deribit": {"api_key": "d-123", "secret": "e-123"},
    "iqfeed": {"key": "i-123"},
}


def test_secrets_of_feeds_are_in_no_text_of_the_settings(caplog: pytest.LogCaptureFixture) -> None:
    settings = plain(feed_options=SECRETS)
    logging.getLogger("workstation").warning("%s %r %s", settings, settings, settings.model_dump())
    dumped = (settings.model_dump(), settings.model_dump(mode="json"), vars(settings), settings.feed_options)
    for text in (repr(settings), str(settings), settings.model_dump_json(), caplog.text, *map(repr, dumped)):
        assert "-123" not in text
    secret = settings.feed_options["accounts"]["venues"]["okx"]["secret"]
    assert secret.get_secret_value() == "s-123"
    assert settings.feed_options["deribit"]["secret"].get_secret_value() == "e-123"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"okx": "s-123"}, "valid dictionary"),
        ({"deribt": {"secret": "s-123"}}, "no feed 'deribt' .did you mean 'deribit'"),
        ({"deribit": {"secert": "s-123"}}, "no option 'secert' .did you mean 'secret'"),
        ({"deribit": {"heartbeat_s": "s-123"}}, "feed 'deribit': option heartbeat_s: .* integer"),
        ({"deribit": {"secret": ["s-123"]}}, "feed 'deribit': option secret: "),
        ({"iqfeed": {"symbols": "s-123"}}, "feed 'iqfeed': option symbols: "),
    ],
)
def test_wrong_options_of_feeds_are_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        plain(feed_options=options)
    assert "s-123" not in str(refused.value)


def test_options_of_feeds_are_typed_and_their_defaults_are_the_feeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSTATION_FEED_OPTIONS__DERIBIT__CURRENCIES", '["BTC"]')
    monkeypatch.setenv("WORKSTATION_FEED_OPTIONS__SYNTHETIC__RATE", "200")
    monkeypatch.setenv("WORKSTATION_FEED_OPTIONS__ACCOUNTS__VENUES__OKX__SECRET", "s-123")
    settings = plain()
    assert settings.feed_options["deribit"] == {"currencies": ["BTC"]}
    assert settings.feed_options["synthetic"] == {"rate": 200.0}
    assert "s-123" not in repr(settings)
    feed = open_feed("synthetic", **settings.feed_options["synthetic"])
    assert isinstance(feed, Synthetic) and feed.parameters == SyntheticParameters(rate=200.0)


@pytest.mark.parametrize("name", FEEDS)
def test_every_feed_declares_its_options(name: str) -> None:
    types = option_types(feed_class(name))
    assert types and Any not in types.values()
    secrets = [option for option in types if re.search("key|secret|password|token", option)]
    assert all(SecretStr in get_args(types[option]) for option in secrets)
    with pytest.raises(FeedError, match="no option 'nonesuch'"):
        open_feed(name, nonesuch=1)


def test_settings_travel_whole() -> None:
    settings = plain(candles=("1s",), candle_lateness="3s")
    again = pickle.loads(pickle.dumps(settings))
    assert asdict(again.engine_parameters()) == asdict(settings.engine_parameters())
    assert again.engine_parameters().candles.every == ("1s",)
