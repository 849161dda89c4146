"""A store of its own for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workstation.history import open_history


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Any]:
    with open_history(tmp_path / "store", upkeep=False) as history:
        yield history
