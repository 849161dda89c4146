"""What the API gives: one declaration per path, read by the handlers and by the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from workstation.access.roles import Role
from workstation.api.encoding import ARROW, JSON
from workstation.api.paging import Page, asked, page_of_frame, page_of_history
from workstation.api.parameters import PAGING, Parameter, RequestError, choice, duration, text, whole
from workstation.desk import Desk
from workstation.exposure.signs import BASES, SIGN_MODELS
from workstation.flow.evidence_bundle import EvidenceError
from workstation.market.instruments import REGISTRY
from workstation.market.tables import TABLES
from workstation.portfolio.positions import current
from workstation.pricing.contracts import IV_SOURCES
from workstation.pricing.forward import SOURCES

_ALERT_ID = re.compile(r"[A-Za-z0-9_:./+ -]{1,200}")
_ID_SCHEMA = {"type": "string", "pattern": f"^{_ALERT_ID.pattern}$"}


@dataclass
class Answer:
    """What a resource gives: facts, rows with their units, and where the next page begins."""

    facts: Mapping[str, Any]
    rows: pd.DataFrame | None = None
    units: Mapping[str, str] | None = None
    next: str | None = None


@dataclass(frozen=True)
class Resource:
    """One path of the API.

    Attributes
    ----------
    path
        After ``/api``; ``{id}`` is a part that is read as a parameter.
    parameters, answer
        What it takes, and what makes the answer of the desk and the values.
    role
        Who may ask.
    media
        What it can be given as.
    """

    path: str
    summary: str
    answer: Callable[[Desk, Mapping[str, Any]], Answer]
    parameters: tuple[Parameter, ...] = ()
    role: Role = Role.VIEWER
    media: tuple[str, ...] = (JSON, ARROW)


CURRENCY = Parameter("currency", "The underlying: BTC, ETH, SPY, ...", text, required=True)
INSTRUMENT = Parameter("instrument", "Unified name of the instrument.", text)
SIGN_MODEL = choice("sign_model", "Whom the open interest is taken to belong to.", SIGN_MODELS, "calls_long")
BASIS = choice("basis", "What is counted: open interest, or the day's volume.", BASES, "open_interest")
SEVERITY = choice("severity", "Only alerts of this severity.", ("high", "medium", "low"))


def _health(desk: Desk, _: Mapping[str, Any]) -> Answer:
    feeds = desk.board.feeds()
    failed = sorted(name for name, state in desk.hub.branches.items() if state != "running")
    ended = feeds["state"].astype(str).isin(["failed", "dead"]).any() if len(feeds) else False
    facts = {
        "status": "degraded" if failed or ended else "ok",
        "version": version("workstation"),
        "asof_ns": desk.board.asof_ns or None,
        "last_seq": desk.hub.next_seq - 1,
        "failed_branches": failed,
        "recorder_lag_s": desk.recorder.lag_seconds if desk.recorder else None,
        "accepted": dict(desk.hub.rows),
        "rejected": dict(desk.hub.rejected),
        "late": dict(desk.hub.late),
    }
    return Answer(facts, feeds)


def _chain_of(desk: Desk, values: Mapping[str, Any]) -> Any:
    chain = desk.board.priced_chain(values["currency"])
    if chain is None:
        raise RequestError(404, "currency", f"there is no chain of {values['currency']!r} on the board")
    return chain


def _known_model(chain: Any, values: Mapping[str, Any]) -> tuple[str, str]:
    model, basis = values["sign_model"], values["basis"]
    if model not in chain.sign_models:
        raise RequestError(
            404, "sign_model", f"{model!r} is not known of {chain.underlying}: no print had a side"
        )
    return model, basis


def _gex(desk: Desk, values: Mapping[str, Any]) -> Answer:
    chain = _chain_of(desk, values)
    model, basis = _known_model(chain, values)
    try:
        levels, strikes = chain.levels(model, basis), chain.by_strike("gex", model, basis)
    except ValueError as error:
        raise RequestError(404, "basis", str(error)) from None
    rows = pd.DataFrame(
        {
            "strike": strikes.strikes,
            "call_gex": strikes.call,
            "put_gex": strikes.put,
            "gex": np.nansum([strikes.call, strikes.put], axis=0),
        }
    )
    facts = {
        "currency": chain.underlying,
        "asof_ns": chain.asof_ns,
        "spot_usd": chain.spot,
        "sign_model": model,
        "basis": basis,
        "net_gex": levels.net_gex,
        "zero_gamma": levels.zero.nearest,
        "call_wall": levels.call_wall,
        "put_wall": levels.put_wall,
        "unit": "USD per 1 % move",
        "ledger": chain.ledger(model, basis),
    }
    units = dict.fromkeys(("call_gex", "put_gex", "gex"), "USD per 1 % move") | {"strike": "USD"}
    return Answer(facts, rows, units)


def _chain(desk: Desk, values: Mapping[str, Any]) -> Answer:
    chain = _chain_of(desk, values)
    priced = chain.contracts
    wanted = values["expiry_ns"]
    columns: dict[str, Any] = {
        "instrument": REGISTRY.names(priced.codes),
        "venue": priced.venue,
        "event_ns": priced.event_ns,
        "expiry_ns": priced.expiry_ns,
        "strike": priced.strike,
        "right": np.where(priced.is_call, "C", "P"),
        "forward": priced.forward,
        "forward_source": np.array(SOURCES, dtype=object)[priced.forward_source],
        "iv": priced.vol,
        "iv_source": np.array(IV_SOURCES, dtype=object)[priced.iv_source],
        "open_interest": priced.open_interest,
        "volume_24h": priced.volume_24h,
        "multiplier": priced.multiplier,
        **priced.greeks,
    }
    rows = pd.DataFrame(columns)
    if wanted is not None:
        rows = rows[(rows["expiry_ns"] == wanted).to_numpy()].reset_index(drop=True)
        if not len(rows):
            raise RequestError(404, "expiry_ns", f"the chain of {chain.underlying} has no such expiry")
    units = {
        "strike": "USD", "forward": "USD", "iv": "annual decimal", "open_interest": "contracts", "volume_24h": "contracts",
        "multiplier": "underlying units per contract", "vega": "USD per 1.00 vol", "theta": "USD per year", "gamma": "1/USD",
        "delta": "1", "event_ns": "ns", "expiry_ns": "ns",
    }  # fmt: skip
    facts = {"currency": chain.underlying, "asof_ns": chain.asof_ns, "spot_usd": chain.spot}
    return Answer(facts, rows, units)


def _rows_of(table: str, *filters: str) -> Callable[[Desk, Mapping[str, Any]], Answer]:
    """Makes the answer of a table's pages, with parameters of the columns' names as filters."""
    schema = TABLES[table]

    def answer(desk: Desk, values: Mapping[str, Any]) -> Answer:
        wanted = asked(values, {name: values[name] for name in filters})
        if desk.history is not None:
            page = page_of_history(desk.history, schema, wanted)
        else:
            page = page_of_frame(desk.board.latest(table), wanted)
        return _paged(page, table)

    return answer


def _paged(page: Page, table: str) -> Answer:
    units = {column.name: column.unit for column in TABLES[table].columns if column.unit}
    return Answer({"table": table}, page.rows, units, page.next)


def _candles(desk: Desk, values: Mapping[str, Any]) -> Answer:
    wanted = asked(values, {"instrument": values["instrument"], "every_ns": values["every"]})
    if desk.history is not None:
        return _paged(page_of_history(desk.history, TABLES["candles"], wanted), "candles")
    held = desk.board.candles(values["instrument"], values["every"])
    return _paged(page_of_frame(held, wanted._replace(where={})), "candles")


def _positions(desk: Desk, _: Mapping[str, Any]) -> Answer:
    held = current(desk.board.latest("fills"), desk.board.latest("positions"))
    units = {column.name: column.unit for column in TABLES["positions"].columns if column.unit}
    return Answer({"asof_ns": desk.board.asof_ns or None}, held.drop(columns=["seq", "seen_ns"]), units)


def _evidence(desk: Desk, values: Mapping[str, Any]) -> Answer:
    try:
        found = desk.evidence(values["id"])
    except EvidenceError as error:
        raise RequestError(404, "id", str(error)) from None
    names = ("alert", "revisions", "prints", "quotes", "packets", "hits", "baselines", "chart", "after")
    facts = {name: getattr(found, name) for name in names}
    rule = {name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value for name, value in found.rule.items()}  # fmt: skip
    return Answer({**facts, "rule": rule})


def alert_id(value: str) -> str:
    """The id of an alert; ``ValueError`` where it has characters that no id has."""
    if not _ALERT_ID.fullmatch(value):
        raise ValueError("is no id of an alert; ids are in the column alert_id of /api/alerts")
    return value


EVERY = Parameter(
    "every",
    "Length of the candles: 1s, 10s, 1min, 5min, ...",
    duration,
    {"type": "string", "examples": ["1min"], "maxLength": 20},
    required=True,
)
EXPIRY = Parameter(
    "expiry_ns",
    "Only this expiry, UTC ns.",
    whole(0, 2**63 - 1),
    {"type": "integer", "format": "int64", "minimum": 0},
)
ALERT_ID = Parameter("id", "Of an alert: its alert_id.", alert_id, _ID_SCHEMA, required=True)
ONE_INSTRUMENT = Parameter("instrument", INSTRUMENT.doc, text, required=True)
UNDERLYING = Parameter("underlying", "Only rows of this underlying.", text)

RESOURCES: tuple[Resource, ...] = (
    Resource("/health", "Feeds, engines, recorder: whether to believe the rest.", _health),
    Resource(
        "/gex",
        "Dealers' gamma exposure by strike with its key levels, now.",
        _gex,
        (CURRENCY, SIGN_MODEL, BASIS),
    ),
    Resource("/chain", "The priced chain of an underlying, now.", _chain, (CURRENCY, EXPIRY)),
    Resource("/levels", "Key levels over time.", _rows_of("levels", "underlying"), (UNDERLYING, *PAGING)),
    Resource(
        "/alerts",
        "Alerts over time.",
        _rows_of("alerts", "instrument", "severity"),
        (INSTRUMENT, SEVERITY, *PAGING),
    ),
    Resource(
        "/evidence/{id}",
        "Everything a flow alert stands on.",
        _evidence,
        (ALERT_ID,),
        media=(JSON,),
    ),
    Resource(
        "/prints", "Prints with the quote each met.", _rows_of("prints", "instrument"), (INSTRUMENT, *PAGING)
    ),
    Resource(
        "/packets",
        "Packets of prints.",
        _rows_of("packets", "instrument", "underlying"),
        (INSTRUMENT, UNDERLYING, *PAGING),
    ),
    Resource(
        "/candles", "Closed candles of one instrument and length.", _candles, (ONE_INSTRUMENT, EVERY, *PAGING)
    ),
    Resource(
        "/positions",
        "What is held now: as the fills make it, else as the venues tell.",
        _positions,
        role=Role.TRADER,
    ),
)
