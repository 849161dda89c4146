"""The evidence of an alert: everything it stands on, in one file that replays to the same alert elsewhere.

A bundle holds the placed prints of the alert's underlying over the time that its baselines reach back, and the parameters of the
engines: packets, hits and alert follow from them again.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
import pandas as pd

from workstation.flow.alerts import Alerts, AlertsParameters
from workstation.flow.chain import FlowParameters
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.classifiers import Classifiers
from workstation.flow.packets import PacketsParameters, packets_of
from workstation.market.conditions import conditions
from workstation.market.errors import WorkstationError
from workstation.market.instants import MINUTE_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import ALERTS, INSTRUMENTS, PRINTS, QUOTES, TABLES

HORIZONS_MIN = (1, 5, 15, 60)
FORMAT = "workstation evidence 1"
RULE_TEXT = (
    "A packet is the prints of one contract within the window; a burst the packets of one underlying. Sides are the venue's or the "
    "quote's. Gates, confidences and scores are sums of the parts that the alert lists, with the thresholds below."
)


class EvidenceError(WorkstationError, ValueError):
    """There is no such alert, or what it stands on is not kept."""


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
        Its newest row; ``revisions`` are all of them.
    prints
        The prints it stands on, with the quote each met, its age and what its condition means.
    quotes
        Quotes of its contracts around the moment.
    packets, hits, baselines
        Its packets, what the classifiers said, and what the packets were compared with.
    chart
        Prints of its contracts around the moment: time, instrument, price, size, placement, whether part of it.
    after
        What happened: the underlying 1, 5, 15 and 60 minutes later against the alert's direction, and the verdict.
    rule
        Text, version and thresholds.
    history
        The placed prints of the underlying that it is replayed from.
    parameters
        Of the engines.
    """

    alert: pd.Series[Any]
    revisions: pd.DataFrame
    prints: pd.DataFrame
    quotes: pd.DataFrame
    packets: pd.DataFrame
    hits: pd.DataFrame
    baselines: pd.DataFrame
    chart: pd.DataFrame
    after: pd.DataFrame
    rule: dict[str, Any]
    history: pd.DataFrame
    parameters: FlowParameters

    def replay(self) -> pd.DataFrame:
        """Rows of ``alerts`` with this alert's id, made again from the bundle alone."""
        rows = _chain(self.history, self.parameters)[2]
        mine: pd.DataFrame = rows[(rows["alert_id"] == self.alert["alert_id"]).to_numpy()].reset_index(
            drop=True
        )
        return mine

    def save(self, path: str | Path) -> Path:
        """Write the bundle as one file."""
        target = Path(path)
        told = {
            "format": FORMAT,
            "alert_id": str(self.alert["alert_id"]),
            "parameters": asdict(self.parameters),
        }
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("evidence.json", orjson.dumps(told, option=orjson.OPT_INDENT_2))
            instruments = INSTRUMENT_TERMS.describe(sorted(set(self.history["instrument"].astype("str"))))
            for name, rows in (
                ("alerts", self.revisions), ("prints", self.history), ("quotes", self.quotes), ("instruments", instruments),
            ):  # fmt: skip
                bundle.writestr(f"{name}.parquet", _parquet(rows))
        return target

    @classmethod
    def load(cls, path: str | Path) -> Evidence:
        """A bundle that was saved.

        Raises
        ------
        EvidenceError
            The file is no bundle of this format.
        """
        try:
            with zipfile.ZipFile(path) as bundle:
                told = json.loads(bundle.read("evidence.json"))
                frames = {
                    name: pd.read_parquet(io.BytesIO(bundle.read(f"{name}.parquet")))
                    for name in ("instruments", "alerts", "prints", "quotes")
                }
        except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
            raise EvidenceError(f"{path} is no evidence bundle: {error}") from error
        if told.get("format") != FORMAT:
            raise EvidenceError(f"{path} is of format {told.get('format')!r}; this reads {FORMAT!r}")
        INSTRUMENT_TERMS.register(INSTRUMENTS.conform(frames.pop("instruments")))
        source = _Frames({name: TABLES[name].conform(rows) for name, rows in frames.items()})
        return evidence(source, told["alert_id"], _parameters(told["parameters"]))


