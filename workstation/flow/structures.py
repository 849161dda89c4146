"""Structures: packages of several contracts, found among the packets of one burst or told by the venue.

Legs of a package that the venue prints under one id (``block_id``) are a structure by fact. Other legs must be alike in size, within
0.8 to 1.25 of a small integer ratio, and of one kind of print: legs printed as multi-leg are never mixed with single prints.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd

from workstation.flow.structure_finder import StructureFinder, StructuresParameters
from workstation.flow.structure_rows import structure_frame
from workstation.market.engine import Engine, conformed
from workstation.market.tables import PACKETS, STRUCTURES


class Structures(Engine):
    """Rows of ``structures``; one that loses a leg to a cancel comes again with ``retracted``.

    With ``finder``, one that is shared with ``Classifiers``, structures are found once for both; the parameters are the finder's.

    Examples
    --------
    >>> Structures().update(PACKETS.empty()).empty
    True
    """

    inputs: ClassVar[tuple[str, ...]] = ("packets",)
    output: ClassVar[str] = "structures"

    def __init__(
        self, parameters: StructuresParameters | None = None, *, finder: StructureFinder | None = None, **changes: Any
    ) -> None:  # fmt: skip
        own = (
            finder.parameters
            if finder is not None
            else replace(parameters or StructuresParameters(), **changes)
        )
        self.parameters, self._finder = own, finder or StructureFinder(own)

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of ``packets`` and give the structures of whole bursts."""
        return structure_frame(self._finder.take(batch, self)[1]) if len(batch) else _EMPTY.copy(deep=False)

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return self._finder.snapshot()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._finder.restore(state)


_EMPTY = STRUCTURES.empty()


def structures(packets: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Structures among packets.

    Parameters
    ----------
    packets
        Rows of ``packets`` as ``flow.packets`` gives them: the packets of a burst stand together.
    parameters
        Of ``StructuresParameters``.

    Returns
    -------
    pandas.DataFrame
        Rows of ``structures``, in order of their bursts.

    Examples
    --------
    >>> from workstation.market.tables import QUOTES, TRADES
    >>> from workstation.flow.packets import packets as packets_of_trades
    >>> names = ["SPY   261218C00450000", "SPY   261218P00450000"]
    >>> trades = TRADES.batch({"event_ns": [10, 15], "instrument": names, "price": [2.0, 1.5], "size": [20.0, 20.0]})
    >>> structures(packets_of_trades(trades, QUOTES.empty()))[["kind", "legs", "size", "premium_usd"]].values.tolist()
    [['straddle', 2, 40.0, 7000.0]]
    """
    return Structures(**parameters).update(conformed(PACKETS, packets))
