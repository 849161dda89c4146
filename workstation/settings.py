"""Settings: every address, path, threshold and secret, from environment, ``.env`` or ``workstation.toml``.

Environment variables are ``WORKSTATION_`` + the field's name; nested fields are joined by two underscores:
``WORKSTATION_HISTORY=/data/ticks``, ``WORKSTATION_EXPOSURE__EVERY=30s``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DATA_DIR = Path(platformdirs.user_data_dir("workstation", appauthor=False))


class ExposureSettings(BaseModel):
    """What the exposure engines are asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: str = Field(default="10s", description="interval between snapshots, in event time")
    sign_model: str = Field(default="calls_long", description="calls_long, calls_short, short_all or flow")
    basis: str = Field(default="open_interest", description="open_interest or volume")


class SurfaceSettings(BaseModel):
    """What the surface engine is asked for: when it fits, and which quotes count.

    Examples
    --------
    >>> SurfaceSettings(every="5min").model_dump()["every"]
    '5min'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: str = Field(default="1min", description="interval between fits, in event time")
    stale_after_s: float = Field(
        default=900.0, gt=0, description="contracts with an older price or vol are left out and counted"
    )
    target: str = Field(default="mid", description="mid or mark: which vol is fitted")
    widest: float = Field(default=0.25, gt=0, description="widest bid-ask spread in vol, share of the mid")
    smallest_delta: float = Field(default=0.01, ge=0, lt=0.5, description="smallest out-of-the-money delta")
    fewest: int = Field(default=5, ge=5, description="strikes an expiry needs; with fewer it is refused")


class SmartMoneySettings(BaseModel):
    """What counts as a block, a large print and a changed wall of open interest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    block_usd: float = Field(
        default=200_000.0, gt=0, description="premium from which a print or package of options is a block"
    )
    large_option_usd: float = Field(
        default=20_000.0, gt=0, description="premium under which no option's print is large"
    )
    large_usd: float = Field(
        default=250_000.0, gt=0, description="worth under which no other print is large, USD"
    )
    z: float = Field(default=3.0, gt=0, description="standard deviations above the mean of earlier prints")
    robust_z: float = Field(default=5.0, gt=0, description="scaled MADs above the median of earlier prints")
    history: int = Field(default=100, gt=0, description="earlier prints a print is compared with")
    samples: int = Field(default=12, gt=0, description="earlier prints of the contract it takes")
    quiet: str = Field(default="10s", description="a contract raises one large print in so much time")
    gather: str = Field(default="1s", description="how long the legs of a block are waited for")
    walls: int = Field(default=5, gt=0, description="walls watched on each side")
    wall_share: float = Field(default=0.1, gt=0, description="change of a wall that is told, as a share")
    wall_usd: float = Field(default=1_000_000.0, gt=0, description="change of a wall that is told, in USD")
    wall_every: str = Field(default="1min", description="how often walls are looked at, in event time")


class ServerSettings(BaseModel):
    """Where dashboards are served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = "127.0.0.1"
    port: int = Field(default=5006, ge=0, le=65535, description="0 takes a free one")
    open_browser: bool = True
    period_ms: int = Field(
        default=100,
        ge=30,
        description="shortest time between two pictures of a session; longer spares a slow line",
    )


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
    )

    history: str = Field(
        str(DATA_DIR / "history"), description="where history is kept: a path or an embedded:// URL"
    )
    sample_data: Path | None = Field(
        None, description="folder of recorded market data for tests and examples"
    )
    feeds: tuple[str, ...] = Field(default=("synthetic",), description="feeds the desk starts")
    feed_options: dict[str, dict[str, Any]] = Field(default_factory=dict, description="options per feed name")
    seed: int | None = Field(
        None, description="seed of the synthetic market; none takes a new one each start"
    )
    record: bool = Field(default=True, description="write every row to history")
    candles: tuple[str, ...] = Field(
        default=("1s", "10s", "1min", "5min", "15min", "1h"), description="lengths of the live candles"
    )
    candle_lateness: str = Field(
        default="2min",
        description="how long after its end a candle takes in ticks that come late or are brought after an outage",
    )
    exposure: ExposureSettings = ExposureSettings()
    surface: SurfaceSettings = SurfaceSettings()
    smart_money: SmartMoneySettings = SmartMoneySettings()
    server: ServerSettings = ServerSettings()
    backlog: int = Field(
        default=10_000, gt=0, description="batches of a live venue that may wait for the hub"
    )
    recorder_backlog: int = Field(default=10_000, gt=0, description="batches that may wait for the recorder")

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
