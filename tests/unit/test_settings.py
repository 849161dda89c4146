"""The settings speak of the engines' own parameters, with the engines' own defaults."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import BaseModel, ValidationError

from workstation.desk import open_desk
from workstation.flow.large_trades import SmartMoneyParameters
from workstation.pricing.surface_engine import SurfaceParameters
from workstation.settings import Settings, SmartMoneySettings, SurfaceSettings


@pytest.mark.parametrize(
    ("setting", "parameters"),
    [(SurfaceSettings(), SurfaceParameters()), (SmartMoneySettings(), SmartMoneyParameters())],
    ids=["surface", "smart money"],
)
def test_defaults_are_those_of_the_engine(setting: BaseModel, parameters: object) -> None:
    own = {field.name: getattr(parameters, field.name) for field in fields(parameters)}  # type: ignore[arg-type]
    told = setting.model_dump()
    assert {name: own[name] for name in told} == told
    assert set(own) - set(told) <= {"underlyings"}


def test_what_is_set_reaches_the_desks_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSTATION_SURFACE__EVERY", "5min")
    monkeypatch.setenv("WORKSTATION_SMART_MONEY__BLOCK_USD", "500000")
    desk = open_desk(["synthetic"], seed=7, settings=Settings(_env_file=None))
    engines = desk.hub.engines
    assert engines["Surface"].parameters == SurfaceParameters(every="5min")  # type: ignore[attr-defined]
    assert engines["SmartMoney"].parameters == SmartMoneyParameters(block_usd=500_000.0)  # type: ignore[attr-defined]


def test_what_no_engine_takes_is_refused() -> None:
    with pytest.raises(ValidationError, match="blok_usd"):
        SmartMoneySettings(blok_usd=1.0)
