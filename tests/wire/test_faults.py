"""The kinds of fault that take a second or two; ``scripts/faults.py`` plays all and prints their table."""

from __future__ import annotations

import pytest

from tests.faults import disks, wires
from tests.faults.rounds import KINDS as REGISTERED
from tests.faults.rounds import play

pytestmark = pytest.mark.wire
SEED = 20_261_130
LONG = pytest.mark.thorough
KINDS = [
    wires.trim_stream,
    wires.step_clocks,
    disks.fill_disk,
    disks.slow_disk,
    disks.lock_history,
    pytest.param(wires.break_page, marks=LONG),
    pytest.param(wires.break_collector, marks=LONG),
    pytest.param(wires.kill_redis, marks=LONG),
    pytest.param(wires.burst_rows, marks=LONG),
    pytest.param(wires.break_feed, marks=LONG),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_nothing_is_lost_that_is_not_told(kind: object) -> None:
    what = next(what for what, played in REGISTERED.items() if played is kind)
    outcome = play(what, SEED)
    assert outcome.rounds and outcome.wrong == []
