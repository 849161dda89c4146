"""Signals that ask for an end, at random moments: every accepted row is written, and the end is orderly."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from tests.faults.rounds import Outcome, fault
from tests.faults.rows import PYTHON, ROOT
from workstation.history import open_history

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@fault("signals to a collecting desk")
def end_collecting(outcome: Outcome, folder: Path, chance: random.Random) -> None:
    """It ends with 0, says that every row is written, and leaves a whole store."""
    for number, asked in enumerate(SIGNALS * 2):
        outcome.rounds += 1
        store = folder / str(number)
        process = subprocess.Popen(
            [PYTHON, "-m", "workstation.cli", "collect", "synthetic", "--history", str(store)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        )
        until = time.monotonic() + 300  # a busy machine imports for minutes
        while not (store / "history.sqlite").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(2 + chance.random() * 3)
        process.send_signal(asked)
        try:
            said = process.communicate(timeout=300)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[0].decode(errors="replace")
        outcome.check(process.returncode == 0, f"{asked.name}: ended with {process.returncode}")
        outcome.check("every accepted row is written" in said, f"{asked.name}: {said[-120:]!r}")
        with open_history(store, upkeep=False) as history:
            outcome.check(history.problems().empty, f"{asked.name}: problems")
