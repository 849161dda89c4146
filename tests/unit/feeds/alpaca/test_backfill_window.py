"""Until when a backfill asks: the newest prints are left to the audit, where there is one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from workstation.feeds.alpaca import Alpaca
from workstation.feeds.feed import Gap
from workstation.market.instants import SECOND_NS

LAG_S = 60.0


@pytest.mark.parametrize("audited", [False, True])
async def test_a_backfill_leaves_the_newest_prints_to_the_audit_alone(audited: bool) -> None:
    feed, asked = Alpaca(api_key="k", secret="s", audit_lag_s=LAG_S), list[int]()

    async def others(_: Any, start_ns: int, end_ns: int) -> list[Any]:
        asked.append(end_ns)
        return []

    feed._others = others  # type: ignore[method-assign]
    audit = asyncio.create_task(asyncio.Event().wait())
    if audited:
        feed._audits.append(audit)  # type: ignore[arg-type]
    now = time.time_ns()
    await feed._missed(Gap("", "", 0, 0, now - 300 * SECOND_NS, now))
    audit.cancel()
    left_s = (now - asked[0]) / SECOND_NS
    assert LAG_S - 10.0 < left_s <= LAG_S if audited else left_s <= 0.0
