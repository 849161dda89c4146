"""The names of the package, and the modules that stay where they were."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pandas as pd
import pytest

import workstation.indicators as face
import workstation.numerics as numerics

TRADES = pd.DataFrame({"event_ns": [1, 2], "instrument": "BTC/USD", "price": [5.0, 7.0], "size": 1.0})


@pytest.mark.parametrize("package", [face, numerics])
def test_every_name_of_a_face_is_there(package: object) -> None:
    names = package.__all__  # type: ignore[attr-defined]
    assert 5 <= len(names) <= 20 and all(getattr(package, name) is not None for name in names)
    assert dir(package) == sorted(names)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", ["candles", "intensity", "spikes", "reversals"])
def test_a_module_is_called_as_its_function(name: str) -> None:
    module = importlib.import_module(f"workstation.indicators.{name}")
    function, engine = getattr(module, name), getattr(module, name.capitalize())
    assert getattr(face, name) is module and engine is getattr(face, name.capitalize())
    pd.testing.assert_frame_equal(module(TRADES), function(TRADES))


def test_a_face_imports_nothing_until_it_is_asked() -> None:
    script = "import sys, workstation.indicators, workstation.numerics; print('numba' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
