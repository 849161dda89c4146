"""Results of a fleet on disk: a folder per item, there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from workstation.market.errors import HistoryError
from workstation.research.fleet_item import Item, Result

TOLD, SIGNALS, EVALUATION = "result.json", "signals.parquet", "evaluation.nc"


class Results:
    """The results in a folder, by the digest of their item; failures are told and not kept as done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._failed: dict[str, str] = {}

    def has(self, item: Item) -> bool:
        """Whether the item is done."""
        return (self._folder / item.digest / TOLD).exists()

    def keep(self, item: Item, result: Result) -> None:
        """Write a result; it is there once the folder has its name."""
        if result.error:
            self._failed[item.digest] = result.error
            return
        making = self._folder / f".{item.digest}.{os.getpid()}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        if result.signals is not None:
            result.signals.to_parquet(making / SIGNALS, index=False)
        if result.evaluation is not None:
            result.evaluation.to_netcdf(making / EVALUATION)
        told = {"digests": dict(result.digests), "rows": dict(result.rows), "seconds": result.seconds}
        (making / TOLD).write_text(json.dumps(told | {"item": _shown(item)}, indent=1), encoding="utf-8")
        making.rename(self._folder / item.digest)

    def row(self, item: Item) -> dict[str, Any]:
        """An item and what became of it."""
        told = self._told(item) if self.has(item) else {}
        return {
            "start": pd.Timestamp(item.start_ns, tz="UTC"), "end": pd.Timestamp(item.end_ns, tz="UTC"),
            "instruments": " ".join(item.instruments), "parameters": item.parameters,
            "rows": told.get("rows", {}).get(item.signals, 0), "digest": told.get("digests", {}).get(item.signals, ""),
            "seconds": told.get("seconds", float("nan")), "error": "" if told else self._failed.get(item.digest, "not made"),
            "item": item.digest,
        }  # fmt: skip

    def digests(self, item: Item) -> Mapping[str, str]:
        """Digest of each derived table."""
        found: dict[str, str] = self._told(item)["digests"]
        return found

    def signals(self, item: Item) -> pd.DataFrame:
        """Signals of an item that is done."""
        return pd.read_parquet(self._folder / item.digest / SIGNALS)

    def evaluation(self, item: Item) -> xr.Dataset:
        """Evaluation of an item. ``HistoryError`` where it has none."""
        path = self._folder / item.digest / EVALUATION
        if not path.exists():
            why = self._failed.get(item.digest, "it made no signal" if self.has(item) else "it is not made")
            raise HistoryError(f"item {item.digest} has no evaluation: {why}")
        return xr.load_dataset(path)

    def _told(self, item: Item) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self._folder / item.digest / TOLD).read_text(encoding="utf-8"))
        return told


def _shown(item: Item) -> dict[str, Any]:
    return {
        "store": item.store, "start_ns": item.start_ns, "end_ns": item.end_ns, "instruments": list(item.instruments),
        "parameters": json.loads(item.parameters), "engines": f"{item.engines.__module__}:{item.engines.__qualname__}",
        "signals": item.signals, "prices": item.prices, "horizons": list(item.horizons), "raw_rows": dict(item.raw_rows),
    }  # fmt: skip