class _Frames:
    """Frames in memory as a source."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = tables

    def read(self, table: str, start: Any = None, end: Any = None) -> pd.DataFrame:
        """See ``Source``."""
        rows = self._tables.get(table)
        if rows is None:
            return TABLES[table].empty()
        at = rows["event_ns"].to_numpy()
        inside = (at >= (at.min(initial=0) if start is None else start)) & (
            at < (at.max(initial=0) + 1 if end is None else end)
        )
        return TABLES[table].conform(rows[inside])


def evidence(
    source: Source | Mapping[str, pd.DataFrame], alert_id: str, parameters: FlowParameters | None = None, *,
    around: str = "15min", history: str = "24h",
) -> Evidence:  # fmt: skip
    """Everything an alert of the flow engines stands on.

    Parameters
    ----------
    source
        A history, or frames by table: ``alerts``, ``prints``, ``quotes``.
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
        No such alert is kept, it is not of the flow engines, or its prints are not kept.
    """
    held: Source = _Frames(source) if isinstance(source, Mapping) else source
    own = parameters or FlowParameters()
    every = held.read("alerts")
    revisions = ALERTS.conform(every[(every["alert_id"] == alert_id).to_numpy()])
    if not len(revisions):
        raise EvidenceError(
            f"no alert {alert_id!r} is kept; alert ids are in the column alert_id of the table alerts"
        )
    if not alert_id.startswith("flow:"):
        raise EvidenceError(
            f"{alert_id!r} is no alert of the flow engines; its evidence is the column evidence of its row"
        )
    alert = revisions.iloc[-1]
    told = orjson.loads(revisions["evidence"].iloc[0])
    at, width = int(revisions["event_ns"].iloc[0]), int(pd.Timedelta(around).as_unit("ns").value)
    end = max(at, int(revisions["event_ns"].max())) + max(width, 61 * MINUTE_NS)
    prints = held.read("prints", at - int(pd.Timedelta(history).as_unit("ns").value), end)
    names = _names(told, str(alert["instrument"]))
    prints = _of_underlying(prints, names[0])
    if not len(prints):
        raise EvidenceError(
            f"no prints of {names[0]} are kept around {alert_id!r}: they are in the table prints of history"
        )
    packets, hits, _ = _chain(prints, own)
    parents = set(_packet_ids(told))
    mine = packets[packets["packet_id"].isin(parents).to_numpy()].reset_index(drop=True)
    part = _members(prints, told)
    near = prints[
        (prints["event_ns"].between(at - width, at + width) & prints["instrument"].isin(names)).to_numpy()
    ]
    quotes = held.read("quotes", at - width, at + width)
    return Evidence(
        alert=alert, revisions=revisions, prints=_explained(part),
        quotes=QUOTES.conform(quotes[quotes["instrument"].isin(names).to_numpy()]), packets=mine,
        hits=hits[(hits["parent_id"] == alert["parent_id"]).to_numpy()].reset_index(drop=True), baselines=_baselines(mine),
        chart=_chart(near, part), after=_after(prints, alert, at), rule=_rule(alert, own), history=PRINTS.conform(prints), parameters=own,
    )  # fmt: skip


def _chain(prints: pd.DataFrame, own: FlowParameters) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    packets = packets_of(prints, **asdict(own.packets))
    hits = Classifiers(own.classifiers).update(packets)
    return packets, hits, Alerts(own.alerts).update(hits)


def _names(told: dict[str, Any], lead: str) -> list[str]:
    legs = [str(leg["instrument"]) for leg in told.get("ids", {}).get("legs", [])]
    return list(dict.fromkeys([lead, *legs]))


def _packet_ids(told: dict[str, Any]) -> list[str]:
    ids = told.get("ids", {})
    return [ids["packet"]] if "packet" in ids else [str(leg["packet"]) for leg in ids.get("legs", [])]


def _of_underlying(prints: pd.DataFrame, name: str) -> pd.DataFrame:
    used = list(prints["instrument"].array.unique().dropna())
    terms = INSTRUMENT_TERMS.describe([str(one) for one in used] or [name])
    wanted = str(INSTRUMENT_TERMS.describe([name])["underlying"].iloc[0])
    chosen = {
        str(one) for one, under in zip(terms["instrument"], terms["underlying"], strict=True) if str(under) == wanted
    }  # fmt: skip
    return PRINTS.conform(prints[prints["instrument"].isin(chosen).to_numpy()])


def _members(prints: pd.DataFrame, told: dict[str, Any]) -> pd.DataFrame:
    """The prints of the alert's packets, by contract and trade id (``#`` and number where there is none)."""
    ids = told.get("ids", {})
    legs = ids.get("legs") or [
        {"prints": ids.get("prints", []), "instrument": ids.get("packet", "").rsplit(":", 2)[0]}
    ]
    keys = {(str(leg["instrument"]), str(one)) for leg in legs for one in leg["prints"]}
    number = "#" + prints["print_number"].astype(str)
    name = prints["trade_id"].where(prints["trade_id"] != "", number)
    mine = [key in keys for key in zip(prints["instrument"].astype("str"), name.astype("str"), strict=True)]
    return prints[np.array(mine, dtype=bool) & (prints["cancels"] == 0).to_numpy()]  # fmt: skip


