"""What a fault round is, and the table of their outcomes."""

from __future__ import annotations

import random
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Outcome:
    """What came of one kind of fault: rounds played, and what went wrong in them."""

    what: str
    rounds: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def check(self, right: bool, what: str) -> None:
        """Note what went wrong unless it is right."""
        if not right:
            self.wrong.append(what)


Round = Callable[[Outcome, Path, random.Random], None]
KINDS: dict[str, Round] = {}


def fault(what: str) -> Callable[[Round], Round]:
    """Register a kind of fault: a function of its outcome, an empty folder and a seeded source of chance."""

    def register(played: Round) -> Round:
        KINDS[what] = played
        return played

    return register


def play(what: str, seed: int) -> Outcome:
    """Play the rounds of a kind; an error of theirs is a wrong outcome, not an end."""
    outcome, began = Outcome(what), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        try:
            KINDS[what](outcome, Path(folder), random.Random(seed))
        except Exception as error:  # noqa: BLE001 - the table says it, the other kinds go on
            where = traceback.extract_tb(error.__traceback__)[-1]
            outcome.wrong.append(
                f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            )
    outcome.seconds = time.perf_counter() - began
    return outcome
