"""Frames no caller should hand in: a store, a hub and an engine take them right or refuse them by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.faults.rounds import Outcome, fault
from tests.faults.rows import trades
from workstation.history import open_history
from workstation.market.errors import WorkstationError

Frame = pd.DataFrame


def _as(kind: str) -> Callable[[Frame], Frame]:
    return lambda rows: rows.assign(event_ns=pd.to_datetime(rows["event_ns"]).astype(kind))


RIGHT: dict[str, Callable[[Frame], Frame]] = {
    "times in us": _as("datetime64[us]"),
    "times with a zone": lambda rows: rows.assign(event_ns=pd.to_datetime(rows["event_ns"], utc=True)),
    "unsorted": lambda rows: rows.sample(frac=1.0, random_state=1),
    "a strange index": lambda rows: rows.set_index(np.arange(len(rows)) * 7 - 3),
    "a slice": lambda rows: pd.concat([rows, rows])[len(rows) :],
    "categories of its own": lambda rows: rows.assign(instrument=pd.Categorical(rows["instrument"])),
    "objects": lambda rows: rows.astype({"instrument": object}),
    "repeated rows": lambda rows: pd.concat([rows, rows]),
}
WRONG: dict[str, Callable[[Frame], Frame]] = {
    "no time": lambda rows: rows.assign(event_ns=pd.NaT),
    "a time of 1800": lambda rows: rows.assign(event_ns=np.datetime64("1800-01-01", "s")),
    "a time of 2200": lambda rows: rows.assign(event_ns=np.datetime64("2200-01-01", "s")),
    "a time as text": lambda rows: rows.assign(event_ns="2026-03-20"),
    "a fraction of a ns": lambda rows: rows.assign(event_ns=1.5),
    "no price": lambda rows: rows.drop(columns="price"),
    "an unknown price": lambda rows: rows.assign(price=np.nan),
    "a price as text": lambda rows: rows.assign(price="cheap"),
    "a column too many": lambda rows: rows.assign(prize=1.0),
    "no instrument": lambda rows: rows.assign(instrument=None),
    "two prices": lambda rows: pd.concat([rows, rows[["price"]]], axis=1),
}


@fault("frames no store should take")
def poison_store(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Right ones come back as they are, wrong ones are refused by name and leave nothing."""
    rows = trades(0, 100)
    for name, change in RIGHT.items():
        outcome.rounds += 1
        with open_history(folder / f"right {name}", upkeep=False) as history:
            history.write("trades", change(rows))
            got = history.read("trades")
        outcome.check(got["price"].tolist() == rows["price"].tolist(), f"{name}: other rows")
        times = rows["event_ns"].to_numpy()
        outcome.check(
            np.array_equal(got["event_ns"].to_numpy() // 1000, times // 1000), f"{name}: other times"
        )
    for name, change in WRONG.items():
        outcome.rounds += 1
        with open_history(folder / f"wrong {name}", upkeep=False) as history:
            try:
                history.write("trades", change(rows))
                outcome.wrong.append(f"{name}: taken")
            except WorkstationError:
                pass
            except Exception as error:  # noqa: BLE001 - an error in other words is what this looks for
                outcome.wrong.append(f"{name}: {type(error).__name__}: {error}")
            outcome.check(history.tables().empty, f"{name}: rows left")
