"""The evidence of an alert: everything it stands on and what came of it, from kept rows or from one file that replays to the same alert.

Packets, hits and alert follow again from the placed prints of the alert's underlying over the time that its baselines reach back, and
the parameters of the engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from workstation.flow.alerts import Alerts
from workstation.flow.chain import FlowParameters
from workstation.flow.classifiers import Classifiers
from workstation.flow.evidence_bundle import Bundle, EvidenceError, read_bundle, write_bundle
from workstation.flow.evidence_ids import evidence_of, packet_ids
from workstation.flow.packets import packets_of
from workstation.market.conditions import conditions
from workstation.market.instants import MINUTE_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import ALERTS, PACKETS, PRINTS, QUOTES, TABLES

HORIZONS_MIN = (1, 5, 15, 60)
"""Minutes after the alert at which the market is looked at again."""
READ = ("alerts", "prints", "packets", "quotes")
"""Tables that evidence is gathered from; packets that are not kept are made again from the prints."""
RULE_TEXT = (
    "A packet is the prints of one contract within the window; a burst the packets of one underlying. Sides are the venue's or the "
    "quote's. Gates, confidences and scores are sums of the parts that the alert lists, with the thresholds below."
)
_BASELINES = (
    "packet_id", "samples", "premium_z", "size_z", "spread_z", "premium_mad_z", "size_mad_z", "spread_mad_z", "premium_rank",
)  # fmt: skip


class Source(Protocol):
    """Where rows are read: a history, or frames in memory."""

    def read(self, table: str, start: Any = None, end: Any = None) -> pd.DataFrame:
        """Rows with start <= event_ns < end."""


@dataclass
class Evidence:
    """What an alert stands on.

    Attributes
    ----------
    alert
        Its newest row; ``revisions`` are all of them: told, amended, retracted, refuted.
    details
        What its evidence names: ids, score components, hits, features, confidence.
    prints
        The prints it stands on, with the quote each met, its age and what its condition means.
    quotes
        Quotes of its contracts around the moment.
    packets, baselines
        Its packets, the newest revision of each, and what they were compared with.
    hits
        What the classifiers said: classifier, confidence, direction, whether it abstained and why, words.
    chart
        Prints of its contracts around the moment, ``part``: whether it stands on them.
    spots
        The underlying around the moment at prints of its name: event_ns, spot.
    after
        What happened 1, 5, 15 and 60 minutes later: spot, return of the underlying, that against the alert's direction, return of the
        contract; NaN until so much time has passed.
    rule
        Text, version and thresholds.
    history
        The placed prints of the underlying that it is replayed from.
    parameters
        Of the engines.
    """

    alert: dict[str, Any]
    revisions: pd.DataFrame
    details: dict[str, Any]
    prints: pd.DataFrame
    quotes: pd.DataFrame
    packets: pd.DataFrame
    hits: pd.DataFrame
    baselines: pd.DataFrame
    chart: pd.DataFrame
    spots: pd.DataFrame
    after: pd.DataFrame
    rule: dict[str, Any]
    history: pd.DataFrame
    parameters: FlowParameters

    def replay(self) -> pd.DataFrame:
        """Rows of ``alerts`` with this alert's id, made again from its prints alone.

        Raises ``EvidenceError`` where its prints are not kept.
        """
        self._needs_prints()
        hits = Classifiers(self.parameters.classifiers).update(
            packets_of(self.history, **asdict(self.parameters.packets))
        )
        rows = Alerts(self.parameters.alerts).update(hits)
        mine: pd.DataFrame = rows[(rows["alert_id"] == self.alert["alert_id"]).to_numpy()].reset_index(
            drop=True
        )
        return mine

    def save(self, path: str | Path) -> Path:
        """Write it as one file. Raises ``EvidenceError`` where its prints are not kept: such a file would replay to nothing."""
        self._needs_prints()
        tables = {"alerts": self.revisions, "prints": self.history, "quotes": self.quotes}
        return write_bundle(path, Bundle(str(self.alert["alert_id"]), self.parameters, tables))

    @classmethod
    def load(cls, path: str | Path) -> Evidence:
        """Evidence that was saved. Raises ``EvidenceError`` for a file of another kind."""
        bundle = read_bundle(path)
        return evidence(bundle.tables, bundle.alert_id, bundle.parameters)

    def _needs_prints(self) -> None:
        if not len(self.prints):
            raise EvidenceError(
                f"the prints of {self.alert['alert_id']!r} are not kept: they are in the table prints of history"
            )


class _Frames:
    """Frames in memory as a source."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = tables

    def read(self, table: str, start: Any = None, end: Any = None) -> pd.DataFrame:
        """See ``Source``."""
        rows = self._tables.get(table)
        if rows is None:
            return TABLES[table].empty()
        if start is None and end is None:
            return rows
        at = rows["event_ns"].to_numpy()
        inside: pd.DataFrame = rows[(at >= start) & (at < end)]
        return inside


