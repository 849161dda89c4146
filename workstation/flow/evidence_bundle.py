"""An alert's evidence as one file: rows as Parquet beside the parameters of the engines, in a zip."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pandas as pd

from workstation.flow.alerts import AlertsParameters
from workstation.flow.chain import FlowParameters
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.packets import PacketsParameters
from workstation.market.errors import WorkstationError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import INSTRUMENTS, TABLES

FORMAT = "workstation evidence 1"
KEPT = ("alerts", "prints", "quotes")


class EvidenceError(WorkstationError, ValueError):
    """There is no such alert, or what it stands on is not kept."""


class Bundle(NamedTuple):
    """What a file holds: the alert's id, the parameters that the engines ran with, and rows of ``KEPT`` by table."""

    alert_id: str
    parameters: FlowParameters
    tables: dict[str, pd.DataFrame]


def write_bundle(path: str | Path, bundle: Bundle) -> Path:
    """Write a bundle, with the terms of its instruments."""
    target = Path(path)
    told = {"format": FORMAT, "alert_id": bundle.alert_id, "parameters": asdict(bundle.parameters)}
    instruments = INSTRUMENT_TERMS.describe(sorted(set(bundle.tables["prints"]["instrument"].astype("str"))))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("evidence.json", orjson.dumps(told, option=orjson.OPT_INDENT_2))
        for name, rows in (*((name, bundle.tables[name]) for name in KEPT), ("instruments", instruments)):
            written.writestr(f"{name}.parquet", _parquet(rows))
    return target


def read_bundle(path: str | Path) -> Bundle:
    """A bundle that was written; the terms of its instruments are known from then on.

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
                for name in (*KEPT, "instruments")
            }
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise EvidenceError(f"{path} is no evidence bundle: {error}") from error
    if told.get("format") != FORMAT:
        raise EvidenceError(f"{path} is of format {told.get('format')!r}; this reads {FORMAT!r}")
    INSTRUMENT_TERMS.register(INSTRUMENTS.conform(frames.pop("instruments")))
    tables = {name: TABLES[name].conform(rows) for name, rows in frames.items()}
    return Bundle(told["alert_id"], _parameters(told["parameters"]), tables)


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
