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
