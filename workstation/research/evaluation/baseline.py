"""Random times: what as many signals would have come to that knew nothing.

Both baselines keep each signal's instrument and side. *Random times* are drawn uniformly over the time in which the
instrument has prices; *rotations* move all signals of a run by one random stretch of that time, around its end, and so keep
how they cluster: the share of rotations that did at least as well is a p-value that no clustering flatters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.research.evaluation.forward_returns import Closes, Horizons, forward_of_all
from workstation.research.evaluation.price_paths import Floats, Instants, PricePath
from workstation.research.evaluation.signals import Signals

Members = Mapping[str, npt.NDArray[np.intp]]


class TradedTime(NamedTuple):
    """The time in which an instrument has prices that are not stale, joined without its holes.

    ``begin`` (k,): begins of its stretches, ns; ``passed`` (k + 1,): traded time before each, ns.
    """

    begin: Instants
    passed: Instants

    def at(self, position: Floats) -> Instants:
        """The moments at these shares (0 to 1) of the traded time."""
        offset = np.minimum((position * self.passed[-1]).astype(np.int64), max(self.passed[-1] - 1, 0))
        stretch = np.minimum(np.searchsorted(self.passed, offset, side="right") - 1, self.begin.size - 1)
        return np.asarray(self.begin[stretch] + offset - self.passed[stretch])

    def share(self, moments: Instants) -> Floats:
        """The share of the traded time before each moment."""
        stretch = np.maximum(np.searchsorted(self.begin, moments, side="right") - 1, 0)
        lengths = np.diff(self.passed)[stretch]
        inside = np.clip(moments - self.begin[stretch], 0, lengths)
        return np.asarray((self.passed[stretch] + inside) / max(self.passed[-1], 1))


def traded_time(path: PricePath, stale_ns: int) -> TradedTime:
    """The traded time of a path; a hole longer than ``stale_ns`` is left out.

    Examples
    --------
    >>> path = PricePath(np.array([0, 4, 100, 106]), np.ones(4))
    >>> traded_time(path, 10).at(np.array([0.0, 0.5, 0.9])).tolist()
    [0, 101, 105]
    """
    cut = np.flatnonzero(np.diff(path.times) > stale_ns)
    first, last = np.append(0, cut + 1), np.append(cut, path.times.size - 1)
    lengths = path.times[last] - path.times[first]
    return TradedTime(path.times[first], np.append(0, np.cumsum(lengths)))


class Drawn(NamedTuple):
    """Means over random times, (draws, groups, horizons): hit rate without ties, and return in bps; NaN where nothing was measured."""

    hit_rate: Floats
    mean_bps: Floats


def draw(
    *,
    signals: Signals,
    chosen: npt.NDArray[np.bool_],
    group: npt.NDArray[np.intp],
    groups: int,
    paths: Mapping[str, PricePath],
    horizons: Horizons,
    stale_ns: int,
    closes: Closes,
    draws: int,
    seed: int,
    rotate: bool,
    cost_bps: float = 0.0,
) -> Drawn:
    """Evaluate as many random times as there are signals, ``draws`` times over.

    Parameters
    ----------
    chosen
        (n,) signals that take a side and whose instrument has prices.
    group, groups
        (n,) rule of each signal and how many rules there are; the first group of the answer is all of them.
    rotate
        Rotations instead of independent random times.
    """
    random = np.random.default_rng(seed)
    members = by_instrument(signals, chosen)
    members = {name: at for name, at in members.items() if name in paths}
    times = {name: traded_time(paths[name], stale_ns) for name in members}
    own = {name: times[name].share(signals.event_ns[at]) for name, at in members.items()}
    count = len(horizons.labels)
    hit_rate, mean = np.full((draws, groups + 1, count), np.nan), np.full((draws, groups + 1, count), np.nan)
    for at in range(draws):
        event_ns = signals.event_ns.copy()
        turn = random.random()
        for name, rows in members.items():
            position = (own[name] + turn) % 1.0 if rotate else random.random(rows.size)
            event_ns[rows] = times[name].at(position)
        made = forward_of_all(
            event_ns=event_ns,
            side=signals.side,
            members=members,
            paths=paths,
            horizons=horizons,
            stale_ns=stale_ns,
            closes=closes,
        )
        hit_rate[at], mean[at] = _means(made.bps - cost_bps, group, groups)
    return Drawn(hit_rate, mean)


def by_instrument(signals: Signals, chosen: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.intp]]:
    """Places of the chosen signals by the instrument whose prices judge them."""
    names, codes = np.unique(signals.priced.astype(str), return_inverse=True)
    return {
        str(name): np.flatnonzero(chosen & (codes == at))
        for at, name in enumerate(names)
        if (chosen & (codes == at)).any()
    }


def _means(bps: Floats, group: npt.NDArray[np.intp], groups: int) -> tuple[Floats, Floats]:
    rate, mean = np.full((groups + 1, bps.shape[1]), np.nan), np.full((groups + 1, bps.shape[1]), np.nan)
    for at in range(bps.shape[1]):
        told = np.isfinite(bps[:, at])
        values, of = bps[told, at], group[told]
        sums = [
            np.bincount(of, part, groups)
            for part in (values > 0.0, values != 0.0, np.ones(values.size), values)
        ]
        hits, decided, measured, total = (np.append(one.sum(), one) for one in sums)
        with np.errstate(invalid="ignore"):
            rate[:, at], mean[:, at] = hits / decided, total / measured
    return rate, mean