def evidence(
    source: Source | Mapping[str, pd.DataFrame], alert_id: str, parameters: FlowParameters | None = None, *,
    around: str = "15min", history: str = "24h",
) -> Evidence:  # fmt: skip
    """Everything an alert of the flow engines stands on, as far as it is kept.

    Parameters
    ----------
    source
        A history, or frames by table, of ``READ``.
    alert_id
        Of the ``alerts`` table.
    parameters
        That the engines ran with; none: the defaults.
    around
        How much of chart and quotes is shown before and after.
    history
        How far back prints of the underlying are taken for its baselines.

    Raises
    ------
    EvidenceError
        No such alert is kept, or it is not of the flow engines.
    """
    held: Source = _Frames(source) if isinstance(source, Mapping) else source
    own = parameters or FlowParameters()
    revisions = _revisions(held, alert_id)
    alert = {str(name): value for name, value in revisions.iloc[-1].to_dict().items()}
    details = evidence_of(alert["evidence"])
    at, width = int(revisions["event_ns"].iloc[0]), int(pd.Timedelta(around).as_unit("ns").value)
    start = at - int(pd.Timedelta(history).as_unit("ns").value)
    end = max(at, int(revisions["event_ns"].max())) + max(width, 61 * MINUTE_NS)
    names = _names(details, str(alert["instrument"]))
    prints = _of_underlying(held.read("prints", start, end), names[0])
    part = _members(prints, details, names)
    packets = _packets(held, details, prints, own, start, end)
    near = prints[prints["event_ns"].between(at - width, at + width).to_numpy()]
    quotes = held.read("quotes", at - width, at + width)
    return Evidence(
        alert=alert, revisions=revisions, details=details, prints=_explained(part), packets=packets, baselines=packets[list(_BASELINES)],
        quotes=QUOTES.conform(quotes[quotes["instrument"].isin(names).to_numpy()]), hits=pd.DataFrame(details.get("hits", [])),
        chart=_chart(near[near["instrument"].isin(names).to_numpy()], part), spots=_spots(near), after=_after(prints, alert, at),
        rule=_rule(alert, own), history=prints, parameters=own,
    )  # fmt: skip


def _revisions(held: Source, alert_id: str) -> pd.DataFrame:
    every = held.read("alerts")
    rows = every[(every["alert_id"] == alert_id).to_numpy()]
    if not len(rows):
        raise EvidenceError(
            f"no alert {alert_id!r} is kept; alert ids are in the column alert_id of the table alerts"
        )
    if not str(rows["rule_version"].iloc[-1]).startswith("flow"):
        raise EvidenceError(
            f"{alert_id!r} is no alert of the flow engines; its evidence is the column evidence of its row"
        )
    return ALERTS.conform(rows)


def _names(details: dict[str, Any], lead: str) -> list[str]:
    """The alert's contracts, the leading one first."""
    legs = [str(leg["instrument"]) for leg in details.get("ids", {}).get("legs", [])]
    return list(dict.fromkeys([lead, *legs]))


def _of_underlying(prints: pd.DataFrame, name: str) -> pd.DataFrame:
    """Prints of all contracts of the underlying of ``name``."""
    used = [str(one) for one in prints["instrument"].array.unique().dropna()]
    terms = INSTRUMENT_TERMS.describe(used or [name])
    wanted = str(INSTRUMENT_TERMS.describe([name])["underlying"].iloc[0])
    chosen = {
        str(one) for one, under in zip(terms["instrument"], terms["underlying"], strict=True) if str(under) == wanted
    }  # fmt: skip
    return PRINTS.conform(prints[prints["instrument"].isin(chosen).to_numpy()])


