"""Settings: every address, path, threshold and secret, from environment, ``.env`` or ``workstation.toml``.

Environment variables are ``WORKSTATION_`` + the field's name; nested fields are joined by two underscores:
``WORKSTATION_HISTORY=/data/ticks``, ``WORKSTATION_EXPOSURE__EVERY=30s``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

import workstation.bus  # noqa: F401 - its feed is known by its name
from workstation.access.parameters import OidcParameters
from workstation.engines import TIMEFRAMES, EngineParameters
from workstation.exposure.cascade_engine import CascadeParameters
from workstation.exposure.wall_alerts import WallAlertsParameters
from workstation.feeds import feed_options
from workstation.feeds.synthetic.options_day_feed import OptionsDayParameters
from workstation.flow.chain import FlowParameters
from workstation.flow.large_trades import LargeTradesParameters
from workstation.indicators.ticks.windows import TickWindowParameters
from workstation.market.dividends import read_dividends, single_dividends
from workstation.market.errors import FeedError, unknown_name
from workstation.portfolio.pnl_parameters import PnlSnapshotsParameters
from workstation.pricing.surface_engine import SurfaceParameters
from workstation.webhooks.parameters import WebhookParameters

DATA_DIR = Path(platformdirs.user_data_dir("workstation", appauthor=False))


_SECRET = re.compile(r"(secret|password|passphrase|token|key|credential)", re.IGNORECASE)
"""Names of feed options whose values are secrets."""


def concealed(options: Any) -> Any:
    """Feed options with every secret as ``SecretStr``, at any depth.

    Examples
    --------
    >>> concealed({"accounts": {"venues": {"okx": {"api_key": "k", "account": "main"}}}})
    {'accounts': {'venues': {'okx': {'api_key': SecretStr('**********'), 'account': 'main'}}}}
    """
    if isinstance(options, dict):
        return {
            name: SecretStr(value)
            if isinstance(value, str) and _SECRET.search(str(name))
            else concealed(value)
            for name, value in options.items()
        }
    if isinstance(options, list | tuple):
        return type(options)(concealed(value) for value in options)
    return options


def typed_by_feed(options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Options per feed as each feed declares them; those of an unknown feed, and unknown ones, are refused by name."""
    try:
        return {name: feed_options(name, own) for name, own in concealed(options).items()}
    except FeedError as error:
        raise ValueError(str(error)) from None


def _known_names(parameters: type) -> BeforeValidator:
    """Refuse names that a parameter class does not have: pydantic would drop them without a word."""
    known = [one.name for one in fields(parameters)]

    def check(given: Any) -> Any:
        unknown = sorted(set(given) - set(known)) if isinstance(given, Mapping) else []
        if unknown:
            raise ValueError(unknown_name("parameter", unknown[0], known))
        return given

    return BeforeValidator(check)


