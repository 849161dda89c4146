"""What was before the newest published state: asked for when a chart is moved to the left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from workstation.indicators.candles.venue_candles import across_venues
from workstation.market.tables import CANDLES
from workstation.views.spacetime.intensity_bars import MEASURES

Ask = Callable[..., pd.DataFrame]
"""A history's ``sql``: query text and ``$name`` parameters as keywords, a frame back."""

_CANDLES = """
SELECT seq, event_ns, instrument, every_ns, open, high, low, close, volume, trades, revision, closed, venue FROM candles
WHERE instrument = $instrument AND every_ns = $every AND event_ns >= $start AND event_ns < $until ORDER BY event_ns
"""
_BARS = """
SELECT (event_ns / $bar) * $bar AS begin_ns, max(smoothed) AS value,
  last_value(velocity ORDER BY event_ns) AS velocity, last_value(efficiency ORDER BY event_ns) AS efficiency,
  last_value(mean_base ORDER BY smoothed) AS mean, last_value(burst_above ORDER BY smoothed) AS burst_above,
  last_value(spike_above ORDER BY smoothed) AS spike_above,
  max(CASE WHEN smoothed > spike_above THEN 2.0 WHEN smoothed > burst_above THEN 1.0 ELSE 0.0 END) AS state
FROM intensity WHERE instrument = $instrument AND event_ns >= $start AND event_ns < $until AND smoothing IN ('', $smoothing)
GROUP BY begin_ns ORDER BY begin_ns
"""


class HistoryLoader:
    """Older candles and intensity bars, read from history.

    Parameters
    ----------
    ask
        See ``Ask``.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def candles(self, instrument: str, every_ns: int, start_ns: int, end_ns: int) -> pd.DataFrame:
        """Candles of all venues together with ``start_ns <= event_ns < end_ns``, conformed, in time order."""
        found = self._ask(_CANDLES, instrument=instrument, every=every_ns, start=start_ns, until=end_ns)
        return across_venues(CANDLES.conform(found)) if len(found) else CANDLES.empty()

    def bars(
        self, instrument: str, length_ns: int, start_ns: int, end_ns: int, smoothing: str
    ) -> dict[str, np.ndarray]:
        """Intensity bars as ``intensity_bars`` makes them, of one smoothing and of rows that do not say which they are of."""
        chosen = {"instrument": instrument, "bar": length_ns, "smoothing": smoothing}
        found: Any = self._ask(_BARS, start=start_ns, until=end_ns, **chosen)
        return {"begin_ns": found["begin_ns"].to_numpy(dtype=np.int64)} | {
            name: found[name].to_numpy(dtype=np.float64) for name in MEASURES
        }
