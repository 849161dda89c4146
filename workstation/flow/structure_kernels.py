"""Which legs make packages, over many groups of legs at once: the kernel of ``structure_names.packages``, which is its twin."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.flow.structure_names import LEAST_RATIO, MOST_LEGS, MOST_RATIO, RATIOS

CALL, PUT = 1, 2
RIGHTS = {"C": CALL, "P": PUT}
_MOST_PART = RATIOS[-1]
FARTHEST = RATIOS[-1] * MOST_RATIO
"""The largest leg of a package over its smallest, at most."""


class Legs(NamedTuple):
    """Legs of groups one after the other (n,): right (1 call, 2 put, 0 neither), strike, expiry, side and size."""

    right: Any
    strike: Any
    expiry_ns: Any
    side: Any
    size: Any


@numba.njit(cache=True)
def _parts(legs: Legs, at: Any, count: int, parts: Any) -> bool:
    """Sizes over the smallest as small integers; False where one is not near any."""
    least = np.inf
    for i in range(count):
        least = min(least, legs.size[at[i]])
    for i in range(count):
        share = legs.size[at[i]] / least
        parts[i] = 0
        for one in range(_MOST_PART, 0, -1):
            if LEAST_RATIO * one <= share <= MOST_RATIO * one:
                parts[i] = one
        if parts[i] == 0:
            return False
    return True


@numba.njit(cache=True)
def _is_before(legs: Legs, one: int, other: int) -> bool:
    if legs.expiry_ns[one] != legs.expiry_ns[other]:
        return bool(legs.expiry_ns[one] < legs.expiry_ns[other])
    if legs.right[one] != legs.right[other]:
        return bool(legs.right[one] < legs.right[other])
    return bool(legs.strike[one] < legs.strike[other])


@numba.njit(cache=True)
def _sort(legs: Legs, at: Any, count: int) -> bool:
    """Order legs by expiry, right and strike; False where two are the same contract or one is no option."""
    for i in range(count):
        if legs.right[at[i]] == 0:
            return False
        for j in range(i):
            one, other = at[i], at[j]
            if (
                legs.right[one] == legs.right[other]
                and legs.strike[one] == legs.strike[other]
                and legs.expiry_ns[one] == legs.expiry_ns[other]
            ):
                return False
    for i in range(1, count):
        held, j = at[i], i
        while j > 0 and _is_before(legs, held, at[j - 1]):
            at[j] = at[j - 1]
            j -= 1
        at[j] = held
    return True


@numba.njit(cache=True)
def _are_two(legs: Legs, at: Any, parts: Any) -> bool:
    near, far = at[0], at[1]
    opposed = legs.side[near] * legs.side[far] <= 0  # or a side is not known
    if legs.expiry_ns[near] != legs.expiry_ns[far]:
        even = parts[0] == 1 and parts[1] == 1
        return bool(legs.right[near] == legs.right[far] and even and opposed)
    return bool(legs.right[near] != legs.right[far] or opposed)


@numba.njit(cache=True)
def _are_of_one_right(legs: Legs, at: Any, parts: Any, count: int) -> bool:
    known, alike, even = True, True, True
    for i in range(count):
        known &= legs.side[at[i]] != 0
        alike &= legs.side[at[i]] == legs.side[at[0]]
        even &= parts[i] == 1
    if not known or alike:
        return True
    first, second = legs.side[at[0]], legs.side[at[1]]
    if count == 3:
        if first == legs.side[at[2]]:  # wings: the one between differs, or all were alike
            one, two, three = parts[0], parts[1], parts[2]
            return bool(
                (one == 1 and two == 2 and three == 1)
                or (two == 3 and ((one == 1 and three == 2) or (one == 2 and three == 1)))
            )
        return even
    return bool(count == 4 and even and first == legs.side[at[3]] and second == legs.side[at[2]])


@numba.njit(cache=True)
def _are_of_two_rights(legs: Legs, at: Any, count: int) -> bool:
    """A lizard or an iron package of one size; calls stand before puts, each by strike."""
    calls = 0
    for i in range(count):
        calls += legs.right[at[i]] == CALL
    first, second, third = legs.side[at[0]], legs.side[at[1]], legs.side[at[2]]
    if count == 3:  # a short call or put at each end of a spread
        return bool(first == -1 and second == 1 and third == -1)
    if count != 4 or calls != 2 or legs.strike[at[3]] > legs.strike[at[0]]:
        return False
    return bool(first == legs.side[at[3]] and second == third == -first)


@numba.njit(cache=True)
def is_package(legs: Legs, at: Any, count: int, parts: Any) -> bool:
    """Whether the legs at these places (changed: put in order) have a name together, as ``structure_names.named`` gives one."""
    if not _sort(legs, at, count) or not _parts(legs, at, count, parts):
        return False
    if count == 2:
        return _are_two(legs, at, parts)
    one_right, even = True, True
    for i in range(count):
        if legs.expiry_ns[at[i]] != legs.expiry_ns[at[0]]:
            return False
        one_right &= legs.right[at[i]] == legs.right[at[0]]
        even &= parts[i] == 1
    if one_right:
        return _are_of_one_right(legs, at, parts, count)
    return bool(even and _are_of_two_rights(legs, at, count))


@numba.njit(cache=True)
def _of_group(legs: Legs, first: int, count: int, chosen: Any) -> int:
    """The subsets (bits of places) that leave the fewest legs over, in the fewest packages; gives how many."""
    size = 1 << count
    left_over, packages = np.zeros(size, np.int64), np.zeros(size, np.int64)
    subset_of, named = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    at, parts = np.empty(count, np.int64), np.empty(count, np.int64)
    for left in range(1, size):
        one = left & -left
        rest = left ^ one
        left_over[left], packages[left] = left_over[rest] + 1, packages[rest]
        others = rest
        while others:
            subset = one | others
            if named[subset] < 0:
                held = 0
                for place in range(count):
                    if subset >> place & 1:
                        at[held] = first + place
                        held += 1
                named[subset] = is_package(legs, at, held, parts)
            then = left ^ subset
            over, many = left_over[then], packages[then] + 1
            if named[subset] and (
                over < left_over[left] or (over == left_over[left] and many < packages[left])
            ):
                left_over[left], packages[left], subset_of[left] = over, many, subset
            others = (others - 1) & rest
    found, left = 0, size - 1
    while left:
        if subset_of[left]:
            chosen[found] = subset_of[left]
            found += 1
            left ^= subset_of[left]
        else:
            left ^= left & -left
    return found


@numba.njit(cache=True)
def packages_of_groups(legs: Legs, offsets: Any, chosen: Any, found: Any) -> None:
    """Packages of groups: legs [offsets[g], offsets[g + 1]) are group g, of which the first ``MOST_LEGS`` are looked at.

    ``chosen`` (groups, MOST_LEGS) gets each package's legs as bits of their places in the group, ``found`` (groups,) how many.
    """
    for group in range(found.size):
        count = min(offsets[group + 1] - offsets[group], MOST_LEGS)
        found[group] = _of_group(legs, offsets[group], count, chosen[group])


@numba.njit(cache=True)
def alike(
    order: Any, burst: Any, of_package: Any, size: Any, farthest: float, most: int, places: Any, offsets: Any
) -> int:
    """Legs split where sizes, in order, are too far apart for any ratio; groups of one, or of more than ``most``, say nothing.

    ``order`` puts the legs in order of burst, kind of print and size. ``places`` gets those of each group in ascending order,
    ``offsets`` where each group begins and ends; gives how many groups.
    """
    groups, first = 0, 0
    for i in range(1, order.size + 1):
        one = order[first]
        if (
            i < order.size
            and burst[order[i]] == burst[one]
            and of_package[order[i]] == of_package[one]
            and size[order[i]] <= farthest * size[one]
        ):
            continue
        if 1 < i - first <= most:
            start = offsets[groups]
            held = places[start : start + i - first]
            held[:] = order[first:i]
            held.sort()
            groups += 1
            offsets[groups] = start + i - first
        first = i
    return groups
