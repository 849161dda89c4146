"""Names of packages of options by their legs: rights, strikes, expiries, sides and ratios.

Sides decide the name, never the right alone. Textbook names (Natenberg; the Options Clearing Corporation's strategy guides).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LEAST_RATIO, MOST_RATIO = 0.8, 1.25
"""A leg's size over the smallest leg's may be this far from an integer."""
RATIOS = (1, 2, 3)
MOST_LEGS = 6
"""Legs among which packages are looked for; which of more belong together nobody can tell."""
KINDS = (
    "vertical", "ratio", "straddle", "strangle", "risk_reversal", "collar", "synthetic", "calendar", "diagonal", "roll", "butterfly",
    "ladder", "jade_lizard", "condor", "iron_condor", "iron_fly", "package",
)  # fmt: skip


class Leg(NamedTuple):
    """One leg: side +1 bought, -1 sold, 0 not known; ``closes`` where its near side may close what is open."""

    right: str
    strike: float
    expiry_ns: int
    side: int
    size: float
    closes: bool = False


class Named(NamedTuple):
    """A package: places of its legs, kind, and kind with its sides."""

    legs: tuple[int, ...]
    kind: str
    name: str


def ratios(sizes: Sequence[float]) -> tuple[int, ...] | None:
    """Sizes over the smallest as small integers; None where one is not within 0.8 to 1.25 of one.

    Examples
    --------
    >>> ratios([10, 21, 10]), ratios([20, 10]), ratios([10, 14])
    ((1, 2, 1), (2, 1), None)
    """
    least = min(sizes)
    found = []
    for size in sizes:
        near = next((one for one in RATIOS if LEAST_RATIO * one <= size / least <= MOST_RATIO * one), 0)
        if not near:
            return None
        found.append(near)
    return tuple(found)


def named(legs: Sequence[Leg]) -> tuple[str, str] | None:
    """Kind and name of legs taken together, None where they are no known package.

    Examples
    --------
    >>> named([Leg("C", 100, 1, -1, 5), Leg("C", 105, 1, 1, 5), Leg("P", 95, 1, -1, 5), Leg("P", 90, 1, 1, 5)])
    ('iron_condor', 'short iron condor')
    >>> named([Leg("C", 95, 1, 1, 5), Leg("C", 100, 1, -1, 10), Leg("C", 105, 1, 1, 5)])
    ('butterfly', 'long call butterfly')
    """
    found = ratios([leg.size for leg in legs])
    if found is None or len({leg[:3] for leg in legs}) < len(legs):
        return None
    order = sorted(range(len(legs)), key=lambda at: (legs[at].expiry_ns, legs[at].right, legs[at].strike))
    ordered, parts = [legs[at] for at in order], tuple(found[at] for at in order)
    if len(legs) == 2:
        return _of_two(ordered, parts)
    if len({leg.expiry_ns for leg in legs}) > 1:
        return None
    rights = {leg.right for leg in legs}
    if len(rights) == 1:
        return _of_one_right(ordered, parts)
    if len(legs) == 3:
        return _lizard(ordered, parts)
    return _iron(ordered, parts) if len(legs) == 4 else None


_WORD = {"C": "call", "P": "put"}


def _held(side: int) -> str:
    return "long" if side > 0 else "short"


def _of_two(legs: list[Leg], parts: tuple[int, ...]) -> tuple[str, str] | None:
    near, far = legs
    if near.expiry_ns != far.expiry_ns:
        return _over_time(near, far) if near.right == far.right and parts == (1, 1) else None
    if near.right != far.right:
        return _of_rights(near, far, parts)
    known = near.side and far.side
    return _of_strikes(near, far, parts) if known else ("vertical", "vertical, sides not known")


def _of_rights(call: Leg, put: Leg, parts: tuple[int, ...]) -> tuple[str, str]:
    """A call and a put of one expiry."""
    kind = "straddle" if call.strike == put.strike else "strangle"
    if not (call.side and put.side):
        return (kind, f"{kind}, sides not known") if parts == (1, 1) else ("ratio", "ratio, sides not known")
    if call.side == put.side:
        word = kind if parts == (1, 1) else "strap" if parts[0] > parts[1] else "strip"
        return kind if parts == (1, 1) else "ratio", f"{_held(call.side)} {word}"
    if call.strike == put.strike:
        return "synthetic", f"{_held(call.side)} synthetic"
    return ("risk_reversal", "bullish risk reversal") if call.side > 0 else ("collar", "collar")


def _of_strikes(low: Leg, high: Leg, parts: tuple[int, ...]) -> tuple[str, str] | None:
    """Two strikes of one right and expiry."""
    word = _WORD[low.right]
    if low.side == high.side:
        return None
    if parts != (1, 1):
        bought = parts[0] if low.side > 0 else parts[1]
        return "ratio", f"{word} {'backspread' if bought > 1 else 'ratio spread'}"
    return "vertical", f"{'bull' if low.side > 0 else 'bear'} {word} spread"


def _over_time(near: Leg, far: Leg) -> tuple[str, str] | None:
    kind = "calendar" if near.strike == far.strike else "diagonal"
    word = _WORD[near.right]
    if not near.side or not far.side:
        return kind, f"{kind}, sides not known"
    if near.side == far.side:
        return None
    if near.closes:
        way = "up" if far.strike > near.strike else "down" if far.strike < near.strike else ""
        return "roll", f"{word} roll {f'{way} and ' if way else ''}out, {'long' if far.side > 0 else 'short'}"
    return kind, f"{_held(far.side)} {word} {kind}"


def _of_one_right(legs: list[Leg], parts: tuple[int, ...]) -> tuple[str, str] | None:
    """Three strikes and more of one right and expiry."""
    word, sides = _WORD[legs[0].right], [leg.side for leg in legs]
    if 0 in sides:
        return "ladder", f"{word} ladder, sides not known"
    if len(set(sides)) == 1:
        return "ladder", f"{_held(sides[0])} {word} ladder"
    if len(legs) == 3:
        return _of_three(sides, parts, word)
    if len(legs) == 4 and sides[0] == sides[3] and sides[1] == sides[2] and set(parts) == {1}:
        even = abs((legs[1].strike - legs[0].strike) - (legs[3].strike - legs[2].strike)) < 1e-9
        return ("condor", f"{_held(sides[0])} {word} condor") if even else ("ladder", f"{word} condor ladder")
    return None


def _of_three(sides: list[int], parts: tuple[int, ...], word: str) -> tuple[str, str] | None:
    wings = sides[0] == sides[2] != sides[1]
    if wings:
        found = parts in ((1, 2, 1), (1, 3, 2), (2, 3, 1))
        return ("butterfly", f"{_held(sides[0])} {word} butterfly") if found else None
    return ("ladder", f"{'bull' if sides[0] > 0 else 'bear'} {word} ladder") if set(parts) == {1} else None


def _lizard(legs: list[Leg], parts: tuple[int, ...]) -> tuple[str, str] | None:
    """A short put and a short call spread, or a short call and a short put spread."""
    calls, puts = [leg for leg in legs if leg.right == "C"], [leg for leg in legs if leg.right == "P"]
    if set(parts) != {1}:
        return None
    if len(calls) == 2 and [calls[0].side, calls[1].side, puts[0].side] == [-1, 1, -1]:
        return "jade_lizard", "jade lizard"
    if len(puts) == 2 and [puts[0].side, puts[1].side, calls[0].side] == [1, -1, -1]:
        return "jade_lizard", "reverse jade lizard"
    return None


def _iron(legs: list[Leg], parts: tuple[int, ...]) -> tuple[str, str] | None:
    calls, puts = [leg for leg in legs if leg.right == "C"], [leg for leg in legs if leg.right == "P"]
    if len(calls) != 2 or set(parts) != {1} or puts[1].strike > calls[0].strike:
        return None
    kind, word = (
        ("iron_fly", "iron fly") if puts[1].strike == calls[0].strike else ("iron_condor", "iron condor")
    )
    sides = [puts[0].side, puts[1].side, calls[0].side, calls[1].side]
    if sides == [1, -1, -1, 1]:
        return kind, f"short {word}"
    if sides == [-1, 1, 1, -1]:
        return kind, f"long {word}"
    return (kind, f"{word}, sides not known") if sides == [0, 0, 0, 0] else None


def packages(legs: Sequence[Leg]) -> list[Named]:
    """Packages that use each leg at most once: as few legs as can be are left over, in as few packages as can be.

    The plain twin of ``structure_kernels.packages_of_groups``, which looks at many groups at once.

    Examples
    --------
    >>> four = [Leg("C", strike, 1, side, 1.0) for strike, side in ((598, 1), (600, 1), (603, -1), (605, -1))]
    >>> [(one.legs, one.name) for one in packages(four)]
    [((0, 3), 'bull call spread'), ((1, 2), 'bull call spread')]
    """
    count = min(len(legs), MOST_LEGS)
    names: dict[int, tuple[str, str] | None] = {}
    best: dict[int, tuple[int, int, tuple[int, ...]]] = {0: (0, 0, ())}
    for left in range(1, 1 << count):
        first = left & -left
        without = best[left ^ first]
        chosen = (without[0] + 1, without[1], without[2])
        rest = left ^ first
        others = rest
        while others:
            subset = first | others
            if subset not in names:
                names[subset] = named([legs[at] for at in places_of(subset)])
            if names[subset] is not None:
                then = best[left ^ subset]
                chosen = min(chosen, (then[0], then[1] + 1, (subset, *then[2])), key=lambda one: one[:2])
            others = (others - 1) & rest
        best[left] = chosen
    subsets = best[(1 << count) - 1][2] if count else ()
    return [Named(places_of(subset), *what) for subset in subsets if (what := names[subset]) is not None]


def places_of(subset: int) -> tuple[int, ...]:
    """Places of the bits that are set.

    Examples
    --------
    >>> places_of(5)
    (0, 2)
    """
    return tuple(at for at in range(subset.bit_length()) if subset >> at & 1)


def uncovered(legs: Sequence[Leg]) -> int:
    """Short legs without a long one of the same right, of the same or a later expiry, to cover them.

    Examples
    --------
    >>> uncovered([Leg("C", 100, 1, -1, 1), Leg("C", 100, 2, 1, 1)]), uncovered([Leg("C", 100, 1, 1, 1), Leg("C", 100, 2, -1, 1)])
    (0, 1)
    """
    long = {at: leg.size for at, leg in enumerate(legs) if leg.side > 0}
    without = 0
    for short in sorted((leg for leg in legs if leg.side < 0), key=lambda leg: -leg.expiry_ns):
        wanted = LEAST_RATIO * short.size
        for at, size in sorted(long.items(), key=lambda item: -legs[item[0]].expiry_ns):
            if legs[at].right == short.right and legs[at].expiry_ns >= short.expiry_ns:
                used = min(size, wanted)
                long[at], wanted = size - used, wanted - used
        without += wanted > 1e-9
    return without
