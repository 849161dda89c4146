"""The evidence of an alert: what it stands on, and a file that replays to the same alert."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from workstation.feeds.synthetic.options_day import options_day
from workstation.flow.alerts import alerts
from workstation.flow.classifiers import classify
from workstation.flow.evidence import Evidence, evidence
from workstation.flow.evidence_bundle import EvidenceError
from workstation.flow.nbbo import prints
from workstation.flow.packets import packets_of


@pytest.fixture(scope="module")
def kept() -> dict[str, pd.DataFrame]:
    day = options_day(minutes=2.0, names=("SPY",), parents_per_minute=12.0)
    placed = prints(day.tables["trades"], day.tables["quotes"], day.tables["marks"])
    told = alerts(classify(packets_of(placed)))
    assert len(told) > 5
    return {"alerts": told, "prints": placed, "quotes": day.tables["quotes"]}


def test_a_saved_bundle_replays_to_the_same_alert(kept: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    kinds = set()
    for alert_id in kept["alerts"]["alert_id"].tolist()[:6]:
        found = evidence(kept, alert_id)
        loaded = Evidence.load(found.save(tmp_path / "bundle.zip"))
        for one in (found, loaded):
            again = one.replay()
            for column in ("alert_id", "score", "severity", "direction", "explanation", "evidence"):
                assert again[column].iloc[0] == one.revisions[column].iloc[0], column
        kinds.add(str(found.alert["kind"]))
        assert len(found.prints) and found.prints["quote_age_ms"].notna().all()
        assert found.chart["part"].sum() == len(found.prints)
        assert len(found.baselines) == len(found.packets) > 0 and len(found.hits)
        assert found.rule["version"] == "flow-3" and found.rule["thresholds"]["sweep_usd"] == 40_000.0
        assert found.after["minutes"].tolist() == [1, 5, 15, 60]
    assert len(kinds) > 1


def test_what_is_not_kept_is_told(kept: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no alert 'flow:x' is kept"):
        evidence(kept, "flow:x")
    other = tmp_path / "other.zip"
    other.write_bytes(b"no zip")
    with pytest.raises(EvidenceError, match="is no evidence bundle"):
        Evidence.load(other)


def test_kept_packets_are_taken_and_missing_ones_made_again(kept: dict[str, pd.DataFrame]) -> None:
    alert_id = kept["alerts"]["alert_id"].iloc[0]
    made = evidence(kept, alert_id)
    taken = evidence(kept | {"packets": packets_of(kept["prints"])}, alert_id)
    names = ["packet_id", "size", "premium_usd", "buy_ratio", "premium_rank"]
    assert len(made.packets)
    pd.testing.assert_frame_equal(made.packets[names], taken.packets[names])


def test_an_alert_whose_prints_are_gone_is_shown_and_not_saved(
    kept: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    found = evidence({"alerts": kept["alerts"]}, kept["alerts"]["alert_id"].iloc[0])
    assert found.alert["score"] == sum(found.details["score_components"].values())
    assert not len(found.prints) and found.after["return"].isna().all()
    for act in (found.replay, lambda: found.save(tmp_path / "bundle.zip")):
        with pytest.raises(EvidenceError, match="are not kept: they are in the table prints of history"):
            act()
    assert not (tmp_path / "bundle.zip").exists()
