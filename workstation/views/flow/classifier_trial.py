"""Other thresholds of the classifiers, tried over the kept packets before they apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from workstation.flow.alerts import alerts
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.classifiers import classify
from workstation.market.instants import HOUR_NS, MINUTE_NS


@dataclass(frozen=True)
class Trial:
    """What thresholds would have told.

    Attributes
    ----------
    minutes
        Span of the packets it was tried over, an hour at most.
    packets
        How many.
    now, then
        Alerts by kind under the thresholds that apply and under those tried.
    """

    minutes: float
    packets: int
    now: dict[str, int]
    then: dict[str, int]

    def table(self) -> pd.DataFrame:
        """Kinds with their counts: kind, now, then, change; the largest change first.

        Examples
        --------
        >>> Trial(60.0, 9, {"block": 3}, {"block": 1, "roll": 1}).table().values.tolist()
        [['block', 3, 1, -2], ['roll', 0, 1, 1]]
        """
        kinds = sorted({*self.now, *self.then})
        rows = [(kind, self.now.get(kind, 0), self.then.get(kind, 0)) for kind in kinds]
        made = pd.DataFrame(
            [(kind, now, then, then - now) for kind, now, then in rows],
            columns=["kind", "now", "then", "change"],
        )
        return made.sort_values("change", key=abs, ascending=False, kind="stable", ignore_index=True)


def last_hour(packets: pd.DataFrame) -> pd.DataFrame:
    """Packets of the last hour, from the first whole burst on."""
    if not len(packets):
        return packets
    end = int(packets["event_ns"].to_numpy().max())
    recent = packets[(packets["event_ns"].to_numpy() >= end - HOUR_NS)]
    cut = len(recent) < len(packets) or int(packets["burst"].iloc[0]) > 1
    if cut and len(recent):
        first = recent["burst"].iloc[0]
        recent = recent[(recent["burst"].to_numpy() != first) | (recent["burst_packets"].to_numpy() == 0)]
    return recent.reset_index(drop=True)


def tried(packets: pd.DataFrame, applied: ClassifierParameters, wanted: ClassifierParameters) -> Trial:
    """Run both sets of thresholds over the last hour of packets.

    Parameters
    ----------
    packets
        Rows of ``packets``.
    applied, wanted
        Thresholds now, and those to try.
    """
    recent = last_hour(packets)
    times = recent["event_ns"].to_numpy()
    minutes = float(times.max() - times.min()) / MINUTE_NS if len(times) else 0.0
    return Trial(minutes, len(recent), _told(recent, applied), _told(recent, wanted))


def _told(packets: pd.DataFrame, thresholds: ClassifierParameters) -> dict[str, int]:
    found = alerts(classify(packets, thresholds))
    newest: Any = found[~found["alert_id"].duplicated(keep="last").to_numpy()]
    standing = newest[newest["verdict"].astype("str") != "retracted"]
    counts = standing["kind"].astype("str").value_counts()
    return {str(name): int(count) for name, count in counts.items() if count}
