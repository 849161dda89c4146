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


class ServerSettings(BaseModel):
    """Where dashboards are served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = "127.0.0.1"
    port: int = Field(default=5006, ge=0, le=65535, description="0 takes a free one")
    open_browser: bool = True


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
        str(DATA_DIR / "history"), description="where history is kept: a path or a lake:// URL"
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
        default="0s", description="how long a candle waits for late ticks after its end"
    )
    exposure: ExposureSettings = ExposureSettings()
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
