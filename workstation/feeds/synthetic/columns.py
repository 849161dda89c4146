"""Columns of a slice gathered table by table, and the batches made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workstation.feeds.feed import Batch
from workstation.market.instruments import REGISTRY
from workstation.market.tables import TABLES
from workstation.market.tables.categories import categories, coded

Columns = dict[str, np.ndarray]

CONDITIONS = ("", "I", "S", "a", "c", "e", "f", "g", "D", "B", "A", "C")
EXCHANGES = ("", "A", "B", "C", "E", "H", "I", "J", "M", "N", "P", "Q", "X", "Z", "D", "V")
_LABELS = {
    "condition": categories(*CONDITIONS),
    "exchange": categories(*EXCHANGES),
    "side_source": categories("", "venue"),
}
LATENCY_NS = 2_000_000


def code(labels: tuple[str, ...], label: str) -> int:
    """Position of a label, as the integer columns of a slice carry it."""
    return labels.index(label)


def joined(parts: list[Columns]) -> Columns:
    """Parts of one table end to end, in order of ``event_ns`` (ties keep their order)."""
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(columns["arrival_ns"], kind="stable")
    return {name: values[order] for name, values in columns.items()}


def labelled(prefix: str, numbers: np.ndarray) -> Any:
    """``prefix`` and number as strings; empty where the number is 0."""
    text = pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")
    if not numbers.all():
        text = pc.if_else(pa.array(numbers != 0), text, "")
    return pd.array(text.cast(pa.large_string()), dtype="str")


def batch(table: str, columns: Columns, latency_ns: np.ndarray) -> Batch:
    """The conformed batch of a slice's columns; ``latency_ns`` (n,) separates arrival from being seen."""
    result: dict[str, Any] = dict(columns)
    seen = result.pop("arrival_ns") + latency_ns
    result["seen_ns"] = np.maximum.accumulate(seen)
    rows = len(seen)
    if "code" in result:
        result["instrument"] = REGISTRY.categorical(result.pop("code").astype(np.int32))
    if table in ("trades", "quotes", "marks", "liquidations"):
        result["venue"] = "synthetic"
    if table == "heartbeat":
        result["feed"] = "synthetic"
    for name, dtype in _LABELS.items():
        if name in result:
            result[name] = coded(result[name], dtype)
    for name, prefix in (("trade_id", "T"), ("block_id", "B")):
        if name in result:
            result[name] = labelled(prefix, result[name])
    return Batch(table, TABLES[table].batch(result, rows))
