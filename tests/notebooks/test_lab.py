"""Notebooks as a newcomer sees them: run in JupyterLab in Chromium without a network, and looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebooks.lab import ROOT, browser_page, end_kernels, lab, run_all, scroll_and_count

EVERY = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
ASKED = os.environ.get("WORKSTATION_LAB", "")
WANTED = EVERY if ASKED == "all" else [name for name in ASKED.split(",") if name]
"""`make notebooks-lab` looks at all of them, which takes minutes; WORKSTATION_LAB may name some."""
THEMES = (False, True) if ASKED == "all" else (False,)
LEAST_PLOTS = {
    "01_first_hour": 10, "02_exposure": 8, "03_surface": 8, "04_spacetime": 5, "05_portfolio": 5, "06_history_and_sql": 3,
    "07_your_own": 2, "08_flow": 1,
}  # fmt: skip
"""Figures that a notebook shows at least."""
TOLD_BY_THE_LAB = ("Could not restore the debugger state",)
"""What JupyterLab itself says on the console of a page that is well."""
SECONDS = 600.0


@pytest.fixture(scope="module", params=THEMES, ids=lambda dark: "dark" if dark else "light")
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    with lab(tmp_path_factory.mktemp("lab"), dark=request.param) as url:
        yield url, "dark" if request.param else "light"


@pytest.mark.browser
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", WANTED)
def test_every_plot_is_drawn_and_nothing_leaves_the_machine(name: str, served: tuple[str, str]) -> None:
    url, theme = served
    pictures = ROOT / "artifacts" / "lab" / theme
    pictures.mkdir(parents=True, exist_ok=True)
    try:
        with browser_page() as (page, look):
            run_all(page, look, url, name, SECONDS)
            scroll_and_count(page, look, pictures, name)
    finally:
        end_kernels(url)
    assert look.unfinished == 0, "cells are still running"
    assert not look.outside, look.outside
    told = [error for error in look.errors if not error.startswith(TOLD_BY_THE_LAB)]
    assert not told, told
    assert look.plots >= LEAST_PLOTS[name]
    assert look.blank == 0
    assert min(look.heights) >= 100.0


def test_every_notebook_is_known() -> None:
    assert set(LEAST_PLOTS) == set(EVERY)
    assert all(Path(ROOT / "notebooks" / f"{name}.ipynb").exists() for name in LEAST_PLOTS)
