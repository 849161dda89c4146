"""From the heartbeat that crosses a timer tick to the cards of the exposure page, for one whole chain.

    python benchmarks/refresh.py [contracts] [rounds]

``publish``: exposures and levels are computed, the priced chain is published with what screens asked of it before, the rows
are on the board. ``cards``: value line, exposure by strike and net gex over spot are brought up to date. CPU time of the thread,
which a busy machine disturbs least; drawing in the browser is not counted. To compare two checkouts, run it in each in turns.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.exposure import START, TICK_NS, book_marks
from workstation.board.board import Board
from workstation.exposure.book import ExposureBook
from workstation.exposure.levels import Levels
from workstation.market.tables import HEARTBEAT
from workstation.views.exposure.curve import Curve
from workstation.views.exposure.headline import Headline
from workstation.views.exposure.profile import ByStrike
from workstation.views.exposure.snapshot import Snapshots
from workstation.views.state.choice import Choice
from workstation.views.widgets.theme import DARK

WARM_UP = 40


class Chain:
    """One underlying's marks, engines and board, and three cards over it."""

    def __init__(self, contracts: int) -> None:
        self.marks = book_marks(contracts)
        self.board, self.engines = Board(), [ExposureBook(), Levels()]
        self.board.follow_chains(self.engines)
        choice = Choice()
        choice.param.underlying.objects = ["BTC"]
        choice.underlying = "BTC"
        snapshots = Snapshots(choice)
        self.cards = [
            Headline(choice, snapshots),
            ByStrike(choice, snapshots, DARK),
            Curve(choice, snapshots, DARK),
        ]
        self._draw = np.random.default_rng(1)

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Give a batch to the engines and, with what they make of it, to the board."""
        made = [(engine.output, engine.update(frame, table)) for engine in self.engines]
        self.board.add(table, frame)
        for output, rows in made:
            if len(rows):
                self.board.add(output, rows)

    def tick(self, number: int) -> tuple[float, float]:
        """CPU seconds of a tick: to publish, and for the cards."""
        now = START + number * TICK_NS
        moved = self.marks["mark_iv"] * (1.0 + 0.01 * self._draw.standard_normal(len(self.marks)))
        self.put("marks", self.marks.assign(event_ns=now - 5, mark_iv=moved))
        beat = HEARTBEAT.conform(pd.DataFrame({"event_ns": [now]}))
        begun = time.thread_time()
        self.put("heartbeat", beat)
        published = time.thread_time()
        for card in self.cards:
            card.refresh(self.board)
        return published - begun, time.thread_time() - published


def main(contracts: int = 1000, rounds: int = 100) -> None:
    """Measure and print."""
    chain = Chain(contracts)
    spent = np.array([chain.tick(number) for number in range(1, WARM_UP + rounds + 1)])[WARM_UP:] * 1e3
    print(f"{contracts} contracts, {rounds} ticks; milliseconds of CPU")
    print(f"{'':12s}{'least':>9s}{'median':>9s}")
    for name, column in (("publish", spent[:, 0]), ("cards", spent[:, 1]), ("together", spent.sum(axis=1))):
        print(f"{name:12s}{column.min():9.2f}{np.median(column):9.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
