"""Roles, and what each may see."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Role(IntEnum):
    """What a caller may see; each may what the ones before may.

    ``VIEWER`` sees the market, ``TRADER`` also positions, fills and accounts, ``ADMIN`` also the state of the server.
    """

    VIEWER = 1
    TRADER = 2
    ADMIN = 3


class Caller(NamedTuple):
    """Who asks, by whatever proof."""

    name: str
    role: Role


EVERYBODY = Caller("everybody", Role.ADMIN)
"""Whoever reaches a server without a login."""


def highest_role(names: Iterable[object]) -> Role | None:
    """The highest role among names; None when none of them is a role: whoever has no role sees nothing.

    Examples
    --------
    >>> highest_role(["offline_access", "viewer", "trader"]), highest_role(["Admin"])
    (<Role.TRADER: 2>, None)
    """
    known = {role.name.lower(): role for role in Role}
    found = [known[name] for name in names if isinstance(name, str) and name in known]
    return max(found, default=None)


def role_for_path(path: str) -> Role:
    """The role that a path of the server asks for: pages, their websockets and their scripts, and the API alike.

    Examples
    --------
    >>> [role_for_path(path).name for path in ("/exposure", "/portfolio", "/portfolio/ws", "/api/positions", "//Portfolio/")]
    ['VIEWER', 'TRADER', 'TRADER', 'TRADER', 'TRADER']
    """
    parts = [part for part in path.lower().split("/") if part]
    private = parts[:1] == ["portfolio"] or parts[:2] == ["api", "positions"]
    return Role.TRADER if private else Role.VIEWER
