"""Views select from what the board published: they price nothing, and a refresh passes through few files."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import workstation.views
from tests.unit.board.test_priced_chain import Followed
from workstation.views.exposure.headline import Headline
from workstation.views.exposure.snapshot import Snapshots
from workstation.views.shell.session import Live
from workstation.views.state.choice import Choice

VIEWS = Path(workstation.views.__file__).parent
PRICING = {
    "workstation.pricing.black", "workstation.pricing.chain", "workstation.pricing.contracts",
    "workstation.pricing.forward", "workstation.pricing.implied", "workstation.pricing.latest",
    "workstation.pricing.surface", "workstation.exposure.band", "workstation.exposure.book",
    "workstation.exposure.levels", "workstation.exposure.open_interest", "workstation.exposure.scenario",
    "workstation.exposure.zero_gamma",
}  # fmt: skip
"""What prices contracts, or computes from priced ones."""


@pytest.mark.parametrize("path", sorted(VIEWS.rglob("*.py")), ids=lambda path: str(path.relative_to(VIEWS)))
def test_no_view_imports_what_prices(path: Path) -> None:
    found = {
        node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not found & PRICING


def test_a_refresh_of_the_headline_after_a_chain_passes_through_at_most_eleven_files() -> None:
    """It was 33 when each page priced the chain again."""
    followed = Followed()
    followed.tick(1)
    choice = Choice()
    choice.offer(followed.board)
    headline = Headline(choice, Snapshots(choice))
    headline.every_s = 0.0
    live = Live(followed.board)
    live.add(headline)
    before = headline.panel.object
    followed.tick(2, vol=0.8)
    entered: set[str] = set()

    def enter(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and "workstation" in frame.f_code.co_filename:
            entered.add(frame.f_code.co_filename)

    sys.setprofile(enter)
    try:
        live.tick()
    finally:
        sys.setprofile(None)
    assert headline.panel.object != before
    assert not any("pricing" in name or "exposure/levels" in name for name in entered)
    assert len(entered - {__file__}) <= 11, sorted(entered)