class ServerSettings(BaseModel):
    """Where dashboards are served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(
        default="127.0.0.1",
        description="address served on; beyond this machine only with a login or --without-login",
    )
    port: int = Field(default=5006, ge=0, le=65535, description="0 takes a free one")
    period_ms: int = Field(
        default=100,
        ge=30,
        description="shortest time between two pictures of a session; longer spares a slow line",
    )
    login: Literal["none", "basic", "oidc"] = Field(
        default="none",
        description="none: whoever reaches the server sees all; basic: names and passwords of credentials_file",
    )
    public_url: str = Field(
        default="",
        description="address of the server as browsers see it, https behind a proxy: https://desk.example",
    )
    credentials_file: Path | None = Field(
        default=None, description="machine tokens and passwords, lines of `workstation credential`"
    )
    session_hours: float = Field(
        default=12.0, gt=0.0, le=168.0, description="when a login ends at the latest"
    )
    sessions_url: SecretStr = Field(
        default=SecretStr(""),
        description="Redis where several page servers share logins, redis://:password@host:6379/1; empty: each has its own",
    )
    oidc: OidcParameters = OidcParameters()


_OWN = EngineParameters()


class Settings(BaseSettings):
    """The workstation's settings.

    Examples
    --------
    >>> Settings(feeds=["synthetic"], _env_file=None).candles
    ('1s', '10s', '1min', '5min', '15min', '1h')
    """

    model_config = SettingsConfigDict(
        env_prefix="WORKSTATION_",
        env_nested_delimiter="__",
        env_file=".env",
        toml_file="workstation.toml",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    history: str = Field(
        default=str(DATA_DIR / "history"), description="where history is kept: a path or an embedded:// URL"
    )
    sample_data: Path | None = Field(
        default=None, description="folder of recorded market data for tests and examples"
    )
    feeds: tuple[str, ...] = Field(default=("synthetic",), description="feeds the desk starts")
    feed_options: Annotated[dict[str, dict[str, Any]], AfterValidator(typed_by_feed)] = Field(
        default_factory=dict,
        description="options per feed, typed as the feed declares them; keys and secrets are never shown",
    )
    seed: int | None = Field(
        default=None, description="seed of the synthetic market; none takes a new one each start"
    )
    record: bool | None = Field(
        default=None,
        description="write every row to history; unset: those of real markets, and those of an invented one only into a history "
        "that was named",
    )
    candles: tuple[str, ...] = Field(default=TIMEFRAMES, description="timeframes of the live candles")
    candle_lateness: str = Field(
        default=_OWN.candles.lateness,
        description="how long after its end a candle takes in trades that come late or are brought after an outage",
    )
    exposure: Annotated[CascadeParameters, _known_names(CascadeParameters)] = _OWN.exposure
    surface: Annotated[SurfaceParameters, _known_names(SurfaceParameters)] = _OWN.surface
    large_trades: Annotated[LargeTradesParameters, _known_names(LargeTradesParameters)] = _OWN.large_trades
    wall_alerts: Annotated[WallAlertsParameters, _known_names(WallAlertsParameters)] = _OWN.wall_alerts
    ticks: Annotated[TickWindowParameters, _known_names(TickWindowParameters)] = _OWN.ticks
    intensity_every: str = Field(
        default=_OWN.intensity_every, description="how often a row of intensity is given per instrument"
    )
    pnl: Annotated[PnlSnapshotsParameters, _known_names(PnlSnapshotsParameters)] = _OWN.pnl
    flow: Annotated[FlowParameters, _known_names(FlowParameters)] = _OWN.flow
    options_day: Annotated[OptionsDayParameters, _known_names(OptionsDayParameters)] = Field(
        default=OptionsDayParameters(),
        description="the invented US options day that the flow page shows where flow.enabled is false",
    )
    dividends: Path | None = Field(
        default=None,
        description="CSV of cash dividends known ahead (underlying, ex_date, cash), off the spot of American chains; of others a yield "
        "is implied",
    )
    rates_of: str = Field(
        default="",
        description="underlying whose European chain tells the rates of American ones at the same moment: SPX; empty: each one's own parity",
    )
    server: ServerSettings = ServerSettings()
    webhook: WebhookParameters = Field(
        default=WebhookParameters(), description="where alerts are sent on to; nowhere without webhook.url"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="what is logged: this and worse"
    )
    log_format: Literal["text", "json"] = Field(default="text", description="json: an object a line")
    log_file: Path | None = Field(
        default=None, description="file of the log, turned over when full; unset: the terminal"
    )
    log_file_mb: float = Field(default=10.0, gt=0.0, description="size at which the file is turned over")
    log_files_kept: int = Field(default=5, ge=1, le=1000, description="older files that are kept")
    backlog: int = Field(
        default=10_000, gt=0, description="batches of a live venue that may wait for the hub"
    )
    recorder_backlog: int = Field(default=10_000, gt=0, description="batches that may wait for the recorder")

    def store(self, *, invented: bool) -> str | None:
        """Where a desk records; None: nowhere.

        An invented market is kept out of the default store, where real rows are, unless that is asked for by ``record``.

        Examples
        --------
        >>> Settings(_env_file=None, history="/data").store(invented=True)
        '/data'
        >>> Settings(_env_file=None, record=False).store(invented=False) is None
        True
        """
        wanted = (
            self.record if self.record is not None else not invented or "history" in self.model_fields_set
        )
        return self.history if wanted else None

    def engine_parameters(self) -> EngineParameters:
        """What the standard engines are made with.

        Raises
        ------
        TableError
            The CSV of dividends cannot be read, or a row of it is wrong.
        """
        apart = ("candles", "dividends")
        own = {one.name: getattr(self, one.name) for one in fields(EngineParameters) if one.name not in apart}
        dividends = () if self.dividends is None else single_dividends(read_dividends(self.dividends))
        candles = replace(_OWN.candles, every=self.candles, lateness=self.candle_lateness)
        return EngineParameters(candles=candles, dividends=dividends, **own)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before ``.env`` before ``workstation.toml``."""
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, toml, file_secret_settings
