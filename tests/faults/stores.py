"""Every file of a store deleted, emptied, cut, spoilt and replaced by an older one, in turn; then repaired."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.kills import start
from tests.faults.rounds import Outcome, fault
from tests.faults.rows import trades
from workstation.history import open_history
from workstation.history.embedded.repair import repair
from workstation.market.errors import HistoryError

_BUILD = """
import os, shutil, signal, sys
from tests.faults.rows import trades
from workstation.history import open_history
store, older = sys.argv[1], sys.argv[2]
history = open_history(store, upkeep=False)
for part in range(4):
    history.write("trades", trades(part * 100, 100))
    history.roll()
    if part == 1:
        history.write("trades", trades(1000, 50))
        history.close()
        shutil.copytree(store, older)
        history = open_history(store, upkeep=False)
history.write("trades", trades(2000, 100))
os.kill(os.getpid(), signal.SIGKILL)
"""
IN_LOG = set(range(2000, 2100))
ALL = set(range(400)) | set(range(1000, 1050)) | IN_LOG


def _spoil(path: Path, chance: random.Random) -> None:
    held = bytearray(path.read_bytes())
    for _ in range(max(1, len(held) // 50)):
        held[chance.randrange(len(held))] ^= 1 + chance.randrange(255)
    path.write_bytes(held)


HARMS: dict[str, Callable[[Path, random.Random], None]] = {
    "deleted": lambda path, chance: path.unlink(),
    "emptied": lambda path, chance: os.truncate(path, 0),
    "cut": lambda path, chance: os.truncate(path, path.stat().st_size // 2),
    "spoilt": lambda path, chance: _spoil(path, chance) if path.stat().st_size else None,
    "garbage": lambda path, chance: path.write_bytes(chance.randbytes(3000)) and None,
}


def _stores(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """(file, harm, a fresh store) of every file and harm; the store was left by a killed writer."""
    built, older = folder / "built", folder / "older"
    start("-c", _BUILD, built, older).wait()
    files = sorted(path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file())
    for name in files:
        harms = [*HARMS, "replaced by an older one"] if (older / name).exists() else list(HARMS)
        for harm in harms:
            copy = folder / "store"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(built, copy)
            if harm.startswith("replaced"):
                shutil.copy(older / name, copy / name)
            yield name, harm, copy


def _work(store: Path) -> tuple[bool, int]:
    """Open, write, roll, merge and tidy as a desk would; whether anything was told, and the rows written."""
    try:
        with open_history(store, upkeep=False) as history:
            history.verify()
            written = history.write("trades", trades(5000, 10))
            history.roll()
            history.compact()
            history._upkeep.tidy()  # type: ignore[attr-defined]
            return not history.problems().empty, written
    except HistoryError as error:
        return "workstation history repair" in str(error), 0


@fault("a file of a store deleted, emptied, cut, spoilt, replaced")
def damage_stores(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """Nothing is deleted or doubled, what is lost is told, and repair gives back all that a file still holds."""
    for name, harm, store in _stores(folder):
        outcome.rounds += 1
        case = f"{name} {harm}"
        if harm in HARMS:
            HARMS[harm](store / name, chance)
        told, written = _work(store)
        report = repair(store)
        told = told or "lost" in set(report["what"])
        with open_history(store, upkeep=False) as history:
            told = told or not history.problems().empty
            got = history.read("trades", columns=["price"])["price"].astype(int).tolist()
        outcome.check(len(got) == len(set(got)), f"{case}: rows doubled")
        outcome.check(set(got) <= ALL | set(range(5000, 5010)), f"{case}: rows invented")
        lost = ALL - set(got)
        outcome.check(not lost or told, f"{case}: {len(lost)} rows lost without a word")
        outcome.check(len(lost) <= _may_lose(name), f"{case}: {len(lost)} rows lost")
        outcome.check(set(range(5000, 5000 + written)) <= set(got), f"{case}: what was written after is lost")


def _may_lose(name: str) -> int:
    """Rows that only this file holds."""
    if name.startswith("segments/"):
        return 150
    return len(IN_LOG) if name.startswith("history.sqlite") and not name.endswith("-shm") else 0
