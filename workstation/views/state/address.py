"""The page's address, where a session has one, and the choices that are kept in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import panel as pn
import param

ALL = "all"
"""In the address: no expiry was chosen."""
_INSTANT = "%Y-%m-%dT%H%M"


def address() -> Any | None:
    """What keeps a session's choices in the address of its page; None in a notebook, whose address is not ours."""
    return pn.state.location if pn.state.curdoc is not None else None


class Expiries(param.List):
    """Expiries in ns, written as instants of UTC in an address: ``2026-12-25T0800~2027-01-29T0800``.

    Examples
    --------
    >>> Expiries.serialize([1_798_185_600_000_000_000]), Expiries.serialize([])
    ('2026-12-25T0800', 'all')
    >>> Expiries.deserialize("2026-12-25T0800"), Expiries.deserialize("all")
    ([1798185600000000000], [])
    """

    @classmethod
    def serialize(cls, value: Sequence[int]) -> str:
        """The instants as text."""
        return "~".join(pd.Timestamp(expiry).strftime(_INSTANT) for expiry in value) or ALL

    @classmethod
    def deserialize(cls, value: Any) -> Any:
        """The instants of a text; what is a list already stays as it is. ``ValueError`` where it is neither."""
        if not isinstance(value, str) or value == ALL:
            return [] if value == ALL else value
        return [pd.to_datetime(text, format=_INSTANT).value for text in value.split("~")]


def keep_in_address(choice: param.Parameterized, names: Sequence[str]) -> None:
    """Keep these choices in the page's address, and take them from it: at first, and when one goes back or forward.

    A choice that the page does not offer is left out; it costs the others nothing.
    """
    location = address()
    if location is None:
        return
    location.sync(choice, list(names), on_error=lambda given: take_each(choice, given))
    location.param.watch(lambda _: empty_missing(choice, names, location.query_params), "search")


def take_each(choice: param.Parameterized, given: Mapping[str, Any]) -> None:
    """Take each of these choices that can be taken, in their order: what comes first may decide what is offered next.

    Examples
    --------
    >>> class Made(param.Parameterized):
    ...     letter = param.Selector(default="a", objects=["a", "b"])
    ...     number = param.Integer(default=1)
    >>> made = Made()
    >>> take_each(made, {"letter": "z", "number": 2})
    >>> made.letter, made.number
    ('a', 2)
    """
    for name, value in given.items():
        try:
            choice.param.update(**{name: value})
        except ValueError:  # not offered here: an address is anybody's text
            continue


def empty_missing(choice: param.Parameterized, names: Sequence[str], query: Mapping[str, Any]) -> None:
    """Empty the texts that an address does not name: Panel leaves empty ones out of it, and so tells none from the one before."""
    missing = [name for name in names if name not in query and getattr(choice, name)]
    emptied = {name: "" for name in missing if choice.param[name].default == ""}
    if emptied and query:
        take_each(choice, emptied)
