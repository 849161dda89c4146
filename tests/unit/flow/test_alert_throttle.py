"""What of many alerts is told: a contract's once in a while, a name's strongest, and how many were not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.flow.alerts import Alerts, AlertsParameters, alerts
from workstation.market.tables import HITS

START = pd.Timestamp("2026-11-30 15:00").value
SECOND = 10**9


def hits(*rows: dict[str, Any]) -> pd.DataFrame:
    made = []
    for number, row in enumerate(rows):
        name = row.get("name", "SPY")
        made.append({
            "event_ns": START + row["at"] * SECOND, "instrument": f"{name:<6}261218C00{row['strike']:03d}000", "underlying": name,
            "parent_id": f"p{number}", "parent_kind": "packet", "parent_hits": 1, "classifier": row.get("kind", "block"),
            "confidence": 0.5, "direction": row.get("direction", 1), "premium_usd": row["usd"], "explanation": f"hit {number}",
            "evidence": "{}", "rule_version": "flow",
        })  # fmt: skip
    return HITS.conform(pd.DataFrame(made))


def told(rows: pd.DataFrame) -> list[str]:
    return rows["parent_id"].tolist()


def test_a_name_tells_its_strongest_of_the_window_and_counts_the_others() -> None:
    rows = hits(
        {"at": 0, "strike": 600, "usd": 40e3}, {"at": 1, "strike": 601, "usd": 50e3}, {"at": 2, "strike": 602, "usd": 30e3},
        {"at": 3, "strike": 603, "usd": 20e3, "name": "NVDA"}, {"at": 4, "strike": 604, "usd": 45e3}, {"at": 5, "strike": 605, "usd": 35e3},
        {"at": 70, "strike": 606, "usd": 30e3},
    )  # fmt: skip
    found = alerts(rows, per_name=2, name_window="60s")
    assert told(found) == ["p0", "p1", "p3", "p4", "p6"], (
        "the third and sixth are weaker than two; a minute later two are gone"
    )
    counts = {row.parent_id: json.loads(row.evidence)["suppressed"] for row in found.itertuples()}
    assert counts["p4"] == {"alerts": 0, "premium_usd": 0.0, "of_name": 1} and counts["p3"]["of_name"] == 0
    assert "1 weaker ones of SPY were not told" in found["explanation"].iloc[3]


def test_of_equals_only_so_many_are_told() -> None:
    found = alerts(hits(*({"at": at, "strike": 600 + at, "usd": 90e3} for at in range(20))), per_name=3)
    assert told(found) == ["p0", "p1", "p2"]


def test_a_contract_tells_one_direction_once_in_a_while_whatever_the_kind() -> None:
    rows = hits(
        {"at": 0, "strike": 600, "usd": 40e3}, {"at": 20, "strike": 600, "usd": 41e3, "kind": "put_write"},
        {"at": 30, "strike": 600, "usd": 42e3, "direction": -1}, {"at": 40, "strike": 600, "usd": 70e3}, {"at": 101, "strike": 600, "usd": 39e3},
    )  # fmt: skip
    found = alerts(rows, throttle="60s", higher=20.0)
    assert told(found) == ["p0", "p2", "p3", "p4"], "30 000 USD more are told at once"
    assert json.loads(found["evidence"].iloc[2])["suppressed"] == {
        "alerts": 1,
        "premium_usd": 41e3,
        "of_name": 0,
    }


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_throttle_goes_on_from_its_snapshot(cut: int) -> None:
    rng = np.random.default_rng(5)
    usd, steps = rng.integers(20, 70, 12) * 1e3, np.cumsum(rng.integers(1, 30, 12))
    rows = hits(
        *({"at": int(at), "strike": 600 + int(at) % 3, "usd": usd[place]} for place, at in enumerate(steps))
    )
    own = AlertsParameters(per_name=3, name_window="90s", throttle="20s")
    first, second = Alerts(own), Alerts(own)
    before = first.update(rows.iloc[:cut].reset_index(drop=True))
    second.restore(first.snapshot())
    after = second.update(rows.iloc[cut:].reset_index(drop=True))
    assert told(before) + told(after) == told(Alerts(own).update(rows))


def test_parameters_that_cannot_hold_are_named() -> None:
    for change, words in (
        ({"per_name": 0}, "per_name must be at least 1"),
        ({"name_window": "0s"}, "name_window must be positive"),
    ):
        with pytest.raises(ValueError, match=words):
            AlertsParameters(**change)  # type: ignore[arg-type]
