"""What a page does for the process it is served by."""

from __future__ import annotations

import asyncio
import gc

import pytest

from workstation.views.shell import page


def test_the_models_of_sessions_that_end_together_are_collected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    monkeypatch.setattr(page, "_COLLECT_S", 0.01)

    async def ending() -> None:
        for rounds in (1, 2):
            for session in range(3):
                page._collect_soon(session)
            while len(collected) < rounds:
                await asyncio.sleep(0.005)

    asyncio.run(ending())
    assert len(collected) == 2
