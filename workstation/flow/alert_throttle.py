"""Which alerts are told: of a contract once in a while, of a name the strongest of the last hour; the others are counted."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple


class Candidate(NamedTuple):
    """An alert that may be told: when, of what, how strong."""

    event_ns: int
    instrument: str
    underlying: str
    direction: int
    score: float
    premium_usd: float

    @property
    def contract(self) -> str:
        """Contract and direction."""
        return f"{self.instrument}|{self.direction}"


class AlertThrottle:
    """Decides what is told and counts what is not.

    An alert is told when its contract has told none of its direction for ``quiet_ns``, or a weaker one by ``higher`` points, and
    when fewer than ``most`` of its name's alerts in ``window_ns`` were as strong, by score and then by premium.

    Examples
    --------
    >>> throttle = AlertThrottle(quiet_ns=10, higher=20.0, most=2, window_ns=100)
    >>> rows = [Candidate(at, f"X{at}", "X", 1, score, 0.0) for at, score in enumerate((50, 60, 40, 70))]
    >>> [throttle.suppresses(row) or throttle.told(row) for row in rows][2:]
    [True, {'alerts': 0, 'premium_usd': 0.0, 'of_name': 1}]
    """

    def __init__(self, *, quiet_ns: int, higher: float, most: int, window_ns: int) -> None:
        self._quiet_ns, self._higher, self._most, self._window_ns = quiet_ns, higher, most, window_ns
        self._last: dict[str, dict[str, Any]] = {}
        self._strong: dict[str, list[list[float]]] = {}
        self._untold: dict[str, int] = {}

    def suppresses(self, row: Candidate) -> bool:
        """Whether an alert is not to be told; it is counted then, and counts among its name's either way."""
        stronger = self._stronger(row)
        last = self._last.get(row.contract)
        if (
            last is not None
            and row.event_ns < last["event_ns"] + self._quiet_ns
            and row.score < last["score"] + self._higher
        ):
            last["alerts"] += 1
            last["premium_usd"] += _usd(row)
            return True
        if stronger >= self._most:
            self._untold[row.underlying] = self._untold.get(row.underlying, 0) + 1
            return True
        return False

    def _stronger(self, row: Candidate) -> int:
        """How many of the name's alerts in the window were at least as strong; then take the new one in.

        One that ``most`` later ones reach can decide nothing any more and is forgotten.
        """
        strength = (row.score, _usd(row))
        held = [
            one for one in self._strong.get(row.underlying, []) if one[0] > row.event_ns - self._window_ns
        ]
        stronger = sum((one[1], one[2]) >= strength for one in held)
        for one in held:
            one[3] += (one[1], one[2]) <= strength
        kept = [one for one in held if one[3] < self._most]
        self._strong[row.underlying] = [*kept, [row.event_ns, *strength, 0]]
        return stronger

    def told(self, row: Candidate) -> dict[str, Any]:
        """Take note that an alert is told; what was not told since the last: of its contract, its premium, and of its name."""
        last = self._last.pop(row.contract, {"alerts": 0, "premium_usd": 0.0})
        self._last[row.contract] = {
            "event_ns": row.event_ns, "score": row.score, "alerts": 0, "premium_usd": 0.0,
        }  # fmt: skip
        return {
            "alerts": last["alerts"], "premium_usd": last["premium_usd"], "of_name": self._untold.pop(row.underlying, 0),
        }  # fmt: skip

    def forget(self, oldest_ns: int) -> None:
        """Forget contracts that told nothing since, but for what is still to be counted."""
        if self._last and next(iter(self._last.values()))["event_ns"] < oldest_ns:
            self._last = {
                key: one for key, one in self._last.items() if one["event_ns"] >= oldest_ns or one["alerts"]
            }

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return {
            "last": {key: dict(one) for key, one in self._last.items()},
            "strong": {name: [list(one) for one in held] for name, held in self._strong.items()},
            "untold": dict(self._untold),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._last = {key: dict(one) for key, one in state["last"].items()}
        self._strong = {name: [list(one) for one in held] for name, held in state["strong"].items()}
        self._untold = dict(state["untold"])


def _usd(row: Candidate) -> float:
    return row.premium_usd if isfinite(row.premium_usd) else 0.0
