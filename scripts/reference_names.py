"""The public names of every package for the reference, in reStructuredText."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import workstation

ALSO = (
    "workstation.feeds.files.table", "workstation.indicators.own", "workstation.pricing.american", "workstation.process",
)  # fmt: skip
"""Modules below a package's face that are meant for use by name."""
INSIDE = ("workstation.cli", "workstation.feeds._template", "workstation.views.widgets")


class PublicName(NamedTuple):
    """A name of a public face, and the address under which it is documented."""

    face: str
    name: str
    address: str
    kind: str
    """``function``, ``class``, ``exception``, ``data`` or ``module``."""


def faces() -> list[str]:
    """Packages that declare ``__all__``, the top first, and the modules of ``ALSO``."""
    walked = pkgutil.walk_packages(workstation.__path__, "workstation.")
    names = [one.name for one in walked if one.ispkg and not one.name.startswith(INSIDE)]
    with_names = [name for name in names if getattr(import_module(name), "__all__", None)]
    return ["workstation", *sorted([*with_names, *ALSO])]


def public_names(face: str) -> list[PublicName]:
    """Every name of a face."""
    module = import_module(face)
    return [_public(face, name, getattr(module, name)) for name in sorted(set(module.__all__), key=str.lower)]


def _public(face: str, name: str, found: Any) -> PublicName:
    if isinstance(found, ModuleType):
        inner = getattr(found, name, None)
        if callable(inner):  # a module that is called as its one function
            return PublicName(face, name, f"{found.__name__}.{name}", "function")
        return PublicName(face, name, found.__name__, "module")
    return PublicName(face, name, _address(face, name, found), _kind(found))


def _kind(found: Any) -> str:
    if inspect.isclass(found):
        return "exception" if issubclass(found, BaseException) else "class"
    return "function" if callable(found) and hasattr(found, "__name__") else "data"


def _address(face: str, name: str, found: Any) -> str:
    """The module a thing was defined in, where it is found there; else the face."""
    home, qualified = getattr(found, "__module__", None), getattr(found, "__qualname__", "")
    if _kind(found) == "data" or not str(home).startswith("workstation") or "." in qualified:
        return f"{face}.{name}"
    return (
        f"{home}.{qualified}" if getattr(import_module(home), qualified, None) is found else f"{face}.{name}"
    )


def names_page(face: str, documented: dict[str, str]) -> str:
    """The page of a face in reStructuredText; what an earlier face documents is pointed to.

    Parameters
    ----------
    face
        Full name of a package or module.
    documented
        Address -> face of what has been written so far; what this page documents is added.
    """
    names = public_names(face)
    lines = [face, "=" * len(face), "", f".. automodule:: {face}", "   :no-members:", ""]
    lines += [".. list-table::", "   :widths: 28 72", "   :class: names", ""]
    for one in names:
        lines += [f"   * - {_link(one)}", f"     - {_first_line(one)}"]
    lines.append("")
    for one in names:
        if one.kind == "module" or one.address in documented:
            continue
        documented[one.address] = face
        lines += _directive(one)
    return "\n".join(lines) + "\n"


def _link(one: PublicName) -> str:
    if one.kind == "module":
        return f":doc:`{one.name} <{one.address}>`" if one.address in faces() else f"``{one.name}``"
    role = {"function": "func", "class": "class", "exception": "exc", "data": "data"}[one.kind]
    return f":py:{role}:`{one.name} <{one.address}>`"


def _first_line(one: PublicName) -> str:
    """The first sentence of its docstring, in one line."""
    found = getattr(import_module(one.face), one.name)
    if one.kind == "data":
        return f"``{type(found).__name__}``"
    if one.kind == "function" and isinstance(found, ModuleType):
        found = getattr(found, one.name)
    text = inspect.getdoc(found) or ""
    return " ".join(text.split("\n\n")[0].split())


def _directive(one: PublicName) -> list[str]:
    directive = {
        "function": "autofunction",
        "class": "autoclass",
        "exception": "autoexception",
        "data": "autodata",
    }
    lines = [f".. {directive[one.kind]}:: {one.address}"]
    if one.kind == "class" and one.name != "Settings":
        lines.append("   :members:")
    if one.kind == "data":
        lines.append("   :no-value:")
    return [*lines, ""]