def _members(prints: pd.DataFrame, details: dict[str, Any], names: list[str]) -> pd.DataFrame:
    """The prints of the alert's packets, by contract and trade id (``#`` and number where there is none)."""
    ids = details.get("ids", {})
    legs = ids.get("legs") or [{"prints": ids.get("prints", []), "instrument": names[0]}]
    keys = {(str(leg["instrument"]), str(one)) for leg in legs for one in leg["prints"]}
    may = prints[(prints["instrument"].isin(names) & (prints["cancels"] == 0)).to_numpy()]
    name = may["trade_id"].where(may["trade_id"] != "", "#" + may["print_number"].astype(str))
    mine = [key in keys for key in zip(may["instrument"].astype("str"), name.astype("str"), strict=True)]
    return may[np.array(mine, dtype=bool)]


def _packets(
    held: Source, details: dict[str, Any], prints: pd.DataFrame, own: FlowParameters, start: int, end: int
) -> pd.DataFrame:
    """The alert's packets as they are kept, else made again."""
    wanted = packet_ids(details.get("ids", {}))
    kept = held.read("packets", start, end)
    mine = kept[kept["packet_id"].isin(wanted).to_numpy()]
    if mine["packet_id"].nunique() < len(set(wanted)):
        made = packets_of(prints, **asdict(own.packets))
        mine = made[made["packet_id"].isin(wanted).to_numpy()]
    return PACKETS.conform(mine.drop_duplicates("packet_id", keep="last")).reset_index(drop=True)


def _explained(prints: pd.DataFrame) -> pd.DataFrame:
    known = conditions("opra")
    words = [
        known[text].meaning if text in known else "" for text in prints["condition"].astype("str").fillna("")
    ]
    return prints.assign(condition_meaning=words).reset_index(drop=True)


def _chart(near: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    return near.assign(part=near["print_number"].isin(part["print_number"]).to_numpy()).reset_index(drop=True)


def _spots(prints: pd.DataFrame) -> pd.DataFrame:
    known = prints[np.isfinite(prints["spot"].to_numpy())]
    made: pd.DataFrame = known[["event_ns", "spot"]].sort_values("event_ns", kind="stable")
    return made.reset_index(drop=True)


def _after(prints: pd.DataFrame, alert: dict[str, Any], at: int) -> pd.DataFrame:
    """The underlying and the contract after the alert."""
    spots = _spots(prints)
    own = prints[(prints["instrument"].astype("str") == str(alert["instrument"])).to_numpy()]
    own = own[~own["exclusion"].astype("str").isin(("cancel", "unknown cancel")).to_numpy()]
    then = _values(spots, "spot", at)
    returns = then[1:] / then[0] - 1.0
    contract = _values(own, "price", at)
    return pd.DataFrame({
        "minutes": HORIZONS_MIN, "spot": then[1:], "return": returns, "with_direction": returns * float(alert["direction"]),
        "contract": contract[1:] / contract[0] - 1.0, "verdict": str(alert["verdict"]),
    })  # fmt: skip


def _values(rows: pd.DataFrame, column: str, at_ns: int) -> np.ndarray:
    """The last value at a time and at each horizon after it (1 + horizons,); NaN where the rows do not reach so far."""
    ordered = rows.sort_values("event_ns", kind="stable")
    times, values = ordered["event_ns"].to_numpy(dtype=np.int64), ordered[column].to_numpy(dtype=float)
    when = at_ns + MINUTE_NS * np.array([0, *HORIZONS_MIN])
    place = np.searchsorted(times, when, "right") - 1
    reached = (place >= 0) & (times[-1:].max(initial=-1) >= when)
    return np.where(reached, np.append(values, np.nan)[place], np.nan)


def _rule(alert: dict[str, Any], own: FlowParameters) -> dict[str, Any]:
    return {
        "version": str(alert["rule_version"]), "text": RULE_TEXT, "classifier": str(alert["kind"]),
        "thresholds": asdict(own.classifiers), "packets": asdict(own.packets), "alerts": asdict(own.alerts),
        "nbbo": asdict(own.nbbo),
    }  # fmt: skip
