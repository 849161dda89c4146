"""Style sheets and scripts that lie next to the modules as files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def asset(package: str, name: str) -> str:
    """Text of a ``.css`` or ``.js`` file that ships in a package.

    Examples
    --------
    >>> ".cell" in asset("workstation.views.widgets", "value_line.css")
    True
    """
    return files(package).joinpath(name).read_text(encoding="utf-8")


def table_css(package: str, name: str) -> str:
    """Style sheet of a table that scrolls within its card, with the shade that says on a phone that it goes on.

    Examples
    --------
    >>> ":host" in table_css("workstation.views.portfolio", "tables.css")
    True
    """
    return asset(package, name) + asset(__package__, "scroll_hint.css")
