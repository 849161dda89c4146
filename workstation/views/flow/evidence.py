"""The evidence of an alert: its prints with the quotes they met, features, baselines, score, rule, and what came after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd

from workstation.market.instants import MINUTE_NS
from workstation.market.instruments import REGISTRY
from workstation.views.flow.selection import evidence_of, packet_ids, trade_ids
from workstation.views.state.source import Source
from workstation.views.widgets.contract_words import CONTRACTS

BEFORE_NS, AFTER_NS = 5 * MINUTE_NS, 5 * MINUTE_NS
AFTERWARDS = (1, 5, 15)
"""Minutes after the alert at which the market is looked at again."""


@dataclass(frozen=True)
class Evidence:
    """All that is known of an alert.

    Attributes
    ----------
    alert
        Its newest row.
    history
        All its rows: told, amended, retracted, refuted.
    details
        What its evidence names: score components, hits, features, confidence.
    prints, packets
        Those it stands on, the newest revision of each packet.
    around
        Prints of its contract within five minutes before and after.
    spots
        The underlying at prints of its name in that time: event_ns, spot.
    afterwards
        Per minutes after: the underlying's return and the contract's, NaN where it is not known yet.
    """

    alert: dict[str, Any]
    history: pd.DataFrame
    details: dict[str, Any]
    prints: pd.DataFrame
    packets: pd.DataFrame
    around: pd.DataFrame
    spots: pd.DataFrame
    afterwards: pd.DataFrame


def evidence(source: Source, alert_id: str) -> Evidence | None:
    """The evidence of an alert from what the source holds; None when it holds no such alert."""
    alerts = source.latest("alerts")
    rows = alerts[(alerts["alert_id"] == alert_id).to_numpy()]
    if not len(rows):
        return None
    alert = {str(name): value for name, value in rows.iloc[-1].to_dict().items()}
    details = evidence_of(alert["evidence"])
    ids = details.get("ids", {})
    prints, packets = source.latest("prints"), source.latest("packets")
    structures = source.latest("structures")
    wanted = [*packet_ids(ids), *_legs_of(structures, str(ids.get("structure", "")))]
    chosen = packets[packets["packet_id"].isin(wanted).to_numpy()].drop_duplicates("packet_id", keep="last")
    trades = {name for text in chosen["evidence"].tolist() for name in trade_ids(evidence_of(text))}
    trades |= set(trade_ids(ids))
    at = int(rows.iloc[0]["event_ns"])
    near = _window(prints, at)
    contract = near[(near["instrument"].astype("str") == str(alert["instrument"])).to_numpy()]
    spots = _spots(prints, str(alert["instrument"]))
    return Evidence(
        alert=alert,
        history=rows,
        details=details,
        prints=prints[prints["trade_id"].isin(trades).to_numpy()],
        packets=chosen,
        around=contract,
        spots=spots[(np.abs(spots["event_ns"].to_numpy() - at) <= BEFORE_NS)],
        afterwards=afterwards(at, spots, prints, str(alert["instrument"])),
    )


def afterwards(at_ns: int, spots: pd.DataFrame, prints: pd.DataFrame, instrument: str) -> pd.DataFrame:
    """Returns of the underlying and of the contract some minutes after, against the last value at the time itself.

    Parameters
    ----------
    at_ns
        When it was told.
    spots
        event_ns and spot of the underlying, in time order.
    prints
        Rows of ``prints``, of which those of ``instrument`` count.

    Returns
    -------
    pandas.DataFrame
        minutes, underlying, contract; NaN until so much time has passed or where nothing printed.

    Examples
    --------
    >>> spots = pd.DataFrame({"event_ns": [0, MINUTE_NS], "spot": [100.0, 101.0]})
    >>> none = pd.DataFrame({"event_ns": [], "instrument": [], "price": [], "exclusion": []})
    >>> afterwards(0, spots, none, "X")["underlying"].round(4).tolist()
    [0.01, nan, nan]
    """
    own = prints[(prints["instrument"].astype("str") == instrument).to_numpy()]
    own = own[~own["exclusion"].astype("str").isin(("cancel", "unknown cancel")).to_numpy()]
    return pd.DataFrame(
        {
            "minutes": AFTERWARDS,
            "underlying": [_change(spots, "spot", at_ns, minutes) for minutes in AFTERWARDS],
            "contract": [_change(own, "price", at_ns, minutes) for minutes in AFTERWARDS],
        }
    )


def _change(rows: pd.DataFrame, column: str, at_ns: int, minutes: int) -> float:
    """Return from the last value at a time to the last at so many minutes later; NaN before that time has come."""
    if not len(rows):
        return float("nan")
    ordered = rows.sort_values("event_ns", kind="stable")
    times, values = ordered["event_ns"].to_numpy(dtype=np.int64), ordered[column].to_numpy(dtype=float)
    later = at_ns + minutes * MINUTE_NS
    then = int(np.searchsorted(times, at_ns, "right")) - 1
    now = int(np.searchsorted(times, later, "right")) - 1
    if then < 0 or times[-1] < later:
        return float("nan")
    return float(values[now] / values[then] - 1.0)


def _spots(prints: pd.DataFrame, instrument: str) -> pd.DataFrame:
    """What the prints of the instruments of one underlying say of it, in time order."""
    codes = prints["instrument"].cat.codes.to_numpy()
    spot = prints["spot"].to_numpy(dtype=float)
    whose = CONTRACTS.underlyings(REGISTRY.codes([instrument]))[0]
    chosen = (CONTRACTS.underlyings(codes) == whose) & np.isfinite(spot)
    made = pd.DataFrame({"event_ns": prints["event_ns"].to_numpy()[chosen], "spot": spot[chosen]})
    return made.sort_values("event_ns", kind="stable")


def _legs_of(structures: pd.DataFrame, structure_id: str) -> list[str]:
    found = (
        structures[(structures["structure_id"] == structure_id).to_numpy()]
        if structure_id
        else structures[:0]
    )
    if not len(found):
        return []
    told = orjson.loads(found["packets"].iloc[-1] or "[]")
    return [str(name) for name in (told.values() if isinstance(told, dict) else told)]


def _window(prints: pd.DataFrame, at_ns: int) -> pd.DataFrame:
    times = prints["event_ns"].to_numpy()
    return prints[(times >= at_ns - BEFORE_NS) & (times <= at_ns + AFTER_NS)]
