"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "workstation",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("workstation")


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of recorded market data; tests that need it skip when it is not named."""
    folder = os.environ.get("WORKSTATION_SAMPLE_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("recorded market data is absent: set WORKSTATION_SAMPLE_DATA to its folder")
    return Path(folder)
