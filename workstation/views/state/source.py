"""What a page shows and what shows it: the source of published state, and the view over it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from workstation.board.priced_chain import PricedChain

if TYPE_CHECKING:
    from workstation.views.widgets.theme import Palette

CANDLES_KEPT = 3_000
"""Candles per instrument and length a source holds; what is older is read from history."""


class Source(Protocol):
    """The newest published state of every table, read only.

    ``latest(table)`` gives: trades the last 20 000 rows; candles the last 3 000 per instrument and length with the
    one in progress (``closed`` False); levels the rows of the last 36 h; exposures the newest snapshot per
    underlying; marks the newest row per instrument; health the last 500 rows. ``feeds()`` has one row per feed:
    feed, state, newest_ns, age_s, stale_after_s, rows_per_s, gaps, drops, detail, recorder_lag_s.
    """

    asof_ns: int
    """Newest ``event_ns`` of anything published."""

    def version(self, table: str) -> int:
        """Grows with every change of a table; ``priced_chain`` names the priced chains."""

    def latest(self, table: str) -> pd.DataFrame:
        """Its kept rows; not to be changed."""

    def since(
        self, table: str, instrument: str, seq: int, columns: Sequence[str]
    ) -> tuple[int, dict[str, np.ndarray]]:
        """Newest ``seq`` of a table, and columns of the kept rows of one instrument after a ``seq``, as they came."""

    def candles(self, instrument: str, every_ns: int) -> pd.DataFrame:
        """Candles of one instrument and length in time order, the one in progress last."""

    def traded(self) -> Mapping[str, int]:
        """Trades in candles of every instrument that has any, options left out."""

    def exposure_history(self, underlying: str, sign_model: str, basis: str) -> pd.DataFrame:
        """Gex by strike, once a minute: event_ns, strike, gex, call_gex, put_gex."""

    def priced_chain(self, underlying: str) -> PricedChain | None:
        """The newest priced chain of an underlying; None without marks of its options."""

    def feeds(self) -> pd.DataFrame:
        """One row per feed."""

    def parts(self) -> pd.DataFrame:
        """One row per part of the process: kind, name, state (ok, watch, failed), detail."""


class View(ABC):
    """A panel that shows what a source holds.

    ``inputs`` names the tables whose new versions make a refresh due; none: it is due every ``every_s``.
    """

    inputs: tuple[str, ...] = ()
    every_s: float = 0.0
    """Shortest time between two refreshes."""

    @abstractmethod
    def refresh(self, source: Source) -> None:
        """Show the newest state."""

    @abstractmethod
    def show_failure(self, reason: str) -> None:
        """Say on the screen that the last refresh failed; an empty reason clears it."""

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme; what is styled by CSS alone needs nothing."""
        return