def _explained(prints: pd.DataFrame) -> pd.DataFrame:
    known = conditions("opra")
    words = [
        known[text].meaning if text in known else "" for text in prints["condition"].astype("str").fillna("")
    ]
    return prints.assign(condition_meaning=words).reset_index(drop=True)


def _baselines(packets: pd.DataFrame) -> pd.DataFrame:
    names = [
        "packet_id", "samples", "premium_z", "size_z", "spread_z", "premium_mad_z", "size_mad_z", "spread_mad_z", "premium_rank",
    ]  # fmt: skip
    return packets[names].reset_index(drop=True)


def _chart(near: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    names = ["event_ns", "instrument", "price", "size", "bid", "ask", "placement", "side", "spot"]
    mine = near["print_number"].isin(part["print_number"]).to_numpy()
    return near[names].assign(part=mine).reset_index(drop=True)


def _after(prints: pd.DataFrame, alert: pd.Series[Any], at: int) -> pd.DataFrame:
    """The underlying after the alert; NaN where it is not kept (yet)."""
    told = prints[np.isfinite(prints["spot"].to_numpy())]
    times, spot = told["event_ns"].to_numpy(), told["spot"].to_numpy()
    order = np.argsort(times, kind="stable")
    times, spot = times[order], spot[order]
    place = int(np.searchsorted(times, at, side="right")) - 1
    now = float(spot[place]) if place >= 0 else float("nan")
    rows = []
    for minutes in HORIZONS_MIN:
        then = int(np.searchsorted(times, at + minutes * MINUTE_NS))
        later = float(spot[then]) if then < times.size else float("nan")
        move = later / now - 1.0
        rows.append(
            {
                "minutes": minutes,
                "spot": later,
                "return": move,
                "with_direction": move * float(alert["direction"]),
            }
        )
    return pd.DataFrame(rows).assign(verdict=str(alert["verdict"]))  # fmt: skip


def _rule(alert: pd.Series[Any], own: FlowParameters) -> dict[str, Any]:
    return {
        "version": str(alert["rule_version"]), "text": RULE_TEXT, "classifier": str(alert["kind"]),
        "thresholds": asdict(own.classifiers), "packets": asdict(own.packets), "alerts": asdict(own.alerts),
        "nbbo": asdict(own.nbbo),
    }  # fmt: skip


def _parquet(rows: pd.DataFrame) -> bytes:
    kept = io.BytesIO()
    rows.astype(dict.fromkeys(rows.select_dtypes("category"), "str")).to_parquet(kept)
    return kept.getvalue()


def _parameters(told: Mapping[str, Any]) -> FlowParameters:
    """Parameters as they were saved; those that only the placement needs stay the defaults' kinds."""
    kinds = {"packets": PacketsParameters, "classifiers": ClassifierParameters, "alerts": AlertsParameters}
    made = {
        name: kind(**{one.name: told[name][one.name] for one in fields(kind) if one.name in told[name]})
        for name, kind in kinds.items()
    }
    return FlowParameters(enabled=bool(told["enabled"]), **made)
