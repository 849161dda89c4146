"""Elements as files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from workstation import plots
from workstation.plots.saving import _svg


@pytest.fixture
def line() -> object:
    return plots.ticks(pd.DataFrame({"event_ns": [1, 2, 3], "price": [1.0, 3.0, 2.0]}))


def test_a_page_needs_nothing_from_outside(line: object, tmp_path: Path) -> None:
    page = plots.save(line, tmp_path / "line.html").read_text()
    assert page.count("<script") >= 3 and not re.search(r"<(script|link)[^>]*(src|href)=", page)


def test_another_ending_is_refused(line: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"choose of \.html, \.png, \.svg"):
        plots.save(line, tmp_path / "line.gif")


def test_without_a_browser_it_says_what_to_do(
    line: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSTATION_CHROMIUM", str(tmp_path / "no-browser"))
    with pytest.raises(RuntimeError, match=r"install chromium.*save as \.html"):
        plots.save(line, tmp_path / "line.png")


def test_a_browser_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "browser"
    broken.write_text("#!/bin/sh\necho 'no display' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("WORKSTATION_CHROMIUM", str(broken))
    with pytest.raises(RuntimeError, match="no display"):
        _svg("<body></body>", (10, 10))
